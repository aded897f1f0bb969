"""Applications mounted below a path."""

from __future__ import annotations

from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Scope


def below(app: ASGIApp, root: str) -> ASGIApp:
    """Mount an application at the path `root`, whether or not the proxy strips that path; an empty `root` changes nothing."""
    return Router([Mount(root, app), Mount("", app)])


def route_path(scope: Scope) -> str:
    """Return the path of a request relative to the application's root; empty if the scope is not a request."""
    return scope.get("path", "").removeprefix(scope.get("root_path", ""))
