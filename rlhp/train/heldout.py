"""Selects the comparisons that a reward model is measured on, and computes an interval for its accuracy."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rlhp.intervals import wilson
from rlhp.types import EMPTY, Array, Comparisons, UserError, make_rng

MAX_GROUP = 0.5  # largest fraction of all comparisons that one group may have to be kept on one side


@dataclass(frozen=True, slots=True)
class Split:
    """The rows of comparisons that are fitted, and those that are held out; both ascending."""

    fitted: Array
    heldout: Array
    disjoint: bool  # whether no segment is on both sides for certain


def split(comparisons: Comparisons, share: float, seed: int) -> Split:
    """Hold out about this fraction of n comparisons at random, keeping comparisons that share a segment together.

    If most of them are connected, only comparisons of the same query are kept together. Raises UserError for a share outside of
    [0, 1), and if one side would be empty.
    """
    if not 0 <= share < 1:
        raise UserError(f"heldout={share} is a fraction of the comparisons; set it to at least 0 and below 1.")
    n = len(comparisons)
    units = clustered(comparisons)
    disjoint = bool((units == linked(comparisons.shown)).all())
    size = np.bincount(units)
    order = make_rng(seed, "heldout").permutation(len(size))
    chosen = order[np.cumsum(size[order]) <= round(share * n)]
    out = np.isin(units, chosen)
    if share > 0 and not 0 < int(out.sum()) < n:
        raise UserError(f"{n} comparisons are too few to hold out heldout={share} of them; set heldout=0 to fit all.")
    return Split(np.flatnonzero(~out), np.flatnonzero(out), disjoint)


def clustered(comparisons: Comparisons) -> Array:
    """The cluster of each comparison, [n]: `linked`, or those of one query if more than half would be in one cluster."""
    groups = linked(comparisons.shown)
    if np.bincount(groups, minlength=1).max() <= MAX_GROUP * len(groups):
        return groups
    return np.unique(comparisons.query, return_inverse=True)[1]


def linked(shown: Array) -> Array:
    """The group of each comparison, [n] from 0: comparisons that share a clip, directly or through others, are in one group."""
    parent: dict[int, int] = {}

    def root(clip: int) -> int:
        while (above := parent.setdefault(clip, clip)) != clip:
            parent[clip] = clip = parent[above]
        return clip

    for row in shown.tolist():
        first, *others = (clip for clip in row if clip != EMPTY)
        for clip in others:
            parent[root(clip)] = root(first)
    number: dict[int, int] = {}
    return np.array([number.setdefault(root(row[0]), len(number)) for row in shown.tolist()], np.int64)


@dataclass(frozen=True, slots=True)
class Interval:
    """A proportion, and its 95 % interval; NaN if n is 0."""

    share: float
    low: float
    high: float
    method: str


def interval(right: Array, clusters: Mapping[str, Sequence[Hashable]]) -> Interval:
    """The mean of `right` [n], each from 0 to 1, and Wilson's interval for it.

    Comparisons in one cluster carry less information than independent ones. `clusters` names kinds of clusters, such as an
    annotator, with the cluster of each comparison. The interval uses the effective sample size (Kish 1965, section 8.2), n over
    the design effect, of the kind for which it is smallest. Kinds whose clusters have one comparison each are ignored.
    """
    n = len(right)
    if n == 0:
        return Interval(float("nan"), float("nan"), float("nan"), "nothing to measure on")
    share = float(np.mean(right))
    sizes = {kind: effective(right, of) for kind, of in clusters.items() if len({*of}) < n}
    kind = min(sizes, key=lambda name: sizes[name], default="")
    low, high = wilson(share, min(float(n), sizes.get(kind, float(n))))
    return Interval(share, low, high, f"95 % Wilson, clustered by {kind}" if kind else "95 % Wilson")


def effective(right: Array, clusters: Sequence[Hashable]) -> float:
    """The effective sample size of `right` [n] for its mean, given the cluster of each."""
    index = {name: i for i, name in enumerate(dict.fromkeys(clusters))}
    of, n, share = np.array([index[name] for name in clusters]), len(right), float(np.mean(right))
    m = len(index)
    sums = np.bincount(of, right - share, m)
    variance = m / (m - 1) * float(np.sum(sums**2)) / n**2 if m > 1 else float("inf")
    return m if variance == 0 else max(share * (1 - share) / variance, 1.0)
