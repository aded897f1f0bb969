"""A port to listen at."""

from __future__ import annotations

import socket

from rlhp.types import UserError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TRIES = 100  # ports


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens at `port`, or at the next that is free; 0: at any. Raises UserError where there is none."""
    complaint: Exception | None = None
    for candidate in range(port, min(port + TRIES, 65536)):
        found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a body waits until its headers are acknowledged
            found.bind((host, candidate))
            found.listen(128)
        except (OSError, OverflowError) as error:
            found.close()
            complaint = error
            continue
        return found
    raise UserError(f"no port from {port} on can be had at {host} ({complaint}); give another one with --port or --host.")
