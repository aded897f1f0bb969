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

from rlhp.run import failure, finished, under_way
from rlhp.store import Store
from rlhp.types import UserError

FRESH = 0.5  # seconds for which one look at the directory serves everybody who asks
TAIL = 4096  # bytes: more than a line of clock.csv


@dataclass(frozen=True, slots=True)
class Standing:
    """One look. `state` is training, waiting, stopped, failed or finished; counts are questions; steps are environment steps."""

    state: str
    error: str | None
    step: int
    asked: int
    answered: int
    taken: int


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
    return settings


def first_labels(run: Path) -> int:
    """How many labels come before the policy is trained at all; 0 where the run has not said."""
    try:
        return int(json.loads((run / "plan.json").read_text())["first_labels"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


class Watcher:
    """Looks at a run, at most every FRESH seconds however many ask."""

    def __init__(self, run: Path, store: Store, settings: Mapping[str, Any]) -> None:
        self._run, self._store, self._settings = run, store, settings
        self._lock, self._seen, self._at = Lock(), None, 0.0

    def __call__(self) -> Standing:
        """Where the run stands now."""
        with self._lock:
            if self._seen is None or time.monotonic() - self._at > FRESH:
                self._seen, self._at = self._look(), time.monotonic()
            return self._seen

    def _look(self) -> Standing:
        store, run = self._store, self._run
        asked, answered, taken, step = store.asked, store.answered, store.taken, _last_step(run / "clock.csv")
        error = failure(run)
        if under_way(run):
            state = "waiting" if self._waits(asked, answered, step) else "training"
        else:
            state = "finished" if finished(run) else "failed" if error else "stopped"
        return Standing(state, error if state == "failed" else None, step, asked, answered, taken)

    def _waits(self, asked: int, answered: int, step: int) -> bool:
        """Whether training stands still until somebody answers: at its start, for the newest questions, or at its end."""
        first, at_most = first_labels(self._run), self._settings.get("max_open")
        over = step >= int(self._settings.get("total_steps") or 0) > 0
        open_ = asked - answered
        return answered < first <= asked or (at_most is not None and open_ > at_most) or (over and open_ > 0)


def _last_step(path: Path) -> int:
    """The step in the last whole row of a table whose first column it is; 0 before the first."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            text = file.read().decode()
        return int(text[: text.rindex("\n")].splitlines()[-1].split(",")[0])
    except (OSError, ValueError, IndexError):
        return 0
