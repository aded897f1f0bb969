"""Where a page listens: a socket, and what to tell of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from rlhp.run import Served, last_served, new_token
from rlhp.types import UserError
from rlhp.web.options import Options

TRIES = 50  # ports, from the one that is wanted


def listen(folder: Path, options: Options, beside: bool) -> tuple[socket.socket, Served]:
    """A listening socket, and what to tell of it: the last port and token again where they can be, so that open tabs go on."""
    before = last_served(folder)
    again = before is not None and before.host == options.host and not before.root
    first = before.port if before is not None and again else options.port
    token = new_token() if before is None else before.token
    listening = bound(options.host, options.port, first)
    there = listening.getsockname()[1]
    return listening, Served(options.host, there, token, os.getpid(), beside, public=options.public)


def bound(host: str, port: int, first: int | None = None) -> socket.socket:
    """A socket that listens at the port `first`, or at `port` or the next that is free; 0: any. Raises UserError if none is."""
    ports = range(port, min(port + TRIES, 65536))
    for candidate in ports if first is None else (first, *ports):
        try:
            return _bound(host, candidate)
        except OSError as error:
            complaint = error
    raise UserError(f"no port from {ports[0]} to {ports[-1]} can be had at {host} ({complaint.strerror}); give another one.")


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
