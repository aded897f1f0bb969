"""Open the socket of a page, and create the server that listens on it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import uvicorn
from starlette.routing import Mount, Router
from starlette.types import ASGIApp

from rlhp.run import Served, last_served, new_token
from rlhp.types import UserError
from rlhp.web.options import Options

TRIES = 50  # ports to try, starting at the requested one


def listen(folder: Path, options: Options, beside: bool) -> tuple[socket.socket, Served]:
    """Open a listening socket, and return it with the record of the page.

    The token of the folder's last page is used again, and its port if the same one is asked for, so that open tabs keep working.
    """
    last = last_served(folder)
    reusable = last is not None and last.host == options.host and last.wanted == options.port and not last.root
    first = last.port if last is not None and reusable else options.port
    token = new_token() if last is None else last.token
    listening = bound(options.host, options.port, first)
    port = listening.getsockname()[1]
    return listening, Served(options.host, port, token, os.getpid(), beside, public=options.public, wanted=options.port)


def bound(host: str, port: int, first: int | None = None) -> socket.socket:
    """Return a socket that listens on port `first` or, if that is taken, on the first free port from `port` on.

    A port of 0 means any free port. Raises UserError if TRIES ports are taken.
    """
    ports = range(port, min(port + TRIES, 65536))
    for candidate in ports if first is None else (first, *ports):
        try:
            return _bound(host, candidate)
        except OSError as error:
            last_error = error
    raise UserError(
        f"cannot listen on any port from {ports[0]} to {ports[-1]} of {host} ({last_error.strerror}); choose another port."
    )


def _bound(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a body waits until its headers are acknowledged
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError):
        listening.close()
        raise
    return listening


def below(app: ASGIApp, root: str) -> ASGIApp:
    """Mount an application at the path `root`, whether or not the proxy strips that path; an empty `root` changes nothing."""
    return Router([Mount(root, app), Mount("", app)])


def http_server(app: ASGIApp, patience: int) -> uvicorn.Server:
    """Return a server that, when it ends, waits up to `patience` seconds for running requests."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            ws="none",
            access_log=False,  # URLs contain the token
            log_level="warning",
            timeout_graceful_shutdown=patience,
            proxy_headers=False,  # not trusted, and nothing depends on them
        )
    )
