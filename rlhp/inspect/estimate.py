"""Estimates with confidence intervals, or the reason why they are missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from rlhp.types import Array

DRAWS = 1000  # bootstrap samples
LEAST = 8  # minimum number of independent observations for an estimate


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval, from `n` observations. NaN if unknown; `missing` says why."""

    value: float
    low: float
    high: float
    n: int
    missing: str = ""

    @property
    def known(self) -> bool:
        """Whether the number and its interval are finite."""
        return isfinite(self.value) and isfinite(self.low) and isfinite(self.high)

    def text(self, form: str = ".2f", scale: float = 1.0, unit: str = "") -> str:
        """Format as `0.83 (0.75 to 0.89)`, or return why it is missing."""
        if not self.known:
            return self.missing or "not known"
        value, low, high = (_unsigned(format(scale * number, form)) for number in (self.value, self.low, self.high))
        return f"{value}{unit} ({low} to {high}{unit})"


def _unsigned(text: str) -> str:
    """Remove the minus sign of a number that is rounded to 0."""
    return text.lstrip("-") if not text.strip("-0.") else text


def percent(share: float) -> str:
    """Format a share as `87 %`."""
    return f"{_unsigned(format(100 * share, '.0f'))} %"


def absent(why: str, n: int = 0) -> Estimate:
    """Return a missing estimate with a reason."""
    return Estimate(nan, nan, nan, n, why)


def bootstrap(
    statistic: Callable[[Array], float],
    n: int,
    groups: Sequence[int] | Array | None = None,
    seed: int = 0,
    missing: str = "it is undefined: the values do not vary",
) -> Estimate:
    """Return `statistic` of the rows 0 to n - 1 with its 95 % percentile-bootstrap interval.

    `statistic` takes row numbers, with repetitions, and may return NaN. Rows in the same group (`groups` [n]) are sampled
    together. The estimate is missing for fewer than LEAST groups, or if most values are undefined.
    """
    members = _members(np.arange(n) if groups is None else np.asarray(groups))
    if len(members) < LEAST:
        return absent(f"{len(members)} independent observations are too few; at least {LEAST} are needed", n)
    value, rng = statistic(np.arange(n)), np.random.default_rng(seed)
    drawn = (rng.integers(len(members), size=len(members)) for _ in range(DRAWS))
    values = np.array([statistic(np.concatenate([members[i] for i in chosen])) for chosen in drawn])
    if not isfinite(value) or np.isfinite(values).mean() < 0.5:
        return absent(missing, n)
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return Estimate(float(value), float(low), float(high), n)


def _members(groups: Array) -> list[Array]:
    """Return the rows of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(groups) else []


def correlated(x: Array, y: Array) -> float:
    """Return Pearson's correlation of x and y [n]; NaN if one of them is constant."""
    if len(x) < 2:
        return nan
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 1e-12 * max(1.0, float(np.abs(x).max() * np.abs(y).max())) else nan


def correlation(x: Array, y: Array, groups: Array | None = None, missing: str = "the true reward does not vary here") -> Estimate:
    """Return Pearson's correlation of x and y [n] with its interval; rows in the same group are sampled together."""
    return bootstrap(lambda rows: correlated(x[rows], y[rows]), len(x), groups, missing=missing)
