"""Records of an experiment's tables. The first columns of each table identify the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np

from rlhp.analysis.numbers import curve, final_return
from rlhp.csv_records import read_records, write_records
from rlhp.run import RunData
from rlhp.run.data import Condition, Key, Keyed
from rlhp.types import Array


@dataclass(frozen=True, slots=True)
class Result(Keyed):
    """A row of results.csv."""

    final_return: Annotated[float, ".3f"]
    wall_s: Annotated[float, ".1f"]


@dataclass(frozen=True, slots=True)
class Point(Keyed):
    """A row of curves.csv: one of the points of a run's curve."""

    step: Annotated[float, ".0f"]
    true_return: Annotated[float, ".3f"]


@dataclass(frozen=True, slots=True)
class Failure(Keyed):
    """A row of failed.csv: the step that a failed run reached, and its error."""

    step: int
    error: str


@dataclass(frozen=True, slots=True)
class Provenance(Keyed):
    """A row of provenance.csv: date, machine and versions of a run; `cores` is blank if it used several machines."""

    date: str
    cpu: str
    cores: str
    versions: str


@dataclass(frozen=True, slots=True)
class Curve(Keyed):
    """A run's curve: true return on the common grid of its length; NaN where no episode has ended yet."""

    step: Array  # [P]
    true_return: Array  # [P]
    finished: bool = True  # tables contain only finished runs


@dataclass(frozen=True, slots=True)
class Published:
    """A row of a table of published final returns: the value after `steps` steps, in a figure of the paper."""

    figure: str
    env: str
    condition: str
    labels: int
    steps: int
    value: float


@dataclass(frozen=True, slots=True)
class RandomReturn:
    """A row of random.csv: mean and standard deviation of the random policy's returns on a task."""

    env: str
    episodes: int
    mean: Annotated[float, ".3f"]
    std: Annotated[float, ".3f"]


Row = TypeVar("Row", bound=Keyed)


def results(runs: Iterable[RunData]) -> list[Result]:
    """Return one row per run, sorted by task, condition, labels and seed. Raises UserError if a run has no return."""
    return sorted((Result(*run.key, final_return(run), run.wall_s) for run in runs), key=lambda row: row.key)


def points(run: RunData) -> list[Point]:
    """Return the rows of a run's curve."""
    return [Point(*run.key, float(step), float(value)) for step, value in zip(*curve(run), strict=True)]


def read_curves(path: Path) -> list[Curve]:
    """Read the runs of a curves.csv. Raises UserError if it is missing or has another format."""
    runs: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    for row in read_records(Point, path):
        runs[row.key].append((row.step, row.true_return))
    return [Curve(*key, *np.array(pairs).T) for key, pairs in runs.items()]


def merge(kind: type[Row], path: Path, new: Iterable[Row], replaced: Collection[Key]) -> None:
    """Write the table, sorted by run, with `new` rows instead of those of the runs in `replaced`; other runs keep their rows.

    Raises UserError if the file exists and is not such a table.
    """
    kept = [row for row in read_records(kind, path) if row.key not in replaced] if path.is_file() else []
    write_records(kind, path, sorted([*kept, *new], key=lambda row: row.key))


def read_random(path: Path) -> dict[str, float]:
    """Read the random policy's mean returns by task. Raises UserError if the file is missing or is not such a table."""
    return {row.env: row.mean for row in read_records(RandomReturn, path)}


def read_published(path: Path, figure: str) -> Mapping[tuple[str, Condition], Published]:
    """Read the values of one figure by task and condition. Raises UserError if the file is missing or is not such a table."""
    return {(row.env, (row.condition, row.labels)): row for row in read_records(Published, path) if row.figure == figure}
