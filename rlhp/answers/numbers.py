"""What answers tell of those who gave them: how many, how fast, how much in agreement. NaN where too little is known.

'Cannot tell' is no judgement, so it is counted and then left out; 'equal' is a judgement beside 'the first' and 'the second'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rlhp.answers.kappa import cohen, fleiss
from rlhp.feedback import GOOD_BAD
from rlhp.store import Label, Source

FEW = 5  # of anything: of fewer no share, time or kappa is told
NAN = float("nan")
FIRST, SECOND, EQUAL, GOOD, BAD = range(5)  # judgements, in the order of the question
JUDGEMENTS = 5
CLOSE = 0.1  # ratings that differ by less say the same


@dataclass(frozen=True, slots=True)
class Person:
    """One annotator's answers; sides are as they were shown. Repeats are not among the answers."""

    annotator: str
    source: Source
    answers: int
    left: int
    right: int
    equal: int
    unsure: int
    rankings: int  # of three clips or more
    ratings: int  # good and bad among them
    left_share: float  # of left and right; a program sees no sides
    repeats: int
    consistent: float  # share of repeats, sides swapped, that say the same as before
    median: float  # seconds from when a pair is shown to its answer
    p90: float
    true: float  # share of pairs put in the order of their true returns, where neither these nor the ranks are tied


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far several people agree on the questions that each of `each` people judged."""

    who: tuple[str, ...]
    each: int
    questions: int
    same: float  # share of pairs of judgements that are the same
    kappa: float  # Cohen's for two people, Fleiss' for more


def judgement(label: Label) -> int | None:
    """FIRST, SECOND or EQUAL of two clips, however graded; GOOD or BAD; None for 'cannot tell', rankings and ratings."""
    if label.kind == GOOD_BAD.name and label.rating is not None:
        return GOOD if label.rating == 1 else BAD
    if label.ranks is None or len(label.clips) != 2:
        return None
    first, second = label.ranks
    return EQUAL if first == second else FIRST if first < second else SECOND


def people(given: Sequence[Label], returns: Mapping[str, float]) -> list[Person]:
    """A row for each annotator, by name; `returns`: the true return of every clip, by digest."""
    by: dict[tuple[str, Source], list[Label]] = {}
    for label in given:
        by.setdefault((label.annotator, label.source), []).append(label)
    return [_person(*who, by[who], returns) for who in sorted(by)]


def _person(who: str, source: Source, given: list[Label], returns: Mapping[str, float]) -> Person:
    once = [label for label in given if label.round == 0]
    judged = [(judgement(label), label.swapped) for label in once]
    left = sum(said == (SECOND if swapped else FIRST) for said, swapped in judged)
    right = sum(said == (FIRST if swapped else SECOND) for said, swapped in judged)
    times = np.array([label.answered_at - label.shown_at for label in given if label.shown_at is not None])
    return Person(
        annotator=who,
        source=source,
        answers=len(once),
        left=left,
        right=right,
        equal=sum(said == EQUAL for said, _ in judged),
        unsure=sum(label.answer().unsure for label in once),
        rankings=sum(label.ranks is not None and len(label.clips) > 2 for label in once),
        ratings=sum(label.rating is not None for label in once),
        left_share=_share(left, left + right) if source is Source.HUMAN else NAN,
        repeats=len(given) - len(once),
        consistent=_consistent(given),
        median=float(np.median(times)) if len(times) >= FEW else NAN,
        p90=float(np.percentile(times, 90)) if len(times) >= FEW else NAN,
        true=_true(once, returns),
    )


def _share(part: float, whole: int) -> float:
    return part / whole if whole >= FEW else NAN


def _consistent(given: Sequence[Label]) -> float:
    """Share of repeats that say the same: of rankings the mean share of pairs, of ratings those that are close."""
    before = {label.query: label for label in given if label.round == 0}
    pairs = [(before[label.query], label) for label in given if label.round > 0 and label.query in before]
    same = [_same(then, now) for then, now in pairs if not then.answer().unsure and not now.answer().unsure]
    return _share(sum(same), len(same))


def _same(then: Label, now: Label) -> float:
    if then.rating is not None and now.rating is not None and then.kind != GOOD_BAD.name:
        return float(abs(then.rating - now.rating) < CLOSE)
    if len(then.clips) > 2:
        return float(np.mean([one == other for one, other in zip(then.answer().pairs(), now.answer().pairs(), strict=True)]))
    return float(judgement(then) == judgement(now))


def _true(once: Sequence[Label], returns: Mapping[str, float]) -> float:
    right = [
        (returns[label.clips[i]] > returns[label.clips[j]]) == (mu == 1.0)
        for label in once
        for i, j, mu in label.answer().pairs()
        if mu != 0.5 and abs(returns[label.clips[i]] - returns[label.clips[j]]) > 0  # NaN where none is known
    ]
    return _share(sum(right), len(right))


def agreements(given: Sequence[Label]) -> list[Agreement]:
    """Each two people who judged some of the same questions, and all together where they are more than two."""
    judged: dict[str, dict[int, int]] = {}
    for label in given:
        said = judgement(label)
        if label.source is Source.HUMAN and label.round == 0 and said is not None:
            judged.setdefault(label.annotator, {})[label.query] = said
    pairs = [_two(one, other, judged[one], judged[other]) for one, other in combinations(sorted(judged), 2)]
    return [found for found in pairs if found.questions] + (_all(judged) if len(judged) > 2 else [])


def _two(one: str, other: str, says: Mapping[int, int], replies: Mapping[int, int]) -> Agreement:
    table = np.zeros((JUDGEMENTS, JUDGEMENTS), int)
    for query in says.keys() & replies.keys():
        table[says[query], replies[query]] += 1
    questions = int(table.sum())
    enough = questions >= FEW
    return Agreement((one, other), 2, questions, _share(int(np.trace(table)), questions), cohen(table) if enough else NAN)


def _all(judged: Mapping[str, Mapping[int, int]]) -> list[Agreement]:
    """Fleiss' kappa wants as many judgements of each question, by whomever: the most frequent number of two or more is taken."""
    counts: dict[int, np.ndarray] = {}
    for said in judged.values():
        for query, judgement in said.items():
            counts.setdefault(query, np.zeros(JUDGEMENTS, int))[judgement] += 1
    sizes = Counter(int(row.sum()) for row in counts.values() if row.sum() > 1)
    if not sizes:
        return []
    each = max(sizes, key=lambda size: (sizes[size], size))
    table = np.stack([row for row in counts.values() if row.sum() == each])
    same = float(((table**2).sum(1) - each).sum() / (len(table) * each * (each - 1)))
    enough = len(table) >= FEW
    return [Agreement(tuple(sorted(judged)), each, len(table), same if enough else NAN, fleiss(table) if enough else NAN)]
