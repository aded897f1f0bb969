"""Numbers with their intervals, or with what is missing for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from rlhp.types import Array

DRAWS = 1000  # of a bootstrap
LEAST = 8  # clips, comparisons or the like from which anything is estimated


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval, from `n` observations; NaN where it is not known, and `missing` says why."""

    value: float
    low: float
    high: float
    n: int
    missing: str = ""

    @property
    def known(self) -> bool:
        """Whether there are a number and an interval."""
        return isfinite(self.value) and isfinite(self.low) and isfinite(self.high)

    def text(self, form: str = ".2f", scale: float = 1.0, unit: str = "") -> str:
        """`0.83 (0.75 to 0.89)`, or what is missing."""
        if not self.known:
            return self.missing or "not known"
        value, low, high = (_unsigned(format(scale * number, form)) for number in (self.value, self.low, self.high))
        return f"{value}{unit} ({low} to {high}{unit})"


def _unsigned(text: str) -> str:
    """A number as it is, but for the sign of what has been rounded to 0."""
    return text.lstrip("-") if not text.strip("-0.") else text


def percent(share: float) -> str:
    """`87 %`."""
    return f"{_unsigned(format(100 * share, '.0f'))} %"


def absent(why: str, n: int = 0) -> Estimate:
    """An estimate that cannot be made, and why."""
    return Estimate(nan, nan, nan, n, why)


def bootstrap(
    statistic: Callable[[Array], float],
    n: int,
    groups: Sequence[int] | Array | None = None,
    seed: int = 0,
    missing: str = "it is undefined: the values do not vary",
) -> Estimate:
    """`statistic` of the rows 0 to n - 1, with its 95 % percentile-bootstrap interval.

    `statistic` is given row numbers, with repetitions, and may return NaN. Rows of one of the `groups` [n] are drawn together.
    Fewer than LEAST groups, or values that are mostly undefined, give no estimate.
    """
    members = _members(np.arange(n) if groups is None else np.asarray(groups))
    if len(members) < LEAST:
        return absent(f"{len(members)} independent observations are too few; {LEAST} are needed", n)
    value, rng = statistic(np.arange(n)), np.random.default_rng(seed)
    drawn = (rng.integers(len(members), size=len(members)) for _ in range(DRAWS))
    values = np.array([statistic(np.concatenate([members[i] for i in chosen])) for chosen in drawn])
    if not isfinite(value) or np.isfinite(values).mean() < 0.5:
        return absent(missing, n)
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return Estimate(float(value), float(low), float(high), n)


def _members(groups: Array) -> list[Array]:
    """The rows of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(groups) else []


def correlated(x: Array, y: Array) -> float:
    """Pearson's correlation of two [n]; NaN where one of them does not vary."""
    if len(x) < 2:
        return nan
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 1e-12 * max(1.0, float(np.abs(x).max() * np.abs(y).max())) else nan


def correlation(x: Array, y: Array, groups: Array | None = None, missing: str = "the true reward does not vary here") -> Estimate:
    """Pearson's correlation of two [n] with its interval; rows of one of the `groups` are drawn together."""
    return bootstrap(lambda rows: correlated(x[rows], y[rows]), len(x), groups, missing=missing)
