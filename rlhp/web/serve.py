"""`rlhp label RUN`: the page of a run, served until it is stopped."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn

from rlhp import film
from rlhp.run import Served, annotators_of, announce, dismiss, last_served, links, new_token, served, serving, under_way
from rlhp.store import VERSION, Desk, Store, version_of
from rlhp.types import UserError
from rlhp.web.app import Room, create
from rlhp.web.films import Films, Look
from rlhp.web.room import Visits
from rlhp.web.standing import Watcher, settings_of

TRIES = 50  # ports, from the one that is wanted
PATIENCE = 10.0  # seconds for another process's page to come up
ALONE = 60.0  # seconds without a request after which a page that a training has started ends, once that training is over
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Options:
    """How a page is served; a run's settings hold the same under `page`."""

    host: str = "127.0.0.1"
    port: int = 8321  # or the next that is free
    overlap: int = 1  # people who answer the same question
    repeats: float = 0.05  # share of pairs that are shown once more, sides swapped, for self-consistency
    minimum_view: float = 1.0  # seconds before a pair can be answered
    codec: str = "h264"  # or vp9
    size: int = 600  # pixels, both ways; a drawing may only come near it


def options_of(settings: Mapping[str, Any], given: Mapping[str, Any]) -> Options:
    """A run's own options, and what is given instead (None: not). Raises UserError for what makes no sense."""
    known = {field.name for field in fields(Options)}
    own = {key: value for key, value in (settings.get("page") or {}).items() if key in known}
    options = replace(Options(), **own | {key: value for key, value in given.items() if value is not None})
    film.check(options.codec)
    if not 0 <= options.port < 65536:
        raise UserError(f"port is {options.port}: give a number from 1 to 65535, or 0 for any that is free.")
    if not 64 <= options.size <= 1024:
        raise UserError(f"size is {options.size}: give 64 to 1024 pixels.")
    if not 0 <= options.minimum_view <= 60:
        raise UserError(f"minimum_view is {options.minimum_view}: give 0 to 60 seconds.")
    return options


def label(run: Path, given: Mapping[str, Any], annotators: Sequence[str] = (), beside: bool = False) -> None:
    """Serve the page of a run until interrupted; prints where.

    `beside`: started by a training, the page also ends when that training is over and nobody has asked for anything for ALONE
    seconds. Raises UserError where there is no such run, its clips cannot be drawn here, or its store cannot be used.
    """
    settings = settings_of(run)
    options = options_of(settings, given)
    film.drawing(settings)
    annotators = annotators_of(settings, annotators)
    with serving(run) as alone, _interruptible():
        if not alone:
            page = _awaited(run)
            print(f"{run} is served already, by process {page.pid}:", *links(page, annotators), sep="\n  ", flush=True)
            return
        store = open_store(run)
        desk = Desk(store.database, options.overlap, options.repeats)  # refuses what makes no sense before anything is said
        listening, page = listen(run, options, beside)
        if page.port != options.port and options.port:
            print(f"port {options.port} is taken, so the page is at {page.port}", file=sys.stderr)
        announce(run, page)
        if not beside:
            print(f"Compare clips of {run} at", *links(page, annotators), "Ctrl-C ends it.", sep="\n  ", flush=True)
        try:
            _serve(_room(run, settings, store, desk, options, page.token), options, listening, page)
        except KeyboardInterrupt:  # how one ends it
            dismiss(run)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the page as Ctrl-C does, in order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _awaited(run: Path) -> Served:
    """The page that another process serves, which may be starting. Raises UserError if it does not come up."""
    end = time.monotonic() + PATIENCE
    while (page := served(run)) is None:
        if time.monotonic() > end:
            raise UserError(f"another process is about to serve {run}, and does not come up; end it, then try again.")
        time.sleep(0.05)
    return page


def open_store(run: Path) -> Store:
    """The run's store. Raises UserError if it is of an older version and in use by one."""
    file = run / "preferences.sqlite"
    if file.is_file() and under_way(run) and version_of(file) < VERSION:
        raise UserError(
            f"{run} is being trained by an older rlhp, which could not read the store any more: stop that training, "
            "run its command again with this rlhp, then serve the page."
        )
    return Store(file)


def listen(run: Path, options: Options, beside: bool) -> tuple[socket.socket, Served]:
    """A listening socket, and what to tell of it: the last port and token again where they can be, so that open tabs go on."""
    before = last_served(run)
    first = before.port if before is not None and before.host == options.host else options.port
    token = new_token() if before is None else before.token
    ports = [first, *range(options.port, min(options.port + TRIES, 65536))]
    for port in ports:
        try:
            listening = _bound(options.host, port)
        except OSError as error:
            complaint = error
            continue
        return listening, Served(options.host, listening.getsockname()[1], token, os.getpid(), beside)
    raise UserError(
        f"no port from {ports[1]} to {ports[-1]} can be had at {options.host} ({complaint.strerror}); give another one."
    )


def _bound(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError):
        listening.close()
        raise
    return listening


def _room(run: Path, settings: Mapping[str, Any], store: Store, desk: Desk, options: Options, token: str) -> Room:
    look = Look.of(settings, options.size, options.codec)
    return Room(
        run=run,
        settings=settings,
        store=store,
        desk=desk,
        films=Films(run, look, options.overlap),
        watcher=Watcher(run, store, settings),
        visits=Visits(),
        minimum_view=options.minimum_view,
        codec=options.codec,
        token=token,
    )


def _serve(room: Room, options: Options, listening: socket.socket, page: Served) -> None:
    hosts = frozenset(("[::1]", *LOOPBACK)) if options.host in LOOPBACK else None
    # no log of accesses: addresses hold the token
    config = uvicorn.Config(create(room, hosts), ws="none", access_log=False, log_level="warning", timeout_graceful_shutdown=3)
    server = uvicorn.Server(config)
    if page.beside:
        Thread(target=_leave_when_alone, args=(room, server), daemon=True).start()
    room.films.start()
    try:
        server.run(sockets=[listening])
    finally:
        room.films.close()
        room.store.close()


def _leave_when_alone(room: Room, server: uvicorn.Server) -> None:
    while not (server.should_exit or alone(room)):
        time.sleep(min(1.0, ALONE / 10))
    server.should_exit = True


def alone(room: Room) -> bool:
    """Whether no training is under way and nobody has asked the page for anything for ALONE seconds since."""
    if under_way(room.run):
        room.visits.count()
    return room.visits.idle() > ALONE
