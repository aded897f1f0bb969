"""Run directories, read. Steps are environment steps, times are seconds."""

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
RECENT = 20  # rollouts whose speed is the present one


@dataclass(frozen=True, slots=True)
class Labels:
    """How many labels a run wanted and how many were used; `why` fewer, or of no use; empty where neither is so or known."""

    wanted: int
    used: int
    why: str = ""

    def __str__(self) -> str:
        """`43 of 60 used`, and the reason where they differ."""
        if not self.wanted and not self.used:
            return "none wanted"
        return f"{self.used:,} of {self.wanted:,} used" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True, slots=True)
class RunData:
    """One run, as its directory tells it. `labels` is the budget; 0 where the agent sees the true reward.

    `task` names the environment, here and in `settings`: a Gymnasium environment is named by its id.
    """

    path: Path
    task: str
    condition: str
    labels: int
    seed: int
    total_steps: int
    settings: dict[str, Hashable]  # all of them, by dotted key
    metrics: dict[str, Array]  # column -> [rows], one row per rollout, steps ascending; NaN where a cell is blank
    clock: tuple[Array, Array]  # step and seconds of training [rows] at the end of each rollout
    finished: bool
    taken: Labels

    @property
    def step(self) -> int:
        """The step reached so far; 0 before the first rollout is recorded."""
        return int(self.metrics["step"].max(initial=0))

    @property
    def wall_s(self) -> float:
        """Seconds of training so far; NaN where the clock has no row yet."""
        wall = self.clock[1]
        return float(wall[-1]) if len(wall) else float("nan")

    @property
    def speed(self) -> float:
        """Steps per second of the newest rollouts; NaN where too little is known."""
        step, wall = (column[-RECENT:] for column in self.clock)
        known = len(step) > 1 and wall[-1] > wall[0]
        return float((step[-1] - step[0]) / (wall[-1] - wall[0])) if known else float("nan")

    def ended(self) -> tuple[Array, Array, Array]:
        """Step, mean true return and number of episodes [E] of the rows in which episodes ended.

        A return that is not a finite number is NaN, so that it is seen and not averaged away.
        """
        step, value, episodes = (self.metrics[name] for name in ("step", "true_return", "episodes"))
        rows = episodes > 0
        return step[rows], np.where(np.isfinite(value[rows]), value[rows], np.nan), episodes[rows]

    def last(self, column: str) -> float:
        """The last value written in a column; NaN if there is none."""
        values = self.metrics.get(column, np.array([]))
        values = values[np.isfinite(values)]
        return float(values[-1]) if len(values) else float("nan")


def find(paths: Iterable[Path], marks: Collection[str] = (METRICS,)) -> list[Path]:
    """The run directories among and below `paths`, sorted, each once; hidden folders are left out.

    A run directory holds a config.yaml and one of `marks`. Raises UserError if a path leads to none.
    """
    found: set[Path] = set()
    for path in map(Path, paths):
        runs = run_directories(files_by_folder(path), marks)
        if not runs:
            raise no_run(path)
        found.update(runs)
    return sorted(found)


def files_by_folder(path: Path) -> dict[Path, list[str]]:
    """The names of the files in each folder at or below one; hidden folders (Hydra's own records) are not looked into.

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
    """Of folders with the names of their files, those of runs, sorted: they hold a config.yaml and one of `marks`."""
    return sorted(folder for folder, names in files.items() if CONFIG in names and any(mark in names for mark in marks))


def no_run(path: Path) -> UserError:
    """What is wrong with a folder that holds no run."""
    return UserError(f"There is no run in {path}: a run directory holds {CONFIG} and {METRICS}.")


def load(run: Path) -> RunData:
    """One run directory, finished or not. Raises UserError where a file is missing or damaged."""
    metrics = _columns(run / METRICS)
    # A column is there from its first number on: none but the step before the first rollout, no return before one ended.
    for name in ("true_return", "episodes"):
        metrics.setdefault(name, np.full_like(metrics["step"], np.nan))
    columns = _columns(run / CLOCK)
    clock = columns["step"], columns.get("wall_s", columns["step"] * np.nan)
    return _data(run, metrics, clock, finished=(run / FINISHED).is_file())


def load_begun(run: Path) -> RunData:
    """One run directory, in which there may be no numbers yet. Raises UserError where a file is damaged."""
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
    """As the end of the run tells it; before it, and in runs of older versions, as far as the other files do."""
    ended = read_json(run / FINISHED).get("labels")
    if isinstance(ended, dict):
        return Labels(int(ended["wanted"]), int(ended["used"]), str(ended.get("why") or ""))
    wanted = int(read_json(run / PLAN).get("labels", budget))
    return Labels(wanted, int(used[np.isfinite(used)].max(initial=0)), "" if (run / FINISHED).is_file() else "not finished")


def read_json(path: Path) -> dict[str, Any]:
    """An object; empty where the file is missing. Raises UserError where it is damaged."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(text(path))
    except ValueError as error:
        raise UserError(f"{path} is damaged: it is not JSON.") from error
    return found if isinstance(found, dict) else {}


def settings(run: Path) -> dict[str, Any]:
    """The settings in a run's config.yaml. Raises UserError where it is missing or damaged."""
    try:
        found = yaml.safe_load(text(run / CONFIG))
    except yaml.YAMLError as error:
        raise UserError(f"{run / CONFIG} is damaged: it cannot be read as the configuration of a run.") from error
    if not isinstance(found, dict):
        raise UserError(f"{run / CONFIG} is damaged: it cannot be read as the configuration of a run.")
    return present(found)


def _named(written: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The five settings that name a run: task, condition, labels, seed, total_steps."""
    try:
        condition = str(written["condition"])
        labels = 0 if condition == "true_reward" else int(written["labels"] or 0)
        numbers = {key: int(written[key]) for key in ("seed", "total_steps")}
        return {"task": _task(written), "condition": condition, "labels": labels, **numbers}
    except KeyError as error:
        raise UserError(f"{path} has no key {error}, so it is not the record of a run.") from error
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: it cannot be read as the configuration of a run.") from error


def _task(written: Mapping[str, Any]) -> str:
    """A Gymnasium environment's id; what runs of it call their task depends on the version that made them."""
    task, env = str(written["task"]), written.get("env")
    return str(env["id"]) if isinstance(env, dict) and "id" in env else task


def _columns(path: Path, needed: Sequence[str] = ("step",)) -> dict[str, Array]:
    """A CSV of numbers as column -> [rows], NaN for a blank cell. Raises UserError where it is damaged."""
    # A line without its end was cut by a kill: even where it parses, its last number may have lost digits.
    lines = [line for line in text(path).splitlines(keepends=True) if line.endswith("\n")]
    header, *rows = [*csv.reader(lines)] or [[]]
    if missing := [name for name in needed if name not in header]:
        raise UserError(f"{path} has no column {missing[0]!r}: the file is damaged, or it is not the record of a run.")
    table = _table(path, rows, len(header))
    if "step" in needed:
        table = table[_last_attempt(path, table[:, header.index("step")])]
    return dict(zip(header, table.T, strict=True))


def _last_attempt(path: Path, step: Array) -> Array:
    """Which rows count, [rows] bool: a run goes on from a checkpoint, and what an earlier attempt wrote beyond it is void.

    Raises UserError where a row has no step.
    """
    if not np.isfinite(step).all():
        raise UserError(f"Line {int(np.argmin(np.isfinite(step))) + 2} of {path} is damaged: it has no step.")
    later = np.minimum.accumulate(np.append(step, np.inf)[::-1])[::-1][1:]  # the least step of the rows below
    return step < later


def _table(path: Path, rows: list[list[str]], width: int) -> Array:
    """Cells as numbers [rows, width]."""
    table = np.full((len(rows), width), np.nan)
    for i, row in enumerate(rows):
        try:
            for j, cell in zip(range(width), row, strict=True):
                table[i, j] = float(cell) if cell else np.nan
        except ValueError as error:
            raise UserError(f"Line {i + 2} of {path} is damaged: expected {width} numbers or blanks.") from error
    return table


def text(path: Path) -> str:
    """What a file holds. Raises UserError where it cannot be read."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is missing or cannot be read.") from error


def heldout(run: Path) -> tuple[Array, Array]:
    """True and predicted returns [n] of the held-out segments, summed over the clip. Raises UserError without the file."""
    columns = _columns(run / HELDOUT, ("true_return", "predicted_return"))
    return columns["true_return"], columns["predicted_return"]
