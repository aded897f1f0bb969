"""`rlhp annotate`: the page of a run, or of all runs below a folder, served until it is stopped."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from rlhp import film
from rlhp.run import Served, annotators_of, announce, dismiss, is_running, links, served, serving
from rlhp.types import UserError
from rlhp.web.app import create
from rlhp.web.app_state import AppState
from rlhp.web.below import below
from rlhp.web.found import is_run, runs_below
from rlhp.web.listen import listen
from rlhp.web.open_run import close_app_state, open_app_state
from rlhp.web.options import Options, options_of
from rlhp.web.run_status import settings_of
from rlhp.web.several import RunServer
from rlhp.web.several_app import create_several

PATIENCE = 10.0  # seconds for another process's page to come up
ALONE = 60.0  # seconds without a request after which a page that a training has started ends, once that training is over


def annotate(folder: Path, given: Mapping[str, Any], annotators: Sequence[str] = (), beside: bool = False) -> None:
    """Serve the page of a run, or of all runs below a folder, until interrupted; prints where.

    `beside`: started by a training, the page also ends when that training is over and nobody has asked for anything for ALONE
    seconds. Raises UserError where there is no run, its clips cannot be drawn here, or its store cannot be used.
    """
    several = not is_run(folder) and bool(runs_below(folder))
    settings: Mapping[str, Any] = {} if several else settings_of(folder)
    options = options_of(settings, given)
    if not several:
        film.drawing(settings)
    annotators = annotators_of(settings, annotators)
    with serving(folder) as alone, _interruptible():
        if not alone:
            page = _awaited(folder)
            print(f"{folder} is served already, by process {page.pid}:", *links(page, annotators), sep="\n  ", flush=True)
        elif several:
            _label_several(folder, given, options, annotators)
        else:
            _label_one(folder, settings, options, annotators, beside)


def _label_one(run: Path, settings: Mapping[str, Any], options: Options, annotators: Sequence[str], beside: bool) -> None:
    room = open_app_state(run, settings, options, "", annotators)  # refuses what makes no sense before anything is said
    listening, page = listen(run, options, beside)
    room = room.opened_by(page.token)
    _tell(run, page, options, annotators, quiet=beside)
    try:
        _serve_one(room, options, listening, page)
    except KeyboardInterrupt:  # how one ends it
        dismiss(run)


def _label_several(folder: Path, given: Mapping[str, Any], options: Options, annotators: Sequence[str]) -> None:
    listening, page = listen(folder, options, beside=False)
    _tell(folder, page, options, annotators)
    with closing(RunServer(folder, given, page, options.hosts, annotators)) as runs:
        Thread(target=runs.keep_closing, daemon=True).start()
        try:
            _server(create_several(runs), options).run(sockets=[listening])
        except KeyboardInterrupt:
            dismiss(folder)


def _tell(folder: Path, page: Served, options: Options, annotators: Sequence[str], quiet: bool = False) -> None:
    if page.port != options.port and options.port:
        print(f"port {options.port} is taken, so the page is at {page.port}", file=sys.stderr)
    announce(folder, page)
    if not quiet:
        print(f"Compare clips of {folder} at", *links(page, annotators), "Ctrl-C ends it.", sep="\n  ", flush=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the page as Ctrl-C does, in order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _awaited(folder: Path) -> Served:
    """The page that another process serves, which may be starting. Raises UserError if it does not come up."""
    end = time.monotonic() + PATIENCE
    while (page := served(folder)) is None:
        if time.monotonic() > end:
            raise UserError(f"another process is about to serve {folder}, and does not come up; end it, then try again.")
        time.sleep(0.05)
    return page


def _server(app: ASGIApp, options: Options) -> uvicorn.Server:
    # no log of accesses: addresses hold the token; and no header of a proxy is believed, as nothing depends on one
    return uvicorn.Server(
        uvicorn.Config(
            below(app, options.root),
            ws="none",
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=3,
            proxy_headers=False,
        )
    )


def _serve_one(room: AppState, options: Options, listening: Any, page: Served) -> None:
    server = _server(create(room, options.hosts, page.public), options)
    if page.beside:
        Thread(target=_leave_when_alone, args=(room, server), daemon=True).start()
    room.films.start()
    try:
        server.run(sockets=[listening])
    finally:
        close_app_state(room)


def _leave_when_alone(room: AppState, server: uvicorn.Server) -> None:
    while not (server.should_exit or alone(room)):
        time.sleep(min(1.0, ALONE / 10))
    server.should_exit = True


def alone(room: AppState) -> bool:
    """Whether no training is under way and nobody has asked the page for anything for ALONE seconds since."""
    if is_running(room.run):
        room.visits.count()
    return room.visits.idle() > ALONE
