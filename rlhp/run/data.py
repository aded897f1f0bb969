"""Data of run directories, finished or not. Steps are environment steps, times are in seconds."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from rlhp.csv_records import read_records
from rlhp.length import value as value_of
from rlhp.run.directory import ATTEMPTS, CONFIG, FINISHED, PLAN, VERSIONS, read_settings
from rlhp.run.files import complete_lines, folder_of_id, read_json, read_numbers
from rlhp.types import Array, UserError

METRICS, CLOCK, HELDOUT = "metrics.csv", "clock.csv", "heldout.csv"
Condition = tuple[str, int]  # name and labels
Key = tuple[str, str, int, int, int]
RECENT = 20  # newest rollouts, over which the current speed is measured


@dataclass(frozen=True, slots=True)
class Labels:
    """Number of labels that a run requested and used; `why` says why fewer were used, if they were and the reason is known."""

    wanted: int
    used: int
    why: str = ""

    @property
    def short(self) -> bool:
        """Whether the run did not use as many labels as requested."""
        return self.used != self.wanted

    def __str__(self) -> str:
        """Format as `43 of 60 used`, with the reason if they differ."""
        if not self.wanted and not self.used:
            return "none requested"
        return f"{self.used:,} of {self.wanted:,} used" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True, slots=True)
class Heldout:
    """A row of heldout.csv: true and predicted return of a segment that no comparison used."""

    true_return: Annotated[float, ".6g"]
    predicted_return: Annotated[float, ".6g"]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A record of one run, which these fields identify within an experiment."""

    env: str
    condition: str
    labels: int
    seed: int
    total_steps: int

    @property
    def key(self) -> Key:
        """All of these fields."""
        return self.env, self.condition, self.labels, self.seed, self.total_steps

    @property
    def method(self) -> Condition:
        """Condition and labels: all runs that differ only in task, seed and length."""
        return self.condition, self.labels


@dataclass(frozen=True, slots=True)
class RunData(Keyed):
    """Data of one run directory. `labels` is the budget; 0 if the agent sees the true reward."""

    path: Path
    settings: dict[str, Hashable]  # all of them, by dotted key
    metrics: dict[str, Array]  # column -> [rows], one row per rollout, steps ascending; NaN for a blank cell
    clock: tuple[Array, Array]  # step and seconds of training [rows] at the end of each rollout
    finished: bool
    taken: Labels

    @property
    def task(self) -> str:
        """The task, as in `settings`; for Gymnasium environments the id."""
        return self.env

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

    def known(self, column: str) -> tuple[Array, Array]:
        """Return steps and values [rows] of a column where it has a finite value; empty if it does not exist."""
        values = self.metrics.get(column, np.full_like(self.metrics["step"], np.nan))
        rows = np.isfinite(values)
        return self.metrics["step"][rows], values[rows]

    def last(self, column: str) -> float:
        """Return the last value of a column; NaN if there is none."""
        values = self.known(column)[1]
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
    return _data(run, read_numbers(run / METRICS), read_numbers(run / CLOCK))


def load_begun(run: Path) -> RunData:
    """Load a run directory that may have no metrics yet. Raises UserError if a file is damaged."""
    nothing = {"step": np.zeros(0)}
    return load(run) if (run / METRICS).is_file() else _data(run, nothing, nothing)


def _data(run: Path, metrics: Mapping[str, Array], clock: Mapping[str, Array]) -> RunData:
    # A column exists from its first value on, so returns are missing until an episode has ended.
    missing = dict.fromkeys(("true_return", "episodes"), np.full_like(metrics["step"], np.nan))
    written = read_settings(run)
    named = _named(written, run / CONFIG)
    return RunData(
        path=run,
        **named,
        settings=dict(_leaves({**written, "task": named["env"]})),
        metrics={**missing, **metrics},
        clock=(clock["step"], clock.get("wall_s", np.full_like(clock["step"], np.nan))),
        finished=(run / FINISHED).is_file(),
        taken=_labels(run, named["labels"], metrics.get("labels", np.zeros(0))),
    )


def _labels(run: Path, budget: int, used: Array) -> Labels:
    """Read the labels from finished.json; for unfinished runs and those of older versions, from the other files."""
    ended = read_json(run / FINISHED).get("labels")
    if isinstance(ended, dict):
        return Labels(int(ended["wanted"]), int(ended["used"]), str(ended.get("why") or ""))
    wanted = int(read_json(run / PLAN).get("labels", budget))
    return Labels(wanted, int(used[np.isfinite(used)].max(initial=0)), "" if (run / FINISHED).is_file() else "not finished")


def _named(written: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the five settings that identify a run: task, condition, labels, seed, total_steps."""
    try:
        condition = str(written["condition"])
        labels = 0 if condition == "true_reward" else int(written["labels"] or 0)
        numbers = {key: int(written[key]) for key in ("seed", "total_steps")}
        return {"env": _task(written), "condition": condition, "labels": labels, **numbers}
    except KeyError as error:
        raise UserError(f"{path} has no key {error}, so it is not the configuration of a run.") from error
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: it cannot be read as the configuration of a run.") from error


def _task(written: Mapping[str, Any]) -> str:
    """Return the task; the id of a Gymnasium environment without a name of its own, whose task differs between versions."""
    task, env = str(written["task"]), written.get("env")
    id = str(env["id"]) if isinstance(env, dict) and "id" in env else task
    return id if task in ("gym", folder_of_id(id)) else task


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Hashable]]:
    """Flatten nested settings to pairs of dotted key and value; a rule counts by its value."""
    node = value_of(node)
    if not isinstance(node, Mapping):
        yield prefix, _hashable(node)
        return
    for key, value in node.items():
        yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))


def _hashable(value: Any) -> Hashable:
    """Convert lists to tuples, and mappings within lists to tuples of pairs."""
    if isinstance(value, Mapping):
        return tuple((str(key), _hashable(item)) for key, item in sorted(value.items(), key=lambda pair: str(pair[0])))
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def heldout(run: Path) -> tuple[Array, Array]:
    """Read true and predicted returns [n] of the held-out segments. Raises UserError without the file."""
    rows = read_records(Heldout, run / HELDOUT)
    return np.array([row.true_return for row in rows]), np.array([row.predicted_return for row in rows])


def attempts(run: Path) -> list[dict[str, Any]]:
    """Read machine and versions of each attempt at a run; older runs recorded only the first attempt, or none.

    Raises UserError if a file is damaged.
    """
    file, first = run / ATTEMPTS, read_json(run / VERSIONS)
    try:
        known = [dict(json.loads(line)) for line in (complete_lines(file) if file.is_file() else [])]
    except (ValueError, TypeError) as error:
        raise UserError(f"{file} is damaged: each line must contain the machine and the versions of an attempt.") from error
    return known if known and not known[0].get("step") else [first, *known] if first or not known else known
