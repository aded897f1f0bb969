"""How far r-hat agrees with people on answers that it had not learned from when it was asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from rlhp.intervals import wilson
from rlhp.run.predictions import read_predictions
from rlhp.store import Ranked


@dataclass(frozen=True, slots=True)
class Foresight:
    """The share of n answers that r-hat predicted, and Wilson's 95 % interval for it."""

    share: float
    low: float
    high: float
    n: int


def foresight(run: Path, said: Iterable[Ranked]) -> Foresight | None:
    """How far r-hat predicts these answers of people; None where nothing was predicted.

    Each prediction is from before r-hat learned from any answer to that question. Answers that rank no clip above another are
    left out.
    """
    return share_of([right for _, right in foreseen(run, said)])


def foreseen(run: Path, said: Iterable[Ranked]) -> list[tuple[float, float]]:
    """The same answer by answer, in the order in which they were given: when, in seconds since 1970, and the right share."""
    predicted = {row.query: row.returns for row in read_predictions(run)}
    rights = ((answer.answered_at, concordance(answer.ranks, predicted, answer.query)) for answer in said)
    return sorted((at, right) for at, right in rights if right is not None)


def concordance(ranks: Sequence[int], predicted: Mapping[int, Sequence[float]], query: int) -> float | None:
    """Of the pairs of clips that an answer tells apart, the share that r-hat has in the same order; its ties count half.

    None where nothing was predicted of the question, or the answer does not prefer a clip. Ranks: lower is better.
    """
    returns = predicted.get(query, ())
    if len(returns) != len(ranks):
        return None
    pairs = [(i, j) if ranks[i] < ranks[j] else (j, i) for i, j in combinations(range(len(ranks)), 2) if ranks[i] != ranks[j]]
    right = [0.5 if returns[i] == returns[j] else float(returns[i] > returns[j]) for i, j in pairs]
    return sum(right) / len(right) if right else None


def share_of(right: Sequence[float]) -> Foresight | None:
    """The mean of shares, and its interval; None where there are none."""
    if not right:
        return None
    share = sum(right) / len(right)
    return Foresight(share, *wilson(share, len(right)), len(right))
