"""One process's attempt at a run."""

from __future__ import annotations

import fcntl
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rlhp.types import UserError

LOCK, FAILED = "lock", "failed.txt"


@contextmanager
def attempt(run: Path) -> Iterator[None]:
    """Nobody else trains in this directory meanwhile; an error is written down there, for whoever looks at a sweep later.

    However the process ends, the system takes the lock from it. Raises UserError if another process holds it.
    """
    with (run / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"{run} is being trained by another process; wait for it, or train in another one with name=..."
            ) from error
        (run / FAILED).unlink(missing_ok=True)
        try:
            yield
        except Exception:
            (run / FAILED).write_text(traceback.format_exc())
            raise


def under_way(run: Path) -> bool:
    """Whether a process trains in this directory."""
    if not (run / LOCK).is_file():
        return False
    with (run / LOCK).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def failure(run: Path) -> str | None:
    """The last line of the error that ended the last attempt; None if none did."""
    if not (run / FAILED).is_file():
        return None
    return ((run / FAILED).read_text().strip().splitlines() or ["an error without a message"])[-1]
