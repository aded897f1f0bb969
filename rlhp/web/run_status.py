"""Where a run stands, as its directory tells: for a person who answers its questions."""

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

FRESH = 0.5  # seconds for which one look at the directory serves everybody who asks
TAIL = 4096  # bytes: more than a line of clock.csv


@dataclass(frozen=True, slots=True)
class RunStatus:
    """One look. Counts are questions; steps are environment steps.

    `state` is training, waiting, paused, stopped, failed or finished: waiting where answers are missing, also if it is to pause
    after them.
    """

    state: str
    error: str | None
    step: int
    asked: int
    answered: int
    taken: int
    first: int  # labels that come before the policy is trained at all; 0 where the run has not said
    labels: int  # wanted by the end, those that were added at the page included


def settings_of(run: Path) -> Mapping[str, Any]:
    """A run's settings. Raises UserError if `run` is no run directory."""
    file = run / "config.yaml"
    if not file.is_file():
        raise UserError(f"{run} is not a run directory; name a folder that rlhp train has made, such as runs/main/...")
    try:
        settings = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is damaged: it cannot be read as the settings of a run.") from error
    if not isinstance(settings, dict) or "task" not in settings:
        raise UserError(f"{file} names no task, so it is not the record of a run.")
    return present(settings)


class RunStatusReader:
    """Looks at a run, at most every FRESH seconds however many ask."""

    def __init__(self, run: Path, store: Store | Counts, settings: Mapping[str, Any]) -> None:
        self._run, self._store, self._settings = run, store, settings
        self._total = int(settings.get("total_steps") or 0)
        self._lock, self._seen, self._at = Lock(), None, 0.0

    def __call__(self) -> RunStatus:
        """Where the run stands now."""
        with self._lock:
            if self._seen is None or time.monotonic() - self._at > FRESH:
                self._seen, self._at = self._look(), time.monotonic()
            return self._seen

    def forget(self) -> None:
        """Look again when somebody asks next."""
        with self._lock:
            self._seen = None

    def _look(self) -> RunStatus:
        store, run = self._store, self._run
        asked, answered, taken = store.asked, store.answered, store.used
        step, rollout = _last_steps(run / "clock.csv")
        error, plan, asked_for = failure(run), _plan(run), control(run)
        first = plan.get("first_labels", 0)
        labels = plan.get("labels", int(self._settings.get("labels") or 0)) + asked_for.coming
        if is_running(run):
            last = step + rollout >= self._total > 0 and asked >= plan.get("labels", 0)
            waits = self._waits(asked, answered, first, last)
            state = "waiting" if waits else "paused" if asked_for.paused else "training"
        else:
            state = "finished" if finished(run) else "failed" if error else "stopped"
        return RunStatus(state, error if state == "failed" else None, step, asked, answered, taken, first, labels)

    def _waits(self, asked: int, answered: int, first: int, last: bool) -> bool:
        """Whether training waits: because too many questions are open, or for the initial labels, or for the last answers.

        `last`: all is asked, and the rollout that is not in clock.csv yet ends the training. The loop waits before it writes.
        """
        at_most, unanswered = self._settings.get("max_pending"), asked - answered
        return (at_most is not None and unanswered > at_most) or answered < first <= asked or (last and unanswered > 0)


def _plan(run: Path) -> Mapping[str, int]:
    """How many labels are wanted, as the run has said; nothing where it has not."""
    try:
        plan = json.loads((run / "plan.json").read_text())
        return {name: int(plan[name]) for name in ("first_labels", "labels")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _last_steps(path: Path) -> tuple[int, int]:
    """The step in the last whole row of a table whose first column it is, and how far back the row before is; 0 without rows."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            text = file.read().decode()
        rows = text[: text.rindex("\n")].splitlines()[-2:]
        steps = [int(row.split(",")[0]) for row in rows if row[:1].isdigit()]
    except (OSError, ValueError):
        return 0, 0
    before, last = [0, 0, *steps][-2:]
    return last, last - before
