"""Applications mounted below a path."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


def below(app: ASGIApp, root: str) -> ASGIApp:
    """Mount an application at the path `root`, whether or not the proxy strips that path; an empty `root` changes nothing."""
    if not root:
        return app

    async def at_root(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == root or path.startswith(f"{root}/"):
            scope = {**scope, "root_path": root}
        await app(scope, receive, send)

    return at_root


def route_path(scope: Scope) -> str:
    """Return the path of a request relative to the application's root; empty if the scope is not a request."""
    return scope.get("path", "").removeprefix(scope.get("root_path", ""))
