"""CSV tables of runs. The first columns of each table are the run's key."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from rlhp.analysis.numbers import curve, final_return
from rlhp.analysis.runs import RunData, text
from rlhp.types import Array, UserError


class Key(NamedTuple):
    """Identifies a run within an experiment. The fields are the first columns of every table."""

    env: str
    condition: str
    labels: int
    seed: int
    total_steps: int


@dataclass(frozen=True, slots=True)
class Result:
    """A row of results.csv. The fields are its columns."""

    env: str
    condition: str
    labels: int
    seed: int
    total_steps: int
    final_return: float
    wall_s: float

    @property
    def key(self) -> Key:
        """The run's key."""
        return Key(self.env, self.condition, self.labels, self.seed, self.total_steps)


@dataclass(frozen=True, slots=True)
class Curve:
    """A run's rows of curves.csv: true return on the common grid of its length; NaN where no episode has ended yet."""

    key: Key
    step: Array  # [P]
    true_return: Array  # [P]
    finished: bool = True  # tables contain only finished runs


@dataclass(frozen=True, slots=True)
class Published:
    """A published final return, and the number of training steps."""

    value: float
    steps: int


COLUMNS = tuple(field.name for field in fields(Result))
CURVES = (*Key._fields, "step", "true_return")

T = TypeVar("T")
Row = tuple[str, ...]  # the cells after the key


def run_key(run: RunData) -> Key:
    """Return a run's key, from its configuration."""
    return Key(run.task, run.condition, run.labels, run.seed, run.total_steps)


# Results


def results(runs: Iterable[RunData]) -> list[Result]:
    """Return one row per run, sorted by task, condition, labels and seed. Raises UserError if a run has no return."""
    return sorted((Result(*run_key(run), final_return(run), run.wall_s) for run in runs), key=lambda row: row.key)


def result_row(result: Result) -> Row:
    """Format a row of results.csv."""
    return f"{result.final_return:.3f}", f"{result.wall_s:.1f}"


def read_results(path: Path) -> list[Result]:
    """Read the rows of a results.csv. Raises UserError if it is missing or has another format."""
    return [Result(*key, *row) for key, rows in read_rows(path, COLUMNS, float).items() for row in rows]


# Curves


def curve_rows(run: RunData, points: int = 50) -> list[Row]:
    """Format a row per point of the run's curve."""
    step, value = curve(run, points)
    return [(f"{s:.0f}", "" if np.isnan(v) else f"{v:.3f}") for s, v in zip(step, value, strict=True)]


def read_curves(path: Path) -> list[Curve]:
    """Read the runs of a curves.csv. Raises UserError if it is missing or has another format."""
    rows = read_rows(path, CURVES, lambda cell: float(cell or "nan"))
    return [Curve(key, *np.array(points).T) for key, points in rows.items()]


# Any table


def read_rows(path: Path, header: Sequence[str], cell: Callable[[str], T]) -> dict[Key, list[tuple[T, ...]]]:
    """Read a table's rows by run, in file order, without the key; `cell` parses each cell.

    Raises UserError if the file is missing or is not such a table.
    """
    rows: dict[Key, list[tuple[T, ...]]] = defaultdict(list)
    try:
        for row in csv.DictReader(text(path).splitlines()):
            key = Key(row["env"], row["condition"], *(int(row[name]) for name in Key._fields[2:]))
            rows[key].append(tuple(cell(row[name]) for name in header[len(key) :]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a table of results: its columns must be {','.join(header)}.") from error
    return dict(rows)


def merge(path: Path, header: Sequence[str], new: Mapping[Key, Sequence[Row]]) -> None:
    """Write the table, sorted, with the rows of the runs in `new` replaced; all other runs keep their rows.

    Raises UserError if the file exists and is not such a table.
    """
    rows = {**(read_rows(path, header, str) if path.is_file() else {}), **new}
    write_csv(path, header, [(*key, *row) for key in sorted(rows) for row in rows[key]])


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a header line and create its folder. Raises UserError if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error


# Published values


def read_published(path: Path, figure: str) -> dict[tuple[str, tuple[str, int]], Published]:
    """Read the values of one figure by task and condition, from the columns figure, env, condition, labels, steps, value.

    Raises UserError if the file is missing or is not such a table.
    """
    try:
        return {
            (row["env"], (row["condition"], int(row["labels"]))): Published(float(row["value"]), int(row["steps"]))
            for row in csv.DictReader(text(path).splitlines())
            if row["figure"] == figure
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is not a table of published values: its columns must be figure,env,condition,labels,steps,value."
        ) from error
