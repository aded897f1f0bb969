"""A sweep at a glance: what is done, what runs, what failed, what never began, and how long it will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlhp.analysis.runs import CONFIG, METRICS, Labels, clock, config, load
from rlhp.run import FAILED, failure, under_way
from rlhp.run.attempt import LOCK
from rlhp.run.sweep import SWEEPS, sweeps
from rlhp.types import UserError

RECENT = 20  # rollouts whose speed is the present one
STATES = ("done", "running", "failed", "stopped")
BEGUN = (METRICS, LOCK, FAILED)  # one of them is there as soon as a run has begun


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where one run stands; `speed` in steps per second, NaN where too little is known; `error` only where it failed."""

    path: Path
    state: str  # one of STATES
    step: int
    total_steps: int
    speed: float
    error: str | None
    labels: Labels

    @property
    def left(self) -> int:
        """Steps still to be made; a run may overshoot its total."""
        return 0 if self.state == "done" else max(self.total_steps - self.step, 0)


def run_status(path: Path) -> RunStatus:
    """One run directory; it may hold no numbers yet. Raises UserError where it is damaged."""
    error, running = failure(path), under_way(path)
    unfinished = "running" if running else "failed" if error else "stopped"
    if not (path / METRICS).is_file():
        named = config(path)
        wanted = Labels(named["labels"], 0, "not finished")
        return RunStatus(
            path, unfinished, 0, named["total_steps"], float("nan"), error if unfinished == "failed" else None, wanted
        )
    run = load(path)
    state = "done" if run.finished else unfinished
    return RunStatus(path, state, run.step, run.total_steps, _speed(path), error if state == "failed" else None, run.taken)


def _speed(path: Path) -> float:
    step, wall = (column[-RECENT:] for column in clock(path))
    return float((step[-1] - step[0]) / (wall[-1] - wall[0])) if len(step) > 1 and wall[-1] > wall[0] else float("nan")


def begun(folders: Iterable[Path]) -> list[Path]:
    """The directories of all runs that have begun among and below the folders, sorted, each once; hidden folders are left out.

    Raises UserError where there is none in one of them.
    """
    found = {folder: _begun(Path(folder)) for folder in folders}
    for folder in found:
        if not found[folder]:
            raise UserError(f"There is no run in {folder}: a run directory holds {CONFIG} and {METRICS}.")
    return sorted({path for paths in found.values() for path in paths})


def _begun(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"{folder} is not a directory: give run directories, or folders of them.")
    runs = (file.parent for file in _visible(folder, CONFIG))
    return sorted(run.resolve() for run in runs if any((run / name).is_file() for name in BEGUN))


def _visible(folder: Path, name: str) -> list[Path]:
    """The files of this name at or below a folder, except in hidden folders."""
    return [file for file in folder.rglob(name) if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def not_begun(folder: Path, runs: Sequence[Path]) -> int:
    """How many jobs of the sweeps launched in the folder or below it have not begun, given the runs that have."""
    return sum(_not_begun(file.parent.resolve(), runs) for file in _visible(folder, SWEEPS))


def _not_begun(folder: Path, runs: Sequence[Path]) -> int:
    names = {run.relative_to(folder).as_posix() for run in runs if run.is_relative_to(folder)}
    known = sweeps(folder).values()
    jobs = {job for sweep in known for job in sweep.jobs}
    return len(jobs - names) + sum(sweep.waiting(names - jobs) for sweep in known)


def report(folder: Path) -> str:
    """The counts, the time left, and a line per run that is not done or lacks labels.

    Raises UserError if no run has begun here, and none is going to.
    """
    waiting = not_begun(folder, _begun(folder))
    paths = _begun(folder) if waiting else begun([folder])
    runs = [run_status(path) for path in paths]
    counts = Counter(run.state for run in runs)
    parts = [f"{counts[state]} {state}" for state in STATES if counts[state]] + ([f"{waiting} not begun"] if waiting else [])
    head = f"{folder}: {', '.join(parts)} of {len(runs) + waiting}{_time_left(runs, waiting)}"
    short = [run for run in runs if run.state != "done" or run.labels.used != run.labels.wanted]
    return "\n".join([head, *(_line(run, folder.resolve()) for run in short)])


def _time_left(runs: Sequence[RunStatus], waiting: int) -> str:
    """At the present speed of those that run; a run that has not begun is as long as the others."""
    each = float(np.mean([run.total_steps for run in runs])) if runs else float("nan")
    left = sum(run.left for run in runs) + (waiting * each if waiting else 0)
    speed = sum(run.speed for run in runs if run.state == "running" and run.speed == run.speed)
    if left == 0:
        return ""
    if speed:
        return f"; about {_hours(left / speed)} left"
    running = any(run.state == "running" for run in runs)
    return "; too early to tell the time left" if running else "; nothing runs: the same command goes on with it"


def _line(run: RunStatus, folder: Path) -> str:
    name = run.path.relative_to(folder).as_posix() if run.path != folder else run.path.name
    if run.state == "done":
        return f"  {run.state:<8}{name}  labels: {run.labels}"
    at = f"{run.step:>11,} of {run.total_steps:,}"
    running = run.state == "running" and run.speed > 0
    more = (
        f"  {run.speed:,.0f} steps/s  {_hours(run.left / run.speed)} left" if running else f"  {run.error}" if run.error else ""
    )
    return f"  {run.state:<8}{name}{at}{more}"


def _hours(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{max(minutes, 1)} min"
