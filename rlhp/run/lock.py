"""The lock of a run directory, and the record of a failed attempt."""

from __future__ import annotations

import fcntl
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rlhp.types import UserError

LOCK, FAILED = "lock", "failed.txt"
RETRY_FOR = 0.5  # seconds; a process that only checks a lock releases it within this time


@contextmanager
def locked_run(run: Path, admit: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Lock a run directory for training; errors are written there, so that the status of a sweep can show them.

    `admit` is called once the directory is locked; errors that it raises concern the caller, not the run, and are not written.
    The system releases the lock however the process ends. Raises UserError if another process holds it.
    """
    run.mkdir(parents=True, exist_ok=True)
    with (run / LOCK).open("a") as file:
        if not lock(file):
            raise UserError(f"{run} is being trained by another process; wait for it, or set another name with name=...")
        admit()
        (run / FAILED).unlink(missing_ok=True)
        try:
            yield
        except Exception:
            (run / FAILED).write_text(traceback.format_exc())
            raise


def lock(file: IO[str]) -> bool:
    """Lock the file until it is closed; returns whether that succeeded."""
    end = time.monotonic() + RETRY_FOR
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)


def locked(path: Path) -> bool:
    """Whether a process has locked the file at `path`; the check takes the lock for a moment."""
    if not path.is_file():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_running(run: Path) -> bool:
    """Whether a process trains in this directory."""
    return locked(run / LOCK)


def failure(run: Path) -> str | None:
    """The last line of the error that ended the last attempt; None without an error."""
    if not (run / FAILED).is_file():
        return None
    last = ((run / FAILED).read_text().strip().splitlines() or ["an error without a message"])[-1]
    return last.removeprefix(f"{UserError.__module__}.{UserError.__qualname__}: ")
