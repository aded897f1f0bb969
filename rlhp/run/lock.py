"""One process's attempt at a run."""

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
GLANCE = 0.5  # seconds within which whoever only looked at a lock has let go of it


@contextmanager
def locked_run(run: Path, admit: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Nobody else trains in this directory meanwhile; an error is written down there, for whoever looks at a sweep later.

    `admit` is called once the directory is this process's alone; what it raises concerns the caller, not the run, and is not
    written down. However the process ends, the system takes the lock from it. Raises UserError if another process holds it.
    """
    run.mkdir(parents=True, exist_ok=True)
    with (run / LOCK).open("a") as file:
        if not lock(file):
            raise UserError(f"{run} is being trained by another process; wait for it, or train in another one with name=...")
        admit()
        (run / FAILED).unlink(missing_ok=True)
        try:
            yield
        except Exception:
            (run / FAILED).write_text(traceback.format_exc())
            raise


def lock(file: IO[str]) -> bool:
    """Whether the file is now this process's alone, until it is closed."""
    end = time.monotonic() + GLANCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)


def locked(path: Path) -> bool:
    """Whether a process has locked the file at `path`; looking takes the lock for a moment."""
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
    """The last line of the error that ended the last attempt; None if none did."""
    if not (run / FAILED).is_file():
        return None
    last = ((run / FAILED).read_text().strip().splitlines() or ["an error without a message"])[-1]
    return last.removeprefix(f"{UserError.__module__}.{UserError.__qualname__}: ")
