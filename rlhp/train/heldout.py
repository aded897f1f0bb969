"""Which comparisons a reward model is measured on, and how well the share that it gets right is known."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rlhp.intervals import wilson
from rlhp.types import EMPTY, Array, Comparisons, UserError, make_rng

HALF = 0.5  # a group of comparisons with more than this share of all cannot be put on one side


@dataclass(frozen=True, slots=True)
class Split:
    """The rows of comparisons that are fitted, and those that are held out; each ascending."""

    fitted: Array
    heldout: Array
    apart: bool  # whether it is certain that no segment is on both sides


def split(comparisons: Comparisons, share: float, seed: int) -> Split:
    """Hold out about this share of n comparisons, at random: those that share a segment stay together.

    Where most of them hang together, only those of the same question do. Raises UserError for a share outside of
    [0, 1), and where nothing would be left on a side.
    """
    if not 0 <= share < 1:
        raise UserError(f"heldout={share} is a share of the comparisons; set it to at least 0, below 1.")
    n = len(comparisons)
    units = clustered(comparisons)
    apart = bool((units == linked(comparisons.shown)).all())
    size = np.bincount(units)
    order = make_rng(seed, "heldout").permutation(len(size))
    chosen = order[np.cumsum(size[order]) <= round(share * n)]
    out = np.isin(units, chosen)
    if share > 0 and not 0 < int(out.sum()) < n:
        raise UserError(f"{n} comparisons are too few to hold out heldout={share} of them; set heldout=0 to learn from all.")
    return Split(np.flatnonzero(~out), np.flatnonzero(out), apart)


def clustered(comparisons: Comparisons) -> Array:
    """Which cluster each comparison is in, [n]: `linked`, or, where more than half would be in one, those of one question."""
    groups = linked(comparisons.shown)
    if np.bincount(groups, minlength=1).max() <= HALF * len(groups):
        return groups
    return np.unique(comparisons.query, return_inverse=True)[1]


def linked(shown: Array) -> Array:
    """Which group each comparison is in, [n] counted from 0: those that share a clip, directly or through others, are in one."""
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
    """A share of n, and its 95 % interval; NaN where n is 0."""

    share: float
    low: float
    high: float
    method: str


def interval(right: Array, clusters: Mapping[str, Sequence[Hashable]]) -> Interval:
    """The mean of `right` [n], each from 0 to 1, and Wilson's interval for it.

    Comparisons of one cluster tell less than as many of several: `clusters` names what they may have in common, such as an
    annotator, with the cluster of each. The interval is that of the effective sample size (Kish 1965, section 8.2), n over the
    design effect, of whichever kind of cluster makes it smallest. A kind that puts each in a cluster of its own is left out.
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
    """How many independent ones are worth as much as `right` [n], whose clusters are these, in telling their mean."""
    index = {name: i for i, name in enumerate(dict.fromkeys(clusters))}
    of, n, share = np.array([index[name] for name in clusters]), len(right), float(np.mean(right))
    m = len(index)
    sums = np.bincount(of, right - share, m)
    variance = m / (m - 1) * float(np.sum(sums**2)) / n**2 if m > 1 else float("inf")
    return m if variance == 0 else max(share * (1 - share) / variance, 1.0)
