"""`rlhp annotate`: serve the page of a run, or of all runs below a folder."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from socket import socket
from threading import Thread
from typing import Any

import uvicorn

from rlhp.run import Served, annotators_of, announce, dismiss, links, served, serving
from rlhp.types import UserError
from rlhp.web.app import create
from rlhp.web.app_state import AppState
from rlhp.web.listen import below, http_server, listen
from rlhp.web.options import Options, options_of
from rlhp.web.run_status import settings_of
from rlhp.web.several import RunServer, create_several, is_run, runs_below

PATIENCE = 10.0  # seconds to wait for the page of another process to start
IDLE = 60.0  # seconds without a request after which a page started by a training ends, once that training has ended


def annotate(folder: Path, given: Mapping[str, Any], annotators: Sequence[str] = (), beside: bool = False) -> None:
    """Serve the page of a run, or of all runs below a folder, until interrupted; print its links.

    `beside`: a training has started this page; it also ends once that training has ended and IDLE seconds have passed without a
    request. Raises UserError if there is no run, its clips cannot be rendered here, or its store cannot be used.
    """
    several = not is_run(folder) and bool(runs_below(folder))
    settings: Mapping[str, Any] = {} if several else settings_of(folder)
    options = options_of(settings, given)
    annotators = annotators_of(settings, annotators)
    with serving(folder) as acquired, _interruptible():
        if not acquired:
            page = _wait_for_page(folder)
            print(f"{folder} is served already, by process {page.pid}:", *links(page, annotators), sep="\n  ", flush=True)
        elif several:
            _serve_runs(folder, given, options, annotators)
        else:
            _serve_run(folder, settings, options, annotators, beside)


def _serve_run(run: Path, settings: Mapping[str, Any], options: Options, annotators: Sequence[str], beside: bool) -> None:
    listening, page = listen(run, options, beside)
    with listening, closing(AppState(run, settings, options, page.token, annotators)) as state:
        server = http_server(below(create(page.token, options, lambda: state), options.root), patience=3)
        if beside:
            Thread(target=_stop_when_idle, args=(state, server), daemon=True).start()
        state.clips.start()
        _run_server(server, listening, run, page, options, annotators)


def _serve_runs(folder: Path, given: Mapping[str, Any], options: Options, annotators: Sequence[str]) -> None:
    listening, page = listen(folder, options, beside=False)
    with listening, closing(RunServer(folder, given, page, annotators)) as runs:
        Thread(target=runs.keep_closing, daemon=True).start()
        server = http_server(below(create_several(runs), options.root), patience=3)
        _run_server(server, listening, folder, page, options, annotators)


def _run_server(
    server: uvicorn.Server, listening: socket, folder: Path, page: Served, options: Options, annotators: Sequence[str]
) -> None:
    """Print the links of a page and serve it until interrupted."""
    if page.port != options.port and options.port:
        print(f"port {options.port} is taken, so the page is at {page.port}", file=sys.stderr)
    announce(folder, page)
    if not page.beside:
        print(f"Compare clips of {folder} at", *links(page, annotators), "Ctrl-C ends it.", sep="\n  ", flush=True)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # the usual way to end it
        dismiss(folder)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM shut the page down cleanly, as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_for_page(folder: Path) -> Served:
    """Return the page that another process serves, once it has started. Raises UserError if it does not start."""
    end = time.monotonic() + PATIENCE
    while (page := served(folder)) is None:
        if time.monotonic() > end:
            raise UserError(f"another process is starting the page of {folder} but does not finish; end it, then try again.")
        time.sleep(0.05)
    return page


def _stop_when_idle(state: AppState, server: uvicorn.Server) -> None:
    while not (server.should_exit or state.is_idle(IDLE)):
        time.sleep(min(1.0, IDLE / 10))
    server.should_exit = True
