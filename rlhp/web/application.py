"""What all applications have in common: static files, error responses and the guard."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from rlhp.web.auth import AuthMiddleware
from rlhp.web.options import Options
from rlhp.web.pages import add_static
from rlhp.web.refusal import HANDLERS


def application(description: str, token: str, options: Options, on_request: Callable[[], None] = lambda: None) -> FastAPI:
    """Create an application whose routes need a key that `token` opens. `on_request` is called for each request with a key."""
    app = FastAPI(
        title="rlhp",
        description=description,
        docs_url=None,  # documentation pages would load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,  # a proxy may not know the address
        exception_handlers=HANDLERS,
    )
    add_static(app)
    guard = {"token": token, "hosts": options.hosts, "on_request": on_request, "public": options.public_host}
    app.add_middleware(AuthMiddleware, **guard)  # pyright: ignore[reportArgumentType]
    return app
