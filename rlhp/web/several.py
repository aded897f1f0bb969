"""The runs below a folder: each is opened when somebody asks for it, and closed when nobody has for a while."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, RLock
from typing import Any

from starlette.types import ASGIApp

from rlhp import film
from rlhp.run import Served, announce, is_running, last_served, served, serving
from rlhp.store import Counts, counts
from rlhp.types import UserError
from rlhp.web.app import create
from rlhp.web.app_state import AppState
from rlhp.web.file_cache import FileCache, changed
from rlhp.web.found import CONFIG, runs_below
from rlhp.web.open_run import close_app_state, open_app_state
from rlhp.web.options import options_of
from rlhp.web.run_status import RunStatus, RunStatusReader, settings_of

IDLE = 600.0  # seconds without a request after which a run that is not in training is closed
LOOK = 5.0  # seconds between looks for such runs


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that this process serves."""

    room: AppState
    app: ASGIApp
    closing: ExitStack


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run in the list; `problem`: why it cannot be told more about, in a sentence."""

    name: str
    standing: RunStatus | None
    problem: str | None = None


class RunServer:
    """The runs below a folder, at RUNS/NAME of the page of all of them, `page`; threads may share it.

    A run keeps the token of its last page, or has one made of this page's. It is this page's as long as it is open here; one that
    its own training or another `rlhp annotate` serves stays theirs, and the list leads there.
    """

    def __init__(
        self, folder: Path, given: Mapping[str, Any], page: Served, hosts: frozenset[str] | None, annotators: Sequence[str] = ()
    ) -> None:
        self.folder, self.page, self.hosts, self.annotators = folder, page, hosts, annotators
        self._given, self._lock, self._over = given, RLock(), Event()
        self._opened: dict[str, OpenRun] = {}
        self._seen = FileCache()

    def names(self) -> list[str]:
        """The runs that there are now."""
        return [*runs_below(self.folder)]

    def named(self, path: str) -> str | None:
        """The run whose name a path begins with; None if there is none."""
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        heads = ("/".join(parts[:end]) for end in range(1, len(parts) + 1))
        return next((name for name in heads if (self.folder / name / CONFIG).is_file()), None)

    def token(self, name: str) -> str:
        """The token of a run: that of its last page, or one that only the owner of this page can know."""
        if (last := last_served(self.folder / name)) is not None:
            return last.token
        code = hmac.digest(self.page.token.encode(), f"/runs/{name}".encode(), "sha256")
        return urlsafe_b64encode(code[:24]).decode()

    def served(self, name: str) -> Served:
        """Where the page of a run is: another process's, if that serves it, else below this page."""
        mine = replace(self.page, token=self.token(name), root=f"{self.page.root}/runs/{name}")
        there = served(self.folder / name)
        return there if there is not None and there.pid != self.page.pid else mine

    def look(self, name: str) -> RunSummary:
        """Where a run stands."""
        run, config = self.folder / name, self.folder / name / CONFIG
        try:
            settings = self._seen(name, changed(config), lambda: settings_of(run))
            store = run / "preferences.sqlite"
            return RunSummary(name, RunStatusReader(run, counts(store) if store.is_file() else Counts(), settings)())
        except UserError as error:
            return RunSummary(name, None, str(error))

    def open(self, name: str) -> ASGIApp:
        """The application of a run, which is open from now on.

        Raises UserError where another process serves it, and where its clips cannot be drawn or its store not be used.
        """
        with self._lock:
            opened = self._opened.get(name) or self._open(name)
            opened.room.visits.count()  # so that it is not closed before the request comes there
            return opened.app

    def _open(self, name: str) -> OpenRun:
        run = self.folder / name
        with ExitStack() as stack:
            if not stack.enter_context(serving(run)):
                raise UserError(f"{name} is served at a page of its own: open it from the list of runs.")
            settings = settings_of(run)
            film.drawing(settings)
            options = options_of(settings, {**self._given, "public": self.page.public or None})
            page = self.served(name)
            room = open_app_state(run, settings, options, page.token, self.annotators)
            stack.callback(close_app_state, room)
            announce(run, page)
            room.films.start()
            opened = self._opened[name] = OpenRun(room, create(room, self.hosts, self.page.public), stack.pop_all())
            return opened

    def close_idle(self) -> None:
        """Close the runs that are not in training and that nobody has asked for anything for IDLE seconds."""
        with self._lock:
            for name, opened in [*self._opened.items()]:
                if opened.room.visits.idle() > IDLE and not is_running(opened.room.run):
                    self._opened.pop(name).closing.close()

    def keep_closing(self) -> None:
        """Close idle runs until `close`."""
        while not self._over.wait(LOOK):
            self.close_idle()

    def close(self) -> None:
        """Close all of them."""
        self._over.set()
        with self._lock:
            for opened in self._opened.values():
                opened.closing.close()
            self._opened.clear()
