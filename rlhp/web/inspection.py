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

REPORT = "inspect-page.html"  # of the page; `rlhp inspect` itself writes another one
CHECKPOINTS = "checkpoints"
PAUSE = 60.0  # seconds from the end of one inspection to the next


@dataclass(frozen=True, slots=True)
class Inspected:
    """Where the inspection of a run stands."""

    working: bool  # whether a report is being made
    made_at: float | None  # when the newest report was, in seconds since 1970; None where there is none
    problem: str | None  # why the last one was not made, in a sentence


class Inspection:
    """Has the report made by a process of low priority, where there is a newer checkpoint and somebody asks; `now`: seconds."""

    def __init__(self, run: Path, codec: str, now: Callable[[], float] = time.monotonic) -> None:
        self.report = run / REPORT
        self._run, self._codec, self._now = run, codec, now
        self._lock, self._process = Lock(), None
        self._ended, self._problem = -PAUSE, None
        self._of: int | None = None  # the time of the checkpoints of the last attempt
        self._closed = False

    def __call__(self) -> Inspected:
        """Where it stands; begins a report if one is due."""
        with self._lock:
            if self._due():
                self._begin()
            return Inspected(working=self._process is not None, made_at=self._made_at(), problem=self._problem)

    def close(self) -> None:
        """End what is under way."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.terminate()

    def _due(self) -> bool:
        if self._closed or self._process is not None or self._now() - self._ended < PAUSE:
            return False
        newest, made = _time(self._run / CHECKPOINTS), _time(self.report)
        return newest is not None and newest != self._of and (made is None or made <= newest)

    def _made_at(self) -> float | None:
        made = _time(self.report)
        return None if made is None else made / 1e9

    def _begin(self) -> None:
        self._of, before = _time(self._run / CHECKPOINTS), _time(self.report)
        self._process = subprocess.Popen(
            [*COMMAND, str(self._run), "-o", str(self.report), "--codec", self._codec, "--beside"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # an interrupt at the keyboard goes to the page, which ends this
        )
        Thread(target=self._finish, args=(self._process, before), name="inspection", daemon=True).start()

    def _finish(self, process: subprocess.Popen[str], before: int | None) -> None:
        """Wait for the end, and keep why there is no other report than `before`, if so: the exit status is also 1 for a fault."""
        _, said = process.communicate()
        with self._lock:
            self._process, self._ended = None, self._now()
            self._problem = None if _time(self.report) != before else _last_line(said)


COMMAND = [sys.executable, "-m", "rlhp.cli", "inspect"]


def _last_line(text: str) -> str:
    """What an error ends with."""
    return (text.strip().splitlines() or ["The inspection has ended without a word; rlhp inspect says more."])[-1]


def _time(path: Path) -> int | None:
    """When a file, or a folder's list of names, changed last, in ns since 1970; None where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
