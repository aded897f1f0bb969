"""How often r-hat is right about answers that it has not learned from, and whether it is as sure as it should be.

Each answer is judged by those members of the ensemble that have not learned from it (the bootstrap leaves out a third of the
answers for each of them: their out-of-bag predictions, Breiman 1996).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rlhp.inspect.answers import Answers, unseen_clips
from rlhp.inspect.estimate import Estimate, absent, bootstrap, percent
from rlhp.preference import win_probability
from rlhp.train.heldout import interval, linked
from rlhp.types import Array

FEW_ANNOTATORS = 5  # of fewer nothing is known of how they differ
FEWEST_NEW = 20  # answers about clips that a member has never seen, from which their share is told
LEAST = 5  # answers in a group that is told of
EDGES = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])  # of how sure the preference model is


@dataclass(frozen=True, slots=True)
class Judged:
    """What r-hat says of n answers."""

    answers: Answers  # [n]
    held_out: Array  # [n] bool: some member has not learned from it
    right: Array  # [n] 1 where the members that have not learned from it order it as it was answered, else 0; NaN: all have
    sure: Array  # [n] their mean probability that the answer is what was said; NaN: all have learned from it
    right_learned: Array  # [n] as `right`, of the members that have learned from it; NaN: none has
    right_new: Array  # [n] as `right`, of the members that have not seen its clips in other answers either; NaN: all have

    def heldout(self) -> Judged:
        """Those that some member has not learned from."""
        rows = np.flatnonzero(self.held_out)
        picked = (getattr(self, name)[rows] for name in ("held_out", "right", "sure", "right_learned", "right_new"))
        return Judged(self.answers[rows], *picked)


def judged(answers: Answers, raw: Array, scaled: Array, unseen: Array) -> Judged:
    """Judge answers by the clips' sums: raw and scaled rewards [M, C, L] of the members, `unseen` [M, n] by each."""
    sums, returns = raw.sum(axis=2), scaled.sum(axis=2)
    probability = win_probability(sums[:, answers.better], sums[:, answers.worse])
    lead = returns[:, answers.better] - returns[:, answers.worse]
    fresh = _mean(lead, unseen)
    known, new = _mean(lead, ~unseen), _mean(lead, unseen_clips(answers, unseen))
    sure = _mean(probability, unseen)
    return Judged(answers, np.asarray(unseen.any(axis=0)), _right(fresh), sure, _right(known), _right(new))


def _mean(values: Array, chosen: Array) -> Array:
    """The mean over the chosen members, [M, n] -> [n]; NaN where there is none."""
    count = chosen.sum(axis=0)
    return np.where(count > 0, (values * chosen).sum(axis=0) / np.maximum(count, 1), np.nan)


def _right(lead: Array) -> Array:
    return np.where(np.isfinite(lead), (lead > 0).astype(float), np.nan)


def accuracy(of: Judged) -> Estimate:
    """The share of held-out answers that r-hat gets right, with a Wilson interval by the effective number of answers."""
    held = of.heldout()
    if not len(held.answers):
        return absent("every member has learned from every answer, so none is held out")
    return _share(held.right, held.answers)


def learned_accuracy(of: Judged) -> Estimate:
    """The same of the members that have learned from an answer."""
    rows = np.flatnonzero(np.isfinite(of.right_learned))
    return _share(of.right_learned[rows], of.answers[rows]) if len(rows) else absent("r-hat has learned from no answer here")


def new_accuracy(of: Judged) -> Estimate:
    """The share of answers that those members get right who have seen neither the answer nor, in another one, its clips."""
    rows = np.flatnonzero(np.isfinite(of.right_new))
    if len(rows) < FEWEST_NEW:
        return absent(f"{len(rows)} answers about clips that a member has never seen are too few", len(rows))
    return _share(of.right_new[rows], of.answers[rows])


def gap(of: Judged) -> Estimate:
    """By how much r-hat is better on answers that it has learned from than on those that it has not: over-fitting.

    Of the latter, those about clips that a member has never seen, where there are enough: clips are learned by heart too.
    """
    new = of.right_new if np.isfinite(of.right_new).sum() >= FEWEST_NEW else of.right

    def lead(rows: Array) -> float:
        learned, left = of.right_learned[rows], new[rows]
        known, fresh = np.isfinite(learned), np.isfinite(left)
        return float(learned[known].mean() - left[fresh].mean()) if known.any() and fresh.any() else float("nan")

    missing = "no answers are both learned from by some members and held out by others"
    return bootstrap(lead, len(new), of.answers.question, missing=missing)


def _share(right: Array, answers: Answers) -> Estimate:
    clusters: dict[str, Sequence[Hashable]] = {"segment": linked(np.stack([answers.better, answers.worse], axis=1)).tolist()}
    if np.bincount(np.array(clusters["segment"])).max() > len(right) / 2:  # then clips say nothing of what hangs together
        clusters = {"question": answers.question.tolist()}
    if len({*answers.annotator}) >= FEW_ANNOTATORS:
        clusters["annotator"] = answers.annotator
    found = interval(right, clusters)
    return Estimate(found.share, found.low, found.high, len(right))


@dataclass(frozen=True, slots=True)
class Group:
    """Some answers that have something in common."""

    name: str
    predicted: float  # the mean probability of what was said, or how sure r-hat is
    accuracy: Estimate


def reliability(of: Judged) -> list[Group]:
    """How often r-hat is right where it is so sure: answers by the larger of the two probabilities (reliability diagram)."""
    held = of.heldout()
    sure = np.maximum(held.sure, 1 - held.sure)
    right = (held.sure > 0.5).astype(float)
    place = np.clip(np.searchsorted(EDGES, sure, side="right") - 1, 0, len(EDGES) - 2)
    groups = []
    for k in range(len(EDGES) - 1):
        rows = np.flatnonzero(place == k)
        if len(rows) >= LEAST:
            name = f"{100 * EDGES[k]:.0f}–{percent(EDGES[k + 1])}"
            groups.append(Group(name, float(sure[rows].mean()), _share(right[rows], held.answers[rows])))
    return groups


def calibration_error(of: Judged) -> Estimate:
    """By how much r-hat's sureness is above its accuracy, over all held-out answers; negative: it is too unsure."""
    held = of.heldout()
    sure, right = np.maximum(held.sure, 1 - held.sure), held.sure > 0.5
    return bootstrap(lambda rows: float(sure[rows].mean() - right[rows].mean()), len(sure), held.answers.question)


def by_time(of: Judged, most: int = 4) -> list[Group]:
    """Accuracy of parts of the run, by when the question was asked; none where that is not known."""
    held = of.heldout()
    step = held.answers.step
    if not np.isfinite(step).all() or len(step) < 2 * LEAST:
        return []
    edges = np.unique(np.quantile(step, np.linspace(0, 1, most + 1)))
    place = np.clip(np.searchsorted(edges, step, side="right") - 1, 0, max(len(edges) - 2, 0))
    names = [f"{a:,.0f}–{b:,.0f}" for a, b in pairwise(edges.tolist())] or [f"{edges[0]:,.0f}"]
    return _grouped(held, place, names)


def by_annotator(of: Judged, most: int = 20) -> list[Group]:
    """Accuracy by who answered."""
    held = of.heldout()
    names = sorted({*held.answers.annotator})
    place = np.array([names.index(who) for who in held.answers.annotator], int)
    return _grouped(held, place, names)[:most]


def by_margin(of: Judged, returns: Array, most: int = 4) -> list[Group]:
    """Accuracy by how far apart the true returns [C] of the two clips are, in equal parts."""
    held = of.heldout()
    apart = np.abs(returns[held.answers.better] - returns[held.answers.worse])
    if len(apart) < 2 * LEAST or not np.isfinite(apart).all():
        return []
    edges = np.unique(np.quantile(apart, np.linspace(0, 1, most + 1)))
    place = np.clip(np.searchsorted(edges, apart, side="right") - 1, 0, max(len(edges) - 2, 0))
    names = [f"{a:.3g}–{b:.3g}" for a, b in pairwise(edges.tolist())] or [f"{edges[0]:.3g}"]
    return _grouped(held, place, names)


def _grouped(held: Judged, place: Array, names: Sequence[str]) -> list[Group]:
    groups = []
    for k, name in enumerate(names):
        rows = np.flatnonzero(place == k)
        if len(rows) >= LEAST:
            groups.append(Group(name, float(held.sure[rows].mean()), _share(held.right[rows], held.answers[rows])))
    return groups
