"""The status of a run, read from its directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from rlhp.run import PLAN, control, failure, finished, is_running, read_settings
from rlhp.run.directory import CONFIG
from rlhp.store import Counts, Store
from rlhp.types import UserError

TAIL = 4096  # bytes read from the end of clock.csv: more than two lines


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The status of a run. Counts are questions; steps are environment steps.

    It is waiting if the training waits for answers, even if it will pause after them.
    """

    state: Annotated[str, Field(description="training, waiting (for answers), paused, stopped, failed or finished")]
    error: str | None
    step: int
    asked: int
    answered: int
    taken: int
    first: int  # labels needed before the policy is trained; 0 if the run has not recorded it yet
    labels: int  # total by the end of the run, including those added on the page


def settings_of(run: Path) -> Mapping[str, Any]:
    """Read a run's settings. Raises UserError if `run` is not a run directory."""
    settings = read_settings(run)
    if "task" not in settings:
        raise UserError(f"{run / CONFIG} names no task, so it does not contain the settings of a run.")
    return settings


def run_status(run: Path, store: Store | Counts, settings: Mapping[str, Any]) -> RunStatus:
    """Return the status of a run. Raises UserError if its store or the file of requests to its training is damaged."""
    asked, answered, taken = store.asked, store.answered, store.used
    step, rollout = _last_steps(run / "clock.csv")
    error, plan, requested = failure(run), _plan(run), control(run)
    first = plan.get("first_labels", 0)
    labels = plan.get("labels", int(settings.get("labels") or 0)) + requested.coming
    if is_running(run):
        last = step + rollout >= int(settings.get("total_steps") or 0) > 0 and asked >= plan.get("labels", 0)
        waiting = _is_waiting(settings.get("max_pending"), asked, answered, first, last)
        state = "waiting" if waiting else "paused" if requested.paused else "training"
    else:
        state = "finished" if finished(run) else "failed" if error else "stopped"
    return RunStatus(state, error if state == "failed" else None, step, asked, answered, taken, first, labels)


def _is_waiting(max_pending: int | None, asked: int, answered: int, first: int, last: bool) -> bool:
    """Return whether training waits: for pending answers, for the initial labels, or for the last answers.

    `last`: all questions are asked, and the rollout that is not in clock.csv yet is the last one. The loop waits before it
    writes.
    """
    unanswered = asked - answered
    return (max_pending is not None and unanswered > max_pending) or answered < first <= asked or (last and unanswered > 0)


def _plan(run: Path) -> Mapping[str, int]:
    """Read the numbers of labels that the run has recorded; empty if it has not recorded them yet."""
    try:
        plan = json.loads((run / PLAN).read_text())
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
