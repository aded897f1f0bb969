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

from rlhp.web.file_cache import changed

REPORT = "inspect-page.html"  # the page's own report; `rlhp inspect` writes to another file by default
CHECKPOINTS = "checkpoints"
PAUSE = 60.0  # seconds from the end of one inspection to the next
COMMAND = [sys.executable, "-m", "rlhp.cli", "inspect"]
SILENT = "The inspection ended without an error message; run rlhp inspect to see more."


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
        self._lock, self._process, self._closed = Lock(), None, False
        self._ended, self._problem = -PAUSE, None
        self._inspected = 0  # modification time of the checkpoints at the last attempt, in ns

    def __call__(self) -> Inspected:
        """Return the status. Starts a report if one is due."""
        with self._lock:
            newest, made = changed(self._run / CHECKPOINTS)[0], changed(self.report)[0]
            rested = self._process is None and not self._closed and self._now() - self._ended >= PAUSE
            if rested and newest not in (0, self._inspected) and made <= newest:
                self._inspected = newest
                self._start(made)
            return Inspected(self._process is not None, made / 1e9 if made else None, self._problem)

    def close(self) -> None:
        """Stop the report in progress, if there is one."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.terminate()

    def _start(self, made: int) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, str(self._run), "-o", str(self.report), "--codec", self._codec, "--beside"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C reaches the page only, which then stops this process
        )
        Thread(target=self._finish, args=(self._process, made), name="inspection", daemon=True).start()

    def _finish(self, process: subprocess.Popen[str], made: int) -> None:
        """Wait for the end of the process, and store the reason if the report is still the one made at `made`.

        The exit status does not tell: it is 1 also for a report that finds a fault.
        """
        lines = process.communicate()[1].strip().splitlines()
        with self._lock:
            self._process, self._ended = None, self._now()
            self._problem = None if changed(self.report)[0] != made else [SILENT, *lines][-1]
