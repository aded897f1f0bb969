"""What all applications have in common: HTML pages, the static files that they load, error responses and the guard."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from rlhp.web.auth import PUBLIC, AuthMiddleware
from rlhp.web.options import Options
from rlhp.web.refusal import EXPLAINED, explained

HTML = Path(__file__).with_name("html")
STATIC = Path(__file__).with_name("static")


class _StaticFiles(StaticFiles):
    """Files that a browser may keep but must revalidate before each use, so that an upgrade takes effect at once."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        return response


def application(description: str, token: str, options: Options) -> FastAPI:
    """Create an application whose routes need `token`, or a key derived from it.

    It serves the static files below PUBLIC. They hold no secrets, so AuthMiddleware lets everybody read them.
    """
    app = FastAPI(
        title="rlhp",
        description=description,
        docs_url=None,  # documentation pages would load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,  # a proxy may not know the address
    )
    app.mount(PUBLIC, _StaticFiles(directory=STATIC))
    for error in EXPLAINED:
        app.add_exception_handler(error, explained)
    app.add_middleware(AuthMiddleware, token=token, hosts=options.hosts, public=urlsplit(options.public).netloc)
    return app


def html(name: str) -> Response:
    """Return an HTML page. Its links are relative, so that they work below any path; its scripts read the key from its URL."""
    return HTMLResponse("".join((HTML / f"{part}.html").read_text("utf-8") for part in ("head", name)))
