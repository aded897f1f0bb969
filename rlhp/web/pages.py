"""The HTML pages, and the static files that they load: scripts, style sheets and images."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from rlhp.web.auth import PUBLIC

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


def add_static(app: Starlette) -> None:
    """Serve the static files below PUBLIC. They hold no secrets, so AuthMiddleware lets everybody read them."""
    app.mount(PUBLIC, _StaticFiles(directory=STATIC))


def html(name: str) -> Response:
    """Return an HTML page. Its links are relative, so that they work below any path; its scripts read the key from its URL."""
    return HTMLResponse((HTML / f"{name}.html").read_text("utf-8"))
