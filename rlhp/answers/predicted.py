"""Agreement of r-hat with people's answers, predicted before r-hat was fitted to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from rlhp.intervals import wilson
from rlhp.run.predictions import read_predictions
from rlhp.store import Judged


@dataclass(frozen=True, slots=True)
class PredictionAccuracy:
    """The share of n answers that r-hat predicted, with Wilson's 95 % interval."""

    share: float
    low: float
    high: float
    n: int


def prediction_accuracy(run: Path, answers: Iterable[Judged]) -> PredictionAccuracy | None:
    """Return how well r-hat predicted people's answers, as in `prediction_scores`; None if there are no predictions.

    Each prediction was made before r-hat was fitted to any answer to that question.
    """
    return share_of([right for _, right in prediction_scores(run, answers)])


def prediction_scores(run: Path, answers: Iterable[Judged]) -> list[tuple[float, float]]:
    """Return (seconds since 1970, correctly predicted share of pairs) per answer, in the order of the answers.

    The pairs of a ranking are those of its clips. A rating of one clip is paired with the same annotator's previous rating, since
    a single rating has no order to predict. Answers without two unequal clips, or without a prediction, are left out.
    """
    predicted = {row.query: row.returns for row in read_predictions(run)}
    known = sorted((answer for answer in answers if answer.query in predicted), key=lambda answer: answer.answered_at)
    rankings = ((one.answered_at, concordance(one.ranks, predicted[one.query])) for one in known if one.ranks is not None)
    rights = [*rankings, *_rated(known, predicted)]
    return sorted((at, right) for at, right in rights if right is not None)


def _rated(answers: Sequence[Judged], predicted: Mapping[int, Sequence[float]]) -> Iterator[tuple[float, float | None]]:
    """Yield what `prediction_scores` returns of each rating, oldest first."""
    previous: dict[str, Judged] = {}
    for one in answers:
        if one.rating is None:
            continue
        if (other := previous.get(one.annotator)) is not None and other.rating is not None:
            ranks = (int(other.rating < one.rating), int(one.rating < other.rating))
            yield one.answered_at, concordance(ranks, (*predicted[other.query], *predicted[one.query]))
        previous[one.annotator] = one


def concordance(ranks: Sequence[int], returns: Sequence[float]) -> float | None:
    """Return the share of strictly ranked pairs that predicted returns have in the same order; ties of r-hat count half.

    None if no clip is ranked above another, or the lengths differ. Ranks: lower is better.
    """
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
