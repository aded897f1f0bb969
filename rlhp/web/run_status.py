"""The status of a run, read from its directory."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import yaml

from rlhp.renamed import present
from rlhp.run import control, failure, finished, is_running
from rlhp.store import Counts, Store
from rlhp.types import UserError

FRESH = 0.5  # seconds for which a status is cached
TAIL = 4096  # bytes read from the end of clock.csv: more than two lines


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The status of a run. Counts are questions; steps are environment steps.

    `state` is training, waiting, paused, stopped, failed or finished. It is waiting if the training waits for answers, even if
    it will pause after them.
    """

    state: str
    error: str | None
    step: int
    asked: int
    answered: int
    taken: int
    first: int  # labels needed before the policy is trained; 0 if the run has not recorded it yet
    labels: int  # total by the end of the run, including those added on the page


def settings_of(run: Path) -> Mapping[str, Any]:
    """Read a run's settings. Raises UserError if `run` is not a run directory."""
    file = run / "config.yaml"
    if not file.is_file():
        raise UserError(f"{run} is not a run directory; name a folder that rlhp train has created, such as runs/main/...")
    try:
        settings = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is damaged: it does not contain the settings of a run.") from error
    if not isinstance(settings, dict) or "task" not in settings:
        raise UserError(f"{file} names no task, so it does not contain the settings of a run.")
    return present(settings)


class RunStatusReader:
    """Reads the status of a run, at most once every FRESH seconds."""

    def __init__(self, run: Path, store: Store | Counts, settings: Mapping[str, Any]) -> None:
        self._run, self._store, self._settings = run, store, settings
        self._total = int(settings.get("total_steps") or 0)
        self._lock, self._last, self._last_time = Lock(), None, 0.0

    def __call__(self) -> RunStatus:
        """Return the status, at most FRESH seconds old."""
        with self._lock:
            if self._last is None or time.monotonic() - self._last_time > FRESH:
                self._last, self._last_time = self._look(), time.monotonic()
            return self._last

    def forget(self) -> None:
        """Discard the cached status."""
        with self._lock:
            self._last = None

    def _look(self) -> RunStatus:
        store, run = self._store, self._run
        asked, answered, taken = store.asked, store.answered, store.used
        step, rollout = _last_steps(run / "clock.csv")
        error, plan, requested = failure(run), _plan(run), control(run)
        first = plan.get("first_labels", 0)
        labels = plan.get("labels", int(self._settings.get("labels") or 0)) + requested.coming
        if is_running(run):
            last = step + rollout >= self._total > 0 and asked >= plan.get("labels", 0)
            waiting = self._is_waiting(asked, answered, first, last)
            state = "waiting" if waiting else "paused" if requested.paused else "training"
        else:
            state = "finished" if finished(run) else "failed" if error else "stopped"
        return RunStatus(state, error if state == "failed" else None, step, asked, answered, taken, first, labels)

    def _is_waiting(self, asked: int, answered: int, first: int, last: bool) -> bool:
        """Return whether training waits: for pending answers, for the initial labels, or for the last answers.

        `last`: all questions are asked, and the rollout that is not in clock.csv yet is the last one. The loop waits before it
        writes.
        """
        max_pending, unanswered = self._settings.get("max_pending"), asked - answered
        return (max_pending is not None and unanswered > max_pending) or answered < first <= asked or (last and unanswered > 0)


def _plan(run: Path) -> Mapping[str, int]:
    """Read the numbers of labels that the run has recorded; empty if it has not recorded them yet."""
    try:
        plan = json.loads((run / "plan.json").read_text())
        return {name: int(plan[name]) for name in ("first_labels", "labels")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _last_steps(path: Path) -> tuple[int, int]:
    """Return the step in the last complete row of clock.csv, and its distance from the row before; zeros without rows."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            text = file.read().decode()
        rows = text[: text.rindex("\n")].splitlines()[-2:]
        steps = [int(row.split(",")[0]) for row in rows if row[:1].isdigit()]
    except (OSError, ValueError):
        return 0, 0
    previous, last = [0, 0, *steps][-2:]
    return last, last - previous
