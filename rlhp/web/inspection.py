"""The report of `rlhp inspect` on a run, updated in the background."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Annotated

from pydantic import Field

REPORT = "inspect-page.html"  # the page's own report; `rlhp inspect` writes to another file by default
CHECKPOINTS = "checkpoints"
PAUSE = 60.0  # seconds from the end of one inspection to the next


@dataclass(frozen=True, slots=True)
class Inspected:
    """Status of the inspection of a run."""

    working: Annotated[bool, Field(description="whether a report is being made")]
    made_at: Annotated[
        float | None, Field(description="when the newest report was made, in seconds since 1970; null if there is none")
    ]
    problem: Annotated[str | None, Field(description="why the last attempt made no report, in a sentence")]


class Inspection:
    """Makes the report in a low-priority process, on request, when there is a newer checkpoint. `now` returns seconds."""

    def __init__(self, run: Path, codec: str, now: Callable[[], float] = time.monotonic) -> None:
        self.report = run / REPORT
        self._run, self._codec, self._now = run, codec, now
        self._lock, self._process = Lock(), None
        self._ended, self._problem = -PAUSE, None
        self._inspected_time: int | None = None  # modification time of the checkpoints at the last attempt, in ns
        self._closed = False

    def __call__(self) -> Inspected:
        """Return the status. Starts a report if one is due."""
        with self._lock:
            if self._due():
                self._start()
            return Inspected(working=self._process is not None, made_at=self._made_at(), problem=self._problem)

    def close(self) -> None:
        """Stop the report in progress, if there is one."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.terminate()

    def _due(self) -> bool:
        if self._closed or self._process is not None or self._now() - self._ended < PAUSE:
            return False
        newest, made = _time(self._run / CHECKPOINTS), _time(self.report)
        return newest is not None and newest != self._inspected_time and (made is None or made <= newest)

    def _made_at(self) -> float | None:
        made = _time(self.report)
        return None if made is None else made / 1e9

    def _start(self) -> None:
        self._inspected_time, before = _time(self._run / CHECKPOINTS), _time(self.report)
        self._process = subprocess.Popen(
            [*COMMAND, str(self._run), "-o", str(self.report), "--codec", self._codec, "--beside"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C reaches the page only, which then stops this process
        )
        Thread(target=self._finish, args=(self._process, before), name="inspection", daemon=True).start()

    def _finish(self, process: subprocess.Popen[str], before: int | None) -> None:
        """Wait for the end of the process, and store the reason if the report is still the one of `before`.

        The exit status does not tell: it is 1 also for a report that finds a fault.
        """
        _, errors = process.communicate()
        with self._lock:
            self._process, self._ended = None, self._now()
            self._problem = None if _time(self.report) != before else _last_line(errors)


COMMAND = [sys.executable, "-m", "rlhp.cli", "inspect"]


def _last_line(text: str) -> str:
    """Return the last line of an error output."""
    return (text.strip().splitlines() or ["The inspection ended without an error message; run rlhp inspect to see more."])[-1]


def _time(path: Path) -> int | None:
    """Return the modification time of a file or folder, in ns since 1970; None if it is missing."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
