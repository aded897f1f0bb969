"""Statistics on annotators: counts, times, consistency and agreement. NaN if there are too few answers.

'Cannot tell' is counted but not treated as a judgement; 'equal' is a judgement like 'the first' and 'the second'.
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

FEW = 5  # minimum number of observations for a share, time or kappa
NAN = float("nan")
FIRST, SECOND, EQUAL, GOOD, BAD = range(5)  # judgements, relative to the order of clips in the question
JUDGEMENTS = 5
CLOSE = 0.1  # ratings that differ by less count as the same


@dataclass(frozen=True, slots=True)
class Person:
    """Statistics of one annotator. Sides are as shown. Repeats do not count as answers."""

    annotator: str
    source: Source
    answers: int
    left: int
    right: int
    equal: int
    unsure: int
    rankings: int  # of three clips or more
    ratings: int  # including good and bad
    left_share: float  # left / (left + right); NaN for programs, which see no sides
    repeats: int
    consistent: float  # share of repeats, with sides swapped, that have the same answer as before
    median: float  # seconds from showing a question to its answer
    p90: float
    true: float  # share of pairs ranked in the order of their true returns, without ties in either


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of several annotators on questions that `each` of them judged."""

    who: tuple[str, ...]
    each: int
    questions: int
    same: float  # share of pairs of judgements that are equal
    kappa: float  # Cohen's for two people, Fleiss' for more


def judgement(label: Label) -> int | None:
    """Return FIRST, SECOND or EQUAL for two clips, graded or not; GOOD or BAD; None for 'cannot tell', rankings and ratings."""
    if label.kind == GOOD_BAD.name and label.rating is not None:
        return GOOD if label.rating == 1 else BAD
    if label.ranks is None or len(label.clips) != 2:
        return None
    first, second = label.ranks
    return EQUAL if first == second else FIRST if first < second else SECOND


def people(given: Sequence[Label], returns: Mapping[str, float]) -> list[Person]:
    """Return statistics per annotator, sorted by name. `returns`: true returns of all clips, keyed by digest."""
    by: dict[tuple[str, Source], list[Label]] = {}
    for label in given:
        by.setdefault((label.annotator, label.source), []).append(label)
    return [_person(*who, by[who], returns) for who in sorted(by)]


def _person(who: str, source: Source, given: list[Label], returns: Mapping[str, float]) -> Person:
    once = [label for label in given if label.round == 0]
    judged = [(judgement(label), label.swapped) for label in once]
    left = sum(choice == (SECOND if swapped else FIRST) for choice, swapped in judged)
    right = sum(choice == (FIRST if swapped else SECOND) for choice, swapped in judged)
    times = np.array([label.answered_at - label.shown_at for label in given if label.shown_at is not None])
    return Person(
        annotator=who,
        source=source,
        answers=len(once),
        left=left,
        right=right,
        equal=sum(choice == EQUAL for choice, _ in judged),
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
    """Return the share of repeats with the same answer: of rankings, the mean share of pairs; of ratings, those within CLOSE."""
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
        if mu != 0.5 and abs(returns[label.clips[i]] - returns[label.clips[j]]) > 0  # false for NaN, an unknown return
    ]
    return _share(sum(right), len(right))


def agreements(given: Sequence[Label]) -> list[Agreement]:
    """Return the agreement of each two annotators with common questions, and of all annotators if there are more than two."""
    judged: dict[str, dict[int, int]] = {}
    for label in given:
        choice = judgement(label)
        if label.source is Source.HUMAN and label.round == 0 and choice is not None:
            judged.setdefault(label.annotator, {})[label.query] = choice
    pairs = [_two(one, other, judged[one], judged[other]) for one, other in combinations(sorted(judged), 2)]
    return [found for found in pairs if found.questions] + (_all(judged) if len(judged) > 2 else [])


def _two(one: str, other: str, first: Mapping[int, int], second: Mapping[int, int]) -> Agreement:
    table = np.zeros((JUDGEMENTS, JUDGEMENTS), int)
    for query in first.keys() & second.keys():
        table[first[query], second[query]] += 1
    questions = int(table.sum())
    enough = questions >= FEW
    return Agreement((one, other), 2, questions, _share(int(np.trace(table)), questions), cohen(table) if enough else NAN)


def _all(judged: Mapping[str, Mapping[int, int]]) -> list[Agreement]:
    """Return the agreement of all annotators.

    Fleiss' kappa needs the same number of judgements per question, from any annotators. Questions with the most frequent number
    of judgements (at least two) are used.
    """
    counts: dict[int, np.ndarray] = {}
    for choices in judged.values():
        for query, judgement in choices.items():
            counts.setdefault(query, np.zeros(JUDGEMENTS, int))[judgement] += 1
    sizes = Counter(int(row.sum()) for row in counts.values() if row.sum() > 1)
    if not sizes:
        return []
    each = max(sizes, key=lambda size: (sizes[size], size))
    table = np.stack([row for row in counts.values() if row.sum() == each])
    same = float(((table**2).sum(1) - each).sum() / (len(table) * each * (each - 1)))
    enough = len(table) >= FEW
    return [Agreement(tuple(sorted(judged)), each, len(table), same if enough else NAN, fleiss(table) if enough else NAN)]
