"""What all applications have in common: static files, error responses and the guard."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import FastAPI

from rlhp.web.auth import AuthMiddleware
from rlhp.web.options import Options
from rlhp.web.pages import add_static
from rlhp.web.refusal import EXPLAINED, explained


def application(description: str, token: str, options: Options) -> FastAPI:
    """Create an application whose routes need `token`, or a key derived from it."""
    app = FastAPI(
        title="rlhp",
        description=description,
        docs_url=None,  # documentation pages would load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,  # a proxy may not know the address
    )
    add_static(app)
    for error in EXPLAINED:
        app.add_exception_handler(error, explained)
    app.add_middleware(AuthMiddleware, token=token, hosts=options.hosts, public=urlsplit(options.public).netloc)
    return app
