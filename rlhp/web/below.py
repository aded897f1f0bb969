"""An application below a path."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


def below(app: ASGIApp, root: str) -> ASGIApp:
    """The application at `root`, whether or not what stands in front of it has taken that from the path; empty: as it is."""
    if not root:
        return app

    async def at_root(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == root or path.startswith(f"{root}/"):
            scope = {**scope, "root_path": root}
        await app(scope, receive, send)

    return at_root
