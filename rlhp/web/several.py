"""Several runs at one page: the list at /, and each run below /runs/NAME/, opened at its first request."""

from __future__ import annotations

import hmac
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Query
from fastapi.responses import RedirectResponse, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from rlhp.run import Served, announce, key_of, last_served, served, serving
from rlhp.run.directory import CONFIG
from rlhp.store import Counts, counts
from rlhp.types import UserError
from rlhp.web.app import create
from rlhp.web.app_state import AppState, Sender
from rlhp.web.auth import route_path
from rlhp.web.file_cache import FileCache, changed
from rlhp.web.options import Options, options_of
from rlhp.web.pages import application, html
from rlhp.web.run_status import run_status, settings_of
from rlhp.web.schemas import Annotator

RUNS = "/runs/"
IDLE = 600.0  # seconds without a request after which a run without a running training is closed
LOOK = 5.0  # seconds between checks for idle runs


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


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run directory."""
    return (folder / CONFIG).is_file()


def runs_below(folder: Path) -> dict[str, Path]:
    """Return the run directories below a folder in alphabetical order, keyed by their relative paths with slashes."""
    return {run.relative_to(folder).as_posix(): run for run in sorted(_walk(folder))}


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if CONFIG in files and Path(place) != folder:
            folders.clear()  # folders inside a run belong to that run
            yield Path(place)


class RunServer:
    """Serves the runs below a folder at /runs/NAME below `page`; thread-safe.

    A run keeps the token of its last page, or gets a token derived from this page's. While a run is open here, no other process
    serves it. A run that its own training or another `rlhp annotate` serves stays there, and the list links to it.
    """

    def __init__(self, folder: Path, given: Mapping[str, Any], page: Served, annotators: Sequence[str] = ()) -> None:
        self.folder, self.page, self.annotators = folder, page, annotators
        self.options = Options(host=page.host, public=page.public)
        self._given, self._lock = given, RLock()
        self._opened: dict[str, tuple[AppState, ExitStack]] = {}  # the stack closes the run
        self._cache = FileCache()

    def named(self, path: str) -> str | None:
        """Return the run whose name is a prefix of a path; None if there is none."""
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        heads = ("/".join(parts[:end]) for end in range(1, len(parts) + 1))
        return next((name for name in heads if is_run(self.folder / name)), None)

    def token(self, name: str) -> str:
        """Return the token of a run: that of its last page, or one derived from this page's secret token."""
        if (last := last_served(self.folder / name)) is not None:
            return last.token
        code = hmac.digest(self.page.token.encode(), f"/runs/{name}".encode(), "sha256")
        return urlsafe_b64encode(code[:24]).decode()

    def served(self, name: str) -> Served:
        """Return the page of a run: the one of another process that serves it, or else the one below this page."""
        own = replace(self.page, token=self.token(name), root=f"{self.page.root}/runs/{name}")
        other = served(self.folder / name)
        return other if other is not None and other.pid != self.page.pid else own

    def app(self, name: str) -> ASGIApp:
        """Return the application of a run, which opens the run at the first request with a valid key."""
        token = self.token(name)
        return self._cache(("app", name), token, lambda: create(token, self.options, partial(self.open, name)))

    def listed(self, name: str, annotator: str | None, owns: bool) -> RunEntry:
        """Return a run as one person sees it; its link is relative if the run is served below this page."""
        run, page = self.folder / name, self.served(name)
        key = page.token if owns else key_of(page.token, annotator or "")
        named = f"annotator={quote(annotator)}&" if annotator else ""
        base = f"runs/{quote(name)}/" if page.pid == self.page.pid else page.address(path="/").partition("?")[0]
        address = f"{base}?{named}token={quote(key)}"
        try:
            settings = self._cache(("settings", name), changed(run / CONFIG), lambda: settings_of(run))
            store = run / "preferences.sqlite"
            found = run_status(run, counts(store) if store.is_file() else Counts(), settings)
        except UserError as error:
            return RunEntry(name, address, None, str(error))
        waiting = found.asked - found.answered
        return RunEntry(name, address, found.state, found.error, waiting, found.answered, found.labels, found.step)

    def open(self, name: str) -> AppState:
        """Return the state of a run; open the run first if necessary.

        Raises UserError if another process serves it, its clips cannot be rendered, or its store cannot be used.
        """
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._open(name)
            state, _ = self._opened[name]
            state.count_request()  # so that it is not closed before the request reaches it
            return state

    def _open(self, name: str) -> tuple[AppState, ExitStack]:
        run = self.folder / name
        with ExitStack() as stack:
            if not stack.enter_context(serving(run)):
                raise UserError(f"{name} is served by another process: open it from the list of runs.")
            settings, page = settings_of(run), self.served(name)
            options = options_of(settings, self._given)
            state = stack.enter_context(closing(AppState(run, settings, options, page.token, self.annotators)))
            announce(run, page)
            state.clips.start()
            return state, stack.pop_all()

    def close_idle(self) -> None:
        """Close the runs without a running training that have had no request for IDLE seconds."""
        with self._lock:
            for name, (state, stack) in [*self._opened.items()]:
                if state.is_idle(IDLE):
                    stack.close()
                    del self._opened[name]

    def keep_closing(self) -> None:
        """Close idle runs periodically."""
        while True:
            time.sleep(LOOK)
            self.close_idle()

    def close(self) -> None:
        """Close all runs."""
        with self._lock:
            for _, stack in self._opened.values():
                stack.close()
            self._opened.clear()


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
        found = [runs.listed(run, name, sender.owns) for run in runs_below(runs.folder)]
        return RunList(runs.folder.resolve().name, sender.owns, found)

    return app
