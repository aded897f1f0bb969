"""What r-hat said of the clips of each question just before it learned from the first answer to it: a table of the run."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PREDICTIONS = "predictions.csv"
COLUMNS = ("step", "query", "returns")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The returns of a question's clips by r-hat, in the store's order, at the step at which an answer was first taken."""

    step: int
    query: int
    returns: tuple[float, ...]


def read_predictions(run: Path) -> list[Prediction]:
    """All of them, oldest first; none where there is no table. A row cut short by a kill is left out."""
    try:
        with (run / PREDICTIONS).open(newline="") as file:
            text = file.read()
    except FileNotFoundError:
        return []
    rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    return [Prediction(int(row["step"]), int(row["query"]), tuple(map(float, row["returns"].split()))) for row in rows]


def keep_predictions(run: Path, upto: int) -> list[Prediction]:
    """Drop those after the step from which a run goes on: their answers are taken anew. Returns what stays."""
    there = read_predictions(run)
    kept = [row for row in there if row.step <= upto]
    if len(kept) < len(there):
        draft = (run / PREDICTIONS).with_suffix(".draft")
        draft.unlink(missing_ok=True)
        _append(draft, kept)
        draft.replace(run / PREDICTIONS)
    return kept


def add_predictions(run: Path, new: Iterable[Prediction]) -> None:
    """Add rows to the table."""
    _append(run / PREDICTIONS, new)


def _append(path: Path, rows: Iterable[Prediction]) -> None:
    begins = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if begins:
            writer.writerow(COLUMNS)
        writer.writerows((row.step, row.query, " ".join(f"{value:.6g}" for value in row.returns)) for row in rows)
