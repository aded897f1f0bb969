"""Tables: rows that stand for runs, and the files that hold them. The first columns of each are a run's key."""

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
    """What tells a run from all others of an experiment. The fields are the first columns of every table."""

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
        """The run's."""
        return Key(self.env, self.condition, self.labels, self.seed, self.total_steps)


@dataclass(frozen=True, slots=True)
class Curve:
    """A run's rows of curves.csv: true return on a grid that runs of one length share; NaN where no episode has ended yet."""

    key: Key
    step: Array  # [P]
    true_return: Array  # [P]
    finished: bool = True  # the tables hold finished runs alone


@dataclass(frozen=True, slots=True)
class Published:
    """A final return that somebody else reports, and the steps it took."""

    value: float
    steps: int


COLUMNS = tuple(field.name for field in fields(Result))
CURVES = (*Key._fields, "step", "true_return")

T = TypeVar("T")
Row = tuple[str, ...]  # the cells behind the key's


def run_key(run: RunData) -> Key:
    """A run's key; its fields stand in the configuration."""
    return Key(run.task, run.condition, run.labels, run.seed, run.total_steps)


# Results


def results(runs: Iterable[RunData]) -> list[Result]:
    """One row per run, sorted by task, condition, labels and seed. Raises UserError where a run has no return."""
    return sorted((Result(*run_key(run), final_return(run), run.wall_s) for run in runs), key=lambda row: row.key)


def result_row(result: Result) -> Row:
    """As results.csv holds it."""
    return f"{result.final_return:.3f}", f"{result.wall_s:.1f}"


def write_results(runs: Iterable[RunData], path: Path) -> None:
    """Write `results` as CSV. Raises UserError where a run has no return; the file is then left as it was."""
    write_csv(path, COLUMNS, [(*row.key, *result_row(row)) for row in results(runs)])


def read_results(path: Path) -> list[Result]:
    """The rows of a results.csv. Raises UserError where it is missing or not one."""
    return [Result(*key, *row) for key, rows in read_rows(path, COLUMNS, float).items() for row in rows]


# Curves


def curve_rows(run: RunData, points: int = 50) -> list[Row]:
    """A row per point of the run's curve."""
    step, value = curve(run, points)
    return [(f"{s:.0f}", "" if np.isnan(v) else f"{v:.3f}") for s, v in zip(step, value, strict=True)]


def read_curves(path: Path) -> list[Curve]:
    """The runs of a curves.csv. Raises UserError where it is missing or not one."""
    rows = read_rows(path, CURVES, lambda cell: float(cell or "nan"))
    return [Curve(key, *np.array(points).T) for key, points in rows.items()]


# Any table


def read_rows(path: Path, header: Sequence[str], cell: Callable[[str], T]) -> dict[Key, list[tuple[T, ...]]]:
    """A table's rows by run, in the order in which they stand, without the key, each cell read by `cell`.

    Raises UserError where the file is missing or is no such table.
    """
    rows: dict[Key, list[tuple[T, ...]]] = defaultdict(list)
    try:
        for row in csv.DictReader(text(path).splitlines()):
            key = Key(row["env"], row["condition"], *(int(row[name]) for name in Key._fields[2:]))
            rows[key].append(tuple(cell(row[name]) for name in header[len(key) :]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a table of results: its columns are {','.join(header)}.") from error
    return dict(rows)


def merge(path: Path, header: Sequence[str], new: Mapping[Key, Sequence[Row]]) -> None:
    """Write the table, sorted, with `new` in the place of these runs' rows; all other runs keep theirs.

    Raises UserError where the file is there and is no such table.
    """
    rows = {**(read_rows(path, header, str) if path.is_file() else {}), **new}
    write_csv(path, header, [(*key, *row) for key in sorted(rows) for row in rows[key]])


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file with one header line; its folder is made. Raises UserError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error


# What others published


def read_published(path: Path, figure: str) -> dict[tuple[str, tuple[str, int]], Published]:
    """The values of one figure by task and condition: columns figure, env, condition, labels, steps, value.

    Raises UserError where the file is missing or is no such table.
    """
    try:
        return {
            (row["env"], (row["condition"], int(row["labels"]))): Published(float(row["value"]), int(row["steps"]))
            for row in csv.DictReader(text(path).splitlines())
            if row["figure"] == figure
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a table of published values: figure,env,condition,labels,steps,value.") from error
