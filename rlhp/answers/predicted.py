"""Agreement of r-hat with people's answers, predicted before r-hat was fitted to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from rlhp.intervals import wilson
from rlhp.run.predictions import read_predictions
from rlhp.store import Ranked


@dataclass(frozen=True, slots=True)
class PredictionAccuracy:
    """The share of n answers that r-hat predicted, with Wilson's 95 % interval."""

    share: float
    low: float
    high: float
    n: int


def prediction_accuracy(run: Path, answers: Iterable[Ranked]) -> PredictionAccuracy | None:
    """Return how well r-hat predicted people's answers; None if there are no predictions.

    Each prediction was made before r-hat was fitted to any answer to that question. Answers that rank no clip above another are
    left out.
    """
    return share_of([right for _, right in prediction_scores(run, answers)])


def prediction_scores(run: Path, answers: Iterable[Ranked]) -> list[tuple[float, float]]:
    """Return (seconds since 1970, correctly predicted share of pairs) per answer, in the order of the answers."""
    predicted = {row.query: row.returns for row in read_predictions(run)}
    rights = ((answer.answered_at, concordance(answer.ranks, predicted, answer.query)) for answer in answers)
    return sorted((at, right) for at, right in rights if right is not None)


def concordance(ranks: Sequence[int], predicted: Mapping[int, Sequence[float]], query: int) -> float | None:
    """Return the share of an answer's strictly ranked pairs that r-hat has in the same order; ties of r-hat count half.

    None if the question has no prediction, or the answer prefers no clip. Ranks: lower is better.
    """
    returns = predicted.get(query, ())
    if len(returns) != len(ranks):
        return None
    pairs = [(i, j) if ranks[i] < ranks[j] else (j, i) for i, j in combinations(range(len(ranks)), 2) if ranks[i] != ranks[j]]
    right = [0.5 if returns[i] == returns[j] else float(returns[i] > returns[j]) for i, j in pairs]
    return sum(right) / len(right) if right else None


def share_of(right: Sequence[float]) -> PredictionAccuracy | None:
    """Return the mean of shares with its interval; None if there are none."""
    if not right:
        return None
    share = sum(right) / len(right)
    return PredictionAccuracy(share, *wilson(share, len(right)), len(right))
