"""Reading of run directories. Steps are environment steps, times are in seconds."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rlhp.analysis.settings import leaves
from rlhp.renamed import present
from rlhp.types import Array, UserError

CONFIG, METRICS, CLOCK, HELDOUT, FINISHED = "config.yaml", "metrics.csv", "clock.csv", "heldout.csv", "finished.json"
PLAN = "plan.json"
RECENT = 20  # newest rollouts, over which the current speed is measured


@dataclass(frozen=True, slots=True)
class Labels:
    """Number of labels that a run requested and used; `why` says why fewer were used, if they were and the reason is known."""

    wanted: int
    used: int
    why: str = ""

    def __str__(self) -> str:
        """Format as `43 of 60 used`, with the reason if they differ."""
        if not self.wanted and not self.used:
            return "none requested"
        return f"{self.used:,} of {self.wanted:,} used" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True, slots=True)
class RunData:
    """Data of one run directory. `labels` is the budget; 0 if the agent sees the true reward.

    `task` names the environment, here and in `settings`; for Gymnasium environments it is the id.
    """

    path: Path
    task: str
    condition: str
    labels: int
    seed: int
    total_steps: int
    settings: dict[str, Hashable]  # all of them, by dotted key
    metrics: dict[str, Array]  # column -> [rows], one row per rollout, steps ascending; NaN for a blank cell
    clock: tuple[Array, Array]  # step and seconds of training [rows] at the end of each rollout
    finished: bool
    taken: Labels

    @property
    def step(self) -> int:
        """The step reached so far; 0 before the first rollout is recorded."""
        return int(self.metrics["step"].max(initial=0))

    @property
    def wall_s(self) -> float:
        """Seconds of training so far; NaN if the clock has no row yet."""
        wall = self.clock[1]
        return float(wall[-1]) if len(wall) else float("nan")

    @property
    def speed(self) -> float:
        """Steps per second over the newest rollouts; NaN if there are too few."""
        step, wall = (column[-RECENT:] for column in self.clock)
        known = len(step) > 1 and wall[-1] > wall[0]
        return float((step[-1] - step[0]) / (wall[-1] - wall[0])) if known else float("nan")

    def ended(self) -> tuple[Array, Array, Array]:
        """Return step, mean true return and number of episodes [E] of the rows in which episodes ended.

        A return that is not finite becomes NaN, so that averages show it.
        """
        step, value, episodes = (self.metrics[name] for name in ("step", "true_return", "episodes"))
        rows = episodes > 0
        return step[rows], np.where(np.isfinite(value[rows]), value[rows], np.nan), episodes[rows]

    def last(self, column: str) -> float:
        """Return the last value of a column; NaN if there is none."""
        values = self.metrics.get(column, np.array([]))
        values = values[np.isfinite(values)]
        return float(values[-1]) if len(values) else float("nan")


def find(paths: Iterable[Path], marks: Collection[str] = (METRICS,)) -> list[Path]:
    """Find the run directories at or below `paths`, sorted, without duplicates; skips hidden folders.

    A run directory contains config.yaml and one of the files `marks`. Raises UserError for a path without any.
    """
    found: set[Path] = set()
    for path in map(Path, paths):
        runs = run_directories(files_by_folder(path), marks)
        if not runs:
            raise no_run(path)
        found.update(runs)
    return sorted(found)


def files_by_folder(path: Path) -> dict[Path, list[str]]:
    """List the files of each folder at or below `path`; skips hidden folders (Hydra's own records).

    Raises UserError if there is no such folder.
    """
    if not path.is_dir():
        raise UserError(f"{path} is not a directory: give run directories, or folders of them.")
    found: dict[Path, list[str]] = {}
    for folder, inner, files in os.walk(path):
        inner[:] = [name for name in inner if not name.startswith(".")]
        found[Path(folder).resolve()] = files
    return found


def run_directories(files: Mapping[Path, Collection[str]], marks: Collection[str]) -> list[Path]:
    """Return the folders that are run directories, sorted: they contain config.yaml and one of the files `marks`."""
    return sorted(folder for folder, names in files.items() if CONFIG in names and any(mark in names for mark in marks))


def no_run(path: Path) -> UserError:
    """Return the error for a folder without a run."""
    return UserError(f"There is no run in {path}: a run directory contains {CONFIG} and {METRICS}.")


def load(run: Path) -> RunData:
    """Load a run directory, finished or not. Raises UserError if a file is missing or damaged."""
    metrics = _columns(run / METRICS)
    # A column exists from its first value on, so returns are missing until an episode has ended.
    for name in ("true_return", "episodes"):
        metrics.setdefault(name, np.full_like(metrics["step"], np.nan))
    columns = _columns(run / CLOCK)
    clock = columns["step"], columns.get("wall_s", columns["step"] * np.nan)
    return _data(run, metrics, clock, finished=(run / FINISHED).is_file())


def load_begun(run: Path) -> RunData:
    """Load a run directory that may have no metrics yet. Raises UserError if a file is damaged."""
    if (run / METRICS).is_file():
        return load(run)
    nothing = np.zeros(0)
    metrics = {name: nothing for name in ("step", "true_return", "episodes")}
    return _data(run, metrics, (nothing, nothing), finished=False)


def _data(run: Path, metrics: dict[str, Array], clock: tuple[Array, Array], *, finished: bool) -> RunData:
    written = settings(run)
    named = _named(written, run / CONFIG)
    taken = _labels(run, named["labels"], metrics.get("labels", np.zeros(0)))
    known = leaves({**written, "task": named["task"]})
    return RunData(path=run, **named, settings=known, metrics=metrics, clock=clock, finished=finished, taken=taken)


def _labels(run: Path, budget: int, used: Array) -> Labels:
    """Read the labels from finished.json; for unfinished runs and those of older versions, from the other files."""
    ended = read_json(run / FINISHED).get("labels")
    if isinstance(ended, dict):
        return Labels(int(ended["wanted"]), int(ended["used"]), str(ended.get("why") or ""))
    wanted = int(read_json(run / PLAN).get("labels", budget))
    return Labels(wanted, int(used[np.isfinite(used)].max(initial=0)), "" if (run / FINISHED).is_file() else "not finished")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty if the file is missing. Raises UserError if it is damaged."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(text(path))
    except ValueError as error:
        raise UserError(f"{path} is damaged: it is not JSON.") from error
    return found if isinstance(found, dict) else {}


def settings(run: Path) -> dict[str, Any]:
    """Read the settings in a run's config.yaml. Raises UserError if it is missing or damaged."""
    try:
        found = yaml.safe_load(text(run / CONFIG))
    except yaml.YAMLError as error:
        raise UserError(f"{run / CONFIG} is damaged: it cannot be read as the configuration of a run.") from error
    if not isinstance(found, dict):
        raise UserError(f"{run / CONFIG} is damaged: it cannot be read as the configuration of a run.")
    return present(found)


def _named(written: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the five settings that identify a run: task, condition, labels, seed, total_steps."""
    try:
        condition = str(written["condition"])
        labels = 0 if condition == "true_reward" else int(written["labels"] or 0)
        numbers = {key: int(written[key]) for key in ("seed", "total_steps")}
        return {"task": _task(written), "condition": condition, "labels": labels, **numbers}
    except KeyError as error:
        raise UserError(f"{path} has no key {error}, so it is not the configuration of a run.") from error
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: it cannot be read as the configuration of a run.") from error


def _task(written: Mapping[str, Any]) -> str:
    """Return the task; for Gymnasium environments the id, since their task names differ between versions."""
    task, env = str(written["task"]), written.get("env")
    return str(env["id"]) if isinstance(env, dict) and "id" in env else task


def _columns(path: Path, needed: Sequence[str] = ("step",)) -> dict[str, Array]:
    """Read a CSV of numbers as column -> [rows], with NaN for a blank cell. Raises UserError if it is damaged."""
    # A line without a newline was cut off when the process was killed; its last number may have lost digits.
    lines = [line for line in text(path).splitlines(keepends=True) if line.endswith("\n")]
    header, *rows = [*csv.reader(lines)] or [[]]
    if missing := [name for name in needed if name not in header]:
        raise UserError(f"{path} has no column {missing[0]!r}: the file is damaged, or does not belong to a run.")
    table = _table(path, rows, len(header))
    if "step" in needed:
        table = table[_last_attempt(path, table[:, header.index("step")])]
    return dict(zip(header, table.T, strict=True))


def _last_attempt(path: Path, step: Array) -> Array:
    """Return which rows are valid, [rows] bool: a run resumes from a checkpoint, and later rows of an earlier attempt are void.

    Raises UserError if a row has no step.
    """
    if not np.isfinite(step).all():
        raise UserError(f"Line {int(np.argmin(np.isfinite(step))) + 2} of {path} is damaged: it has no step.")
    later = np.minimum.accumulate(np.append(step, np.inf)[::-1])[::-1][1:]  # the smallest step of all later rows
    return step < later


def _table(path: Path, rows: list[list[str]], width: int) -> Array:
    """Convert the cells to numbers [rows, width]."""
    table = np.full((len(rows), width), np.nan)
    for i, row in enumerate(rows):
        try:
            for j, cell in zip(range(width), row, strict=True):
                table[i, j] = float(cell) if cell else np.nan
        except ValueError as error:
            raise UserError(f"Line {i + 2} of {path} is damaged: expected {width} numbers or blanks.") from error
    return table


def text(path: Path) -> str:
    """Read a text file. Raises UserError if it cannot be read."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is missing or cannot be read.") from error


def heldout(run: Path) -> tuple[Array, Array]:
    """Read true and predicted returns [n] of the held-out segments. Raises UserError without the file."""
    columns = _columns(run / HELDOUT, ("true_return", "predicted_return"))
    return columns["true_return"], columns["predicted_return"]
