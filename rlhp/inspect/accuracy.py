"""Accuracy and calibration of r-hat on held-out answers.

Each answer is predicted by the ensemble members that were not fitted to it. The bootstrap leaves out about a third of the
answers for each member; these are its out-of-bag predictions (Breiman 1996).
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

FEW_ANNOTATORS = 5  # minimum number of annotators for clustering by annotator
FEWEST_NEW = 20  # minimum number of answers about unseen clips for an accuracy
LEAST = 5  # minimum number of answers in a group
EDGES = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])  # bins of the preference model's confidence


@dataclass(frozen=True, slots=True)
class Judged:
    """r-hat's predictions for n answers."""

    answers: Answers  # [n]
    held_out: Array  # [n] bool: at least one member was not fitted to the answer
    right: Array  # [n] 1 if the members that were not fitted to the answer predict it, else 0; NaN if all were fitted to it
    sure: Array  # [n] these members' mean probability of the given answer; NaN if all were fitted to it
    right_learned: Array  # [n] like `right`, for the members fitted to the answer; NaN if there are none
    right_new: Array  # [n] like `right`, for the members that have not seen its clips in other answers either; NaN if none

    def heldout(self) -> Judged:
        """Return the answers that at least one member was not fitted to."""
        rows = np.flatnonzero(self.held_out)
        picked = (getattr(self, name)[rows] for name in ("held_out", "right", "sure", "right_learned", "right_new"))
        return Judged(self.answers[rows], *picked)


def judged(answers: Answers, raw: Array, scaled: Array, unseen: Array) -> Judged:
    """Predict answers from the clips' returns: members' raw and scaled rewards [M, C, L]; `unseen` [M, n] by each member."""
    sums, returns = raw.sum(axis=2), scaled.sum(axis=2)
    probability = win_probability(sums[:, answers.better], sums[:, answers.worse])
    lead = returns[:, answers.better] - returns[:, answers.worse]
    held_out = _mean(lead, unseen)
    learned, new = _mean(lead, ~unseen), _mean(lead, unseen_clips(answers, unseen))
    sure = _mean(probability, unseen)
    return Judged(answers, np.asarray(unseen.any(axis=0)), _right(held_out), sure, _right(learned), _right(new))


def _mean(values: Array, chosen: Array) -> Array:
    """Return the mean over the chosen members, [M, n] -> [n]; NaN where there is none."""
    count = chosen.sum(axis=0)
    return np.where(count > 0, (values * chosen).sum(axis=0) / np.maximum(count, 1), np.nan)


def _right(lead: Array) -> Array:
    return np.where(np.isfinite(lead), (lead > 0).astype(float), np.nan)


def accuracy(judgements: Judged) -> Estimate:
    """Return the accuracy on held-out answers, with a Wilson interval based on the effective number of answers."""
    held = judgements.heldout()
    if not len(held.answers):
        return absent("every member was fitted to every answer, so no answers are held out")
    return _share(held.right, held.answers)


def learned_accuracy(judgements: Judged) -> Estimate:
    """Return the accuracy on answers that members were fitted to."""
    rows = np.flatnonzero(np.isfinite(judgements.right_learned))
    return (
        _share(judgements.right_learned[rows], judgements.answers[rows])
        if len(rows)
        else absent("r-hat was fitted to none of these answers")
    )


def new_accuracy(judgements: Judged) -> Estimate:
    """Return the accuracy of members that have seen neither the answer nor its clips in other answers."""
    rows = np.flatnonzero(np.isfinite(judgements.right_new))
    if len(rows) < FEWEST_NEW:
        return absent(f"only {len(rows)} answers are about clips that a member has never seen", len(rows))
    return _share(judgements.right_new[rows], judgements.answers[rows])


def gap(judgements: Judged) -> Estimate:
    """Return the accuracy on answers r-hat was fitted to minus that on held-out ones: a measure of overfitting.

    Held-out answers are restricted to clips that a member has never seen if there are enough, since r-hat may overfit clips too.
    """
    new = judgements.right_new if np.isfinite(judgements.right_new).sum() >= FEWEST_NEW else judgements.right

    def difference(rows: Array) -> float:
        learned, held_out = judgements.right_learned[rows], new[rows]
        a, b = np.isfinite(learned), np.isfinite(held_out)
        return float(learned[a].mean() - held_out[b].mean()) if a.any() and b.any() else float("nan")

    missing = "no answers are used by some members and held out from others"
    return bootstrap(difference, len(new), judgements.answers.question, missing=missing)


def _share(right: Array, answers: Answers) -> Estimate:
    clusters: dict[str, Sequence[Hashable]] = {"segment": linked(np.stack([answers.better, answers.worse], axis=1)).tolist()}
    if np.bincount(np.array(clusters["segment"])).max() > len(right) / 2:  # clusters this large are not informative
        clusters = {"question": answers.question.tolist()}
    if len({*answers.annotator}) >= FEW_ANNOTATORS:
        clusters["annotator"] = answers.annotator
    found = interval(right, clusters)
    return Estimate(found.share, found.low, found.high, len(right))


@dataclass(frozen=True, slots=True)
class Group:
    """A group of answers with a common property."""

    name: str
    predicted: float  # mean probability of the given answers, or mean confidence of r-hat
    accuracy: Estimate


def reliability(judgements: Judged) -> list[Group]:
    """Return accuracy by r-hat's confidence, the larger of the two probabilities (reliability diagram)."""
    held = judgements.heldout()
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


def calibration_error(judgements: Judged) -> Estimate:
    """Return r-hat's mean confidence minus its accuracy over all held-out answers; negative means underconfident."""
    held = judgements.heldout()
    sure, right = np.maximum(held.sure, 1 - held.sure), held.sure > 0.5
    return bootstrap(lambda rows: float(sure[rows].mean() - right[rows].mean()), len(sure), held.answers.question)


def by_time(judgements: Judged, most: int = 4) -> list[Group]:
    """Return accuracy by the step at which the question was asked; empty if steps are unknown."""
    held = judgements.heldout()
    step = held.answers.step
    if not np.isfinite(step).all() or len(step) < 2 * LEAST:
        return []
    edges = np.unique(np.quantile(step, np.linspace(0, 1, most + 1)))
    place = np.clip(np.searchsorted(edges, step, side="right") - 1, 0, max(len(edges) - 2, 0))
    names = [f"{a:,.0f}–{b:,.0f}" for a, b in pairwise(edges.tolist())] or [f"{edges[0]:,.0f}"]
    return _grouped(held, place, names)


def by_annotator(judgements: Judged, most: int = 20) -> list[Group]:
    """Return accuracy by annotator."""
    held = judgements.heldout()
    names = sorted({*held.answers.annotator})
    place = np.array([names.index(who) for who in held.answers.annotator], int)
    return _grouped(held, place, names)[:most]


def by_margin(judgements: Judged, returns: Array, most: int = 4) -> list[Group]:
    """Return accuracy by the difference in true return [C] between the two clips, in equally large groups."""
    held = judgements.heldout()
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
