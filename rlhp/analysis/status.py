"""A sweep at a glance: what is done, what runs, what failed, and how long it will take."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import yaml

from rlhp.analysis.runs import clock, find, load
from rlhp.run import failure, under_way

RECENT = 20  # rollouts whose speed is the present one
PLAN = "multirun.yaml"  # what Hydra writes into the folder of a sweep
STATES = ("done", "running", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where one run stands; `speed` in steps per second, NaN where too little is known; `error` only where it failed."""

    path: Path
    state: str  # one of STATES
    step: int
    total_steps: int
    speed: float
    error: str | None

    @property
    def left(self) -> int:
        """Steps still to be made; a run may overshoot its total."""
        return 0 if self.state == "done" else max(self.total_steps - self.step, 0)


def run_status(path: Path) -> RunStatus:
    """One run directory. Raises UserError where it is damaged."""
    run, error = load(path), failure(path)
    state = "done" if run.finished else "running" if under_way(path) else "failed" if error else "stopped"
    return RunStatus(path, state, run.step, run.total_steps, _speed(path), error if state == "failed" else None)


def _speed(path: Path) -> float:
    step, wall = (column[-RECENT:] for column in clock(path))
    return float((step[-1] - step[0]) / (wall[-1] - wall[0])) if len(step) > 1 and wall[-1] > wall[0] else float("nan")


def planned(folder: Path) -> int | None:
    """How many runs the sweep launched last in this folder has; None if none was launched here."""
    if not (folder / PLAN).is_file():
        return None
    hydra = yaml.safe_load((folder / PLAN).read_text())["hydra"]
    swept = dict(hydra["sweeper"]["params"] or {}) | dict(item.split("=", 1) for item in hydra["overrides"]["task"])
    return prod(_choices(str(values)) for values in swept.values())


def _choices(values: str) -> int:
    """How many values `a,b,c` lists; commas within brackets or quotes do not count."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", values)
    while (inner := re.sub(r"\[[^][]*\]|\{[^}{]*\}|\([^)(]*\)", "", bare)) != bare:
        bare = inner
    return bare.count(",") + 1


def report(folder: Path) -> str:
    """The counts, the time left, and a line per run that is not done. Raises UserError if there is no run in the folder."""
    runs = [run_status(path) for path in find([folder])]
    counts = Counter(run.state for run in runs)
    waiting = max((planned(folder) or 0) - len(runs), 0)
    parts = [f"{counts[state]} {state}" for state in STATES if counts[state]] + ([f"{waiting} not begun"] if waiting else [])
    head = f"{folder}: {', '.join(parts)} of {len(runs) + waiting}{_time_left(runs, waiting)}"
    return "\n".join([head, *(_line(run, folder) for run in runs if run.state != "done")])


def _time_left(runs: Sequence[RunStatus], waiting: int) -> str:
    """At the present speed of those that run; a run that has not begun is as long as the others."""
    left = sum(run.left for run in runs) + waiting * float(np.mean([run.total_steps for run in runs]))
    speed = sum(run.speed for run in runs if run.state == "running" and run.speed == run.speed)
    if left == 0:
        return ""
    return f"; about {_hours(left / speed)} left" if speed else "; nothing runs: the same command goes on with it"


def _line(run: RunStatus, folder: Path) -> str:
    name = run.path.relative_to(folder.resolve()).as_posix() if run.path != folder.resolve() else run.path.name
    at = f"{run.step:>11,} of {run.total_steps:,}"
    running = run.state == "running" and run.speed > 0
    more = (
        f"  {run.speed:,.0f} steps/s  {_hours(run.left / run.speed)} left" if running else f"  {run.error}" if run.error else ""
    )
    return f"  {run.state:<8}{name}{at}{more}"


def _hours(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{max(minutes, 1)} min"
