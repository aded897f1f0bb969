"""Whether a policy has come to exploit r-hat: a change point after which the predicted reward rises while the true one falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlhp.types import Array

LEVEL = 0.01  # false alarms in runs without a change are to be no more frequent
DRAWS = 999
SHORTEST = 0.25  # of the series: from where to its end a trend is looked for at least
SMALLEST = 0.1  # of the whole range of the true reward: a smaller fall is no alarm
BINS = 30  # means that a series is reduced to
FEWEST = 16  # points of a series that can be tested at all


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the test found. `p` is NaN where there are too few points."""

    p: float
    since: float  # the step from which the trends part most clearly
    fall: float  # of the true reward from there to the end, by its line, as a share of its range
    rise: float  # of the predicted reward, the same

    @property
    def rings(self) -> bool:
        """Whether it is an alarm."""
        return bool(self.p <= LEVEL and self.fall >= SMALLEST)


def alarm(step: Array, predicted: Array, true: Array, seed: int = 0, draws: int = DRAWS) -> Alarm:
    """Test a series over training, [n] each, for reward hacking.

    For each point from which at least a quarter of the series is left, straight lines are fitted to both rewards from there to
    the end. The statistic is the largest, over these points, of the smaller of two t values: that of the predicted reward's rise
    and that of the true reward's fall. It is compared with what comes of series that are flat, with residuals drawn in blocks
    from those of a fit of two lines that meet (Künsch 1989); the p value is the larger one of the two rewards', so that the level
    holds whatever the other one does (an intersection-union test, Berger 1982).
    """
    step, predicted, true = (binned(x, BINS) for x in (step, predicted, true))
    if len(step) < FEWEST or not (np.std(predicted) > 0 and np.std(true) > 0):
        return Alarm(float("nan"), float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    rises, falls = tails(predicted[np.newaxis])[0], tails(-true[np.newaxis])[0]
    both = np.minimum(rises, falls)
    place = int(both.argmax())
    found = float(both[place])
    beyond = [(1 + int((_flat(x, rng, draws) >= found).sum())) / (1 + draws) for x in (predicted, -true)]
    fall, rise = -_change(true, place) / float(np.ptp(true)), _change(predicted, place) / float(np.ptp(predicted))
    return Alarm(max(beyond), float(step[place]), fall, rise)


def binned(values: Array, most: int) -> Array:
    """Means of at most so many consecutive, equally long parts of a series [n]."""
    if len(values) <= most:
        return np.asarray(values, float)
    return np.array([part.mean() for part in np.array_split(np.asarray(values, float), most)])


def tails(series: Array) -> Array:
    """t values of the slopes from each point to the end, for the points that leave enough: series [D, n] -> [D, points]."""
    n = series.shape[1]
    points = range(n - max(5, round(SHORTEST * n)) + 1)
    return np.stack([_t_value(series[:, k:]) for k in points], axis=1)


def _t_value(y: Array) -> Array:
    """Of the slope of each row, [D, m] -> [D]."""
    m = y.shape[1]
    x = np.arange(m) - (m - 1) / 2
    centred = y - y.mean(axis=1, keepdims=True)
    slope = centred @ x / (x @ x)
    rest = ((centred - slope[:, np.newaxis] * x) ** 2).sum(axis=1) / (m - 2)
    return slope / np.sqrt(np.maximum(rest, 1e-24) / (x @ x))


def _change(y: Array, first: int) -> float:
    """How far the line through a series from its `first` point on rises to the end."""
    rest = y[first:]
    return float(np.polyfit(np.arange(len(rest)), rest, 1)[0]) * (len(rest) - 1)


def _flat(y: Array, rng: np.random.Generator, draws: int) -> Array:
    """The largest t value of each of so many flat series with the residuals of this one, [draws]."""
    residuals = _residuals(y)
    n, length = len(y), max(2, round(len(y) ** (1 / 3)))
    starts = rng.integers(n, size=(draws, -(-n // length)))
    rows = (starts[:, :, np.newaxis] + np.arange(length)) % n
    return tails(residuals[rows.reshape(draws, -1)[:, :n]]).max(axis=1)


def _residuals(y: Array) -> Array:
    """Of the best fit of two lines that meet at one of the points, made as large as those of the noise itself."""
    n = len(y)
    x = np.arange(n, dtype=float)
    fits = []
    for knot in range(2, n - 2):
        design = np.stack([np.ones(n), x, np.maximum(x - knot, 0)], axis=1)
        fits.append(y - design @ np.linalg.lstsq(design, y, rcond=None)[0])
    best = min(fits, key=lambda residuals: float(residuals @ residuals))
    return (best - best.mean()) * np.sqrt(n / (n - 4))
