"""Rank correlation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rlhp.inspect.estimate import DRAWS, Estimate, absent
from rlhp.types import Array

FEW = 4  # minimum number of policies for a rank correlation


def kendall(x: Array, y: Array) -> float:
    """Return Kendall's tau-b of x and y [n] (Kendall 1945): 1 for the same order, -1 for the opposite; NaN if one is all ties."""
    first, second = (np.sign(v[:, np.newaxis] - v)[np.triu_indices(len(v), 1)] for v in (x, y))
    pairs = np.sqrt(float((first**2).sum()) * float((second**2).sum()))
    return float(first @ second) / pairs if pairs > 0 else float("nan")


def order(predicted: Sequence[Array], true: Sequence[Array], seed: int = 0) -> Estimate:
    """Return Kendall's tau of policies' mean predicted and true rewards, from rewards of clips [n_i] per policy.

    The interval is a bootstrap over clips.
    """
    if len(predicted) < FEW:
        return absent(f"too few policies to rank: {len(predicted)}; at least {FEW} are needed", len(predicted))
    rng = np.random.default_rng(seed)
    drawn = [_drawn(predicted, true, rng) for _ in range(DRAWS)]
    value = kendall(*(np.array([v.mean() for v in side]) for side in (predicted, true)))
    if not np.isfinite(value):
        return absent("all policies have the same reward", len(predicted))
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Estimate(value, float(low), float(high), len(predicted))


def _drawn(predicted: Sequence[Array], true: Sequence[Array], rng: np.random.Generator) -> float:
    rows = [rng.integers(len(clips), size=len(clips)) for clips in predicted]
    return kendall(*(np.array([v[r].mean() for v, r in zip(side, rows, strict=True)]) for side in (predicted, true)))


def parts(n: int, most: int, least: int) -> list[slice]:
    """Split 0 to n - 1 into up to `most` consecutive, nearly equal parts of at least `least` each; none for fewer."""
    edges = np.linspace(0, n, min(most, n // least) + 1).round().astype(int) if n >= least else []
    return [slice(a, b) for a, b in pairwise(list(edges))]
