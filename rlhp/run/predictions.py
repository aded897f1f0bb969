"""Predictions of r-hat for the clips of each query just before it trained on the first answer: a table of the run."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rlhp.atomic import replacing
from rlhp.run.files import read_table

PREDICTIONS = "predictions.csv"
COLUMNS = ("step", "query", "returns")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predicted returns of a query's clips, in the store's order, at the step at which an answer was first collected."""

    step: int
    query: int
    returns: tuple[float, ...]


def read_predictions(run: Path) -> list[Prediction]:
    """All predictions, oldest first; empty without a table. A row truncated by a kill is skipped."""
    rows = read_table(run / PREDICTIONS)
    return [Prediction(int(row["step"]), int(row["query"]), tuple(map(float, row["returns"].split()))) for row in rows]


def keep_predictions(run: Path, upto: int) -> list[Prediction]:
    """Remove predictions after the step from which a run continues: their answers are collected again. Returns the others."""
    existing = read_predictions(run)
    kept = [row for row in existing if row.step <= upto]
    if len(kept) < len(existing):
        with replacing(run / PREDICTIONS) as draft:
            _append(draft, kept)
    return kept


def add_predictions(run: Path, new: Iterable[Prediction]) -> None:
    """Append rows to the table."""
    _append(run / PREDICTIONS, new)


def _append(path: Path, rows: Iterable[Prediction]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerows((row.step, row.query, " ".join(f"{value:.6g}" for value in row.returns)) for row in rows)
