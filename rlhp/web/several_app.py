"""The application of several runs: the list at /, and each run below /runs/NAME/."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Query
from fastapi.responses import RedirectResponse, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from rlhp.run import key_of
from rlhp.types import UserError
from rlhp.web.app_state import Sender
from rlhp.web.application import application
from rlhp.web.below import route_path
from rlhp.web.pages import html
from rlhp.web.schemas import Annotator
from rlhp.web.several import RunServer

RUNS = "/runs/"


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run and the link to its page for the person who sent the request."""

    name: str
    address: str
    state: Annotated[str | None, Field(description="training, waiting, paused, stopped, failed or finished; null if unknown")]
    problem: str | None = None
    waiting: Annotated[int, Field(description="questions without an answer")] = 0
    answered: int = 0
    labels: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True)
class RunList:
    """The runs below a folder."""

    folder: str
    owns: bool
    runs: list[RunEntry]


def create_several(runs: RunServer) -> ASGIApp:
    """Create the application."""
    listing = _listing(runs)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        name = await run_in_threadpool(runs.named, path.removeprefix(RUNS)) if path.startswith(RUNS) else None
        if name is None:
            await listing(scope, receive, send)
        elif path == f"{RUNS}{name}":
            await _with_slash(scope)(scope, receive, send)
        else:
            scope = {**scope, "root_path": f"{scope.get('root_path', '')}{RUNS}{name}"}
            app_of_run = await run_in_threadpool(runs.app, name)
            await app_of_run(scope, receive, send)

    return app


def _with_slash(scope: Scope) -> Response:
    """Redirect to the run's URL with a trailing slash; relative, so that it works behind any proxy."""
    query = scope["query_string"].decode("latin-1")
    return RedirectResponse(f"{quote(scope['path'].rpartition('/')[2])}/{f'?{query}' if query else ''}")


def _listing(runs: RunServer) -> FastAPI:
    app = application("Runs whose clips are compared.", runs.page.token, runs.options)

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        """Return the page."""
        return html("runs")

    @app.get("/api/runs")
    def listed(sender: Sender, annotator: Annotated[Annotator | None, Query()] = None) -> RunList:
        """Return every run with a link for the person who sent the request."""
        name = sender.annotator or annotator
        found = [_listed(runs, run, name, sender.owns) for run in runs.names()]
        return RunList(runs.folder.resolve().name, sender.owns, found)

    return app


def _listed(runs: RunServer, run: str, annotator: str | None, owns: bool) -> RunEntry:
    """Return a run as one person sees it; its link is relative if the run is served below this page."""
    page = runs.served(run)
    key = page.token if owns else key_of(page.token, annotator or "")
    named = f"annotator={quote(annotator)}&" if annotator else ""
    base = f"runs/{quote(run)}/" if page.pid == runs.page.pid else page.address(path="/").partition("?")[0]
    address = f"{base}?{named}token={quote(key)}"
    try:
        found = runs.status(run)
    except UserError as error:
        return RunEntry(run, address, None, str(error))
    waiting = found.asked - found.answered
    return RunEntry(run, address, found.state, found.error, waiting, found.answered, found.labels, found.step)
