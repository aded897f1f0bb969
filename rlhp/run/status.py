"""Status of a sweep: which runs are done, running, failed or not started, and the time left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlhp.durations import duration
from rlhp.run.data import METRICS, RunData, files_by_folder, find, load_begun, no_run, run_directories
from rlhp.run.lock import FAILED, LOCK, failure, is_running
from rlhp.run.published import is_published
from rlhp.run.sweep import SWEEPS, sweeps
from rlhp.types import UserError

STATES = ("done", "running", "failed", "stopped", "published")
BEGUN = (METRICS, LOCK, FAILED)  # one of these files exists as soon as a run has started


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Status of one run; `error` only if it failed."""

    data: RunData
    state: str  # one of STATES
    error: str | None

    @property
    def left(self) -> int:
        """Steps left; a run may overshoot its total, and a published one does not continue."""
        return 0 if self.state in ("done", "published") else max(self.data.total_steps - self.data.step, 0)


def run_status(path: Path) -> RunStatus:
    """Return the status of a run directory, which may have no metrics yet. Raises UserError if it is damaged."""
    data, error = load_begun(path), failure(path)
    state = "done" if data.finished else "running" if is_running(path) else "failed" if error else "stopped"
    state = "published" if state == "stopped" and is_published(path) else state
    return RunStatus(data, state, error if state == "failed" else None)


def begun(folders: Iterable[Path]) -> list[Path]:
    """Find the directories of all started runs at or below the folders, sorted, without duplicates; skips hidden folders.

    Raises UserError for a folder without any.
    """
    return find(folders, BEGUN)


def report(folder: Path) -> str:
    """Format the counts, the time left, and a line per run that is not done or used fewer labels than requested.

    Raises UserError if no run has started here and none is going to, or if none can be read.
    """
    files = files_by_folder(folder)
    paths = run_directories(files, BEGUN)
    waiting = _not_started(files, paths)
    if not paths and not waiting:
        raise no_run(folder)
    runs, damaged = _statuses(paths)
    if damaged and not runs and not waiting:
        raise damaged[0]
    counts = Counter([*(run.state for run in runs), *("damaged" for _ in damaged)])
    parts = [f"{counts[state]} {state}" for state in (*STATES, "damaged") if counts[state]]
    parts += [f"{waiting} not started"] if waiting else []
    head = f"{folder}: {', '.join(parts)} of {len(paths) + waiting}{_time_left(runs, waiting)}"
    short = [run for run in runs if run.state != "done" or run.data.taken.short]
    return "\n".join([head, *(_line(run, folder.resolve()) for run in short), *(f"  damaged {error}" for error in damaged)])


def _statuses(paths: Iterable[Path]) -> tuple[list[RunStatus], list[UserError]]:
    """Return the status of these runs, and the errors of those that cannot be read, so that they do not hide the others."""
    runs: list[RunStatus] = []
    damaged: list[UserError] = []
    for path in paths:
        try:
            runs.append(run_status(path))
        except UserError as error:
            damaged.append(error)
    return runs, damaged


def _not_started(files: Mapping[Path, Collection[str]], runs: Sequence[Path]) -> int:
    """Count the jobs of the sweeps launched in these folders that have not started, given the runs that have."""
    waiting = 0
    for folder in (folder for folder, inner in files.items() if SWEEPS in inner):
        names = {run.relative_to(folder).as_posix() for run in runs if run.is_relative_to(folder)}
        known = sweeps(folder).values()
        jobs = {job for sweep in known for job in sweep.jobs}
        waiting += len(jobs - names) + sum(sweep.waiting(names - jobs) for sweep in known)
    return waiting


def _time_left(runs: Sequence[RunStatus], waiting: int) -> str:
    """Format the time left at the current speed of running runs; runs not started yet count as long as the others."""
    each = float(np.mean([run.data.total_steps for run in runs])) if runs else float("nan")
    left = sum(run.left for run in runs) + (waiting * each if waiting else 0)
    speed = sum(run.data.speed for run in runs if run.state == "running" and run.data.speed == run.data.speed)
    if left == 0:
        return ""
    if speed:
        return f"; about {duration(left / speed)} left"
    running = any(run.state == "running" for run in runs)
    return "; too early to estimate the time left" if running else "; nothing is running: the same command continues it"


def _line(run: RunStatus, folder: Path) -> str:
    data = run.data
    name = data.path.relative_to(folder).as_posix() if data.path != folder else data.path.name
    if run.state == "done":
        return f"  {run.state:<7} {name}  labels: {data.taken}"
    more = f"  {run.error}" if run.error else ""
    if run.state == "running" and data.speed > 0:
        more = f"  {data.speed:,.0f} steps/s  {duration(run.left / data.speed)} left"
    return f"  {run.state:<7} {name}{data.step:>11,} of {data.total_steps:,}{more}"
