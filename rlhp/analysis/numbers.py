"""Statistics of runs: final returns, curves on a common grid, bootstrap bands and intervals.

Shapes: E rows in which episodes ended, S seeds, P points of a curve, n scores, B bootstrap draws. Steps are environment steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rlhp.run import RunData
from rlhp.types import Array, UserError

FINAL = 0.05  # fraction of the steps, at the end, over which a final return is averaged
DRAWS = 2000  # bootstrap draws of a band or an interval


@dataclass(frozen=True, slots=True)
class Final:
    """A final return, averaged over the last 5 % of the steps, or over the last row in which episodes ended."""

    value: float  # NaN if one of the returns is not a number
    first: int  # step of the first of these rows
    late: bool  # whether the rows are in the last 5 %


def final(run: RunData) -> Final:
    """Compute the mean true return of the episodes that ended in the last 5 % of the steps; if none did, of the last ones.

    Raises UserError if no episode has ended.
    """
    step, value, episodes = run.ended()
    if not len(step):
        raise UserError(f"No episode has ended in {run.path}, so it has no return: train for more steps.")
    late = step > (1 - FINAL) * run.total_steps
    rows = _final_rows(late)
    return Final(float(np.average(value[rows], weights=episodes[rows])), int(step[rows][0]), bool(late.any()))


def _final_rows(late: Array) -> Array:
    """Return the rows that a final return averages, [E] bool: those in the last 5 % (`late`, [E] bool), and the last row."""
    return late | (np.arange(len(late)) == len(late) - 1)


def late_returns(run: RunData) -> Array:
    """Return the mean true returns [n] of the rollouts that `final` averages; empty if no episode has ended."""
    step, value, _ = run.ended()
    return value[_final_rows(step > (1 - FINAL) * run.total_steps)]


def final_return(run: RunData) -> float:
    """Return the value of `final`. Raises UserError if there is none, or one of the returns is not a number."""
    value = final(run).value
    if np.isnan(value):
        raise UserError(f"The true return of {run.path} is not a number at its end: leave the run out, or train it again.")
    return value


def correlation(true: Array, predicted: Array) -> float:
    """Compute Pearson's r of two [n]; NaN if one of them does not vary, or for fewer than 3 points."""
    if len(true) < 3 or not (np.std(true) > 0 and np.std(predicted) > 0):
        return float("nan")
    return float(np.corrcoef(true, predicted)[0, 1])


def curve(run: RunData, points: int = 50, span: int | None = None) -> tuple[Array, Array]:
    """Compute the true return on a common grid: bin centres [P] in steps, and means over episodes [P].

    `span` is the length of the grid (default: the run's total steps). A bin in which no episode ended is interpolated between its
    neighbours; values before the first and after the last episode are NaN, and so are those where a return is not a number.
    """
    step, value, episodes = run.ended()
    edges = np.linspace(0, span or run.total_steps, points + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    # A row at step s counts the episodes up to and including s, so a bin includes its right edge.
    bins = np.clip(np.searchsorted(edges, step) - 1, 0, points - 1)
    weight = np.bincount(bins, episodes, points)
    full = weight > 0
    if not full.any():
        return centres, np.full(points, np.nan)
    means = np.bincount(bins, episodes * value, points)[full] / weight[full]
    return centres, np.interp(centres, centres[full], means, left=np.nan, right=np.nan)


def band(curves: Array) -> tuple[Array, Array, Array]:
    """Compute mean and 95 % percentile-bootstrap band over seeds: curves [S, P] -> mean, low, high, each [P].

    Resamples whole curves 2000 times, deterministically. The band is NaN at points with fewer than two seeds, and the mean at
    points without any.
    """
    seeds, known = len(curves), np.isfinite(curves)
    times = np.random.default_rng(0).multinomial(seeds, [1 / seeds] * seeds, size=DRAWS)  # [draws, S] times drawn
    mean, draws = (_mean(weights, curves, known) for weights in (np.ones((1, seeds)), times))
    low, high = np.full((2, curves.shape[1]), np.nan)
    wide = known.sum(0) >= 2
    if wide.any():
        low[wide], high[wide] = np.nanpercentile(draws[:, wide], (2.5, 97.5), axis=0)
    return mean[0], low, high


def _mean(weights: Array, curves: Array, known: Array) -> Array:
    """Weighted means over the seeds with a value: weights [B, S], curves [S, P] -> [B, P]; NaN where there is none."""
    total, count = weights @ np.where(known, curves, 0.0), weights @ known.astype(float)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


# rliable has both of the following, but is archived and works only with pandas < 3.


def iqm(strata: Sequence[Array]) -> Array:
    """Compute the interquartile mean, [..., n_i] each -> [...]: without the lowest and the highest quarter of the weight.

    All tasks have the same weight: each of a task's n_i scores weighs 1 / n_i. A score on the edge of a quarter counts with the
    fraction of its weight that lies inside. Agarwal et al. (2021), arXiv:2108.13264, section 4.3, where all n_i are equal.
    """
    scores = np.concatenate(strata, -1)
    weight = np.concatenate([np.full(task.shape[-1], 1 / (len(strata) * task.shape[-1])) for task in strata])
    order = np.argsort(scores, -1)
    scores, weight = np.take_along_axis(scores, order, -1), weight[order]
    upto = np.cumsum(weight, -1)
    kept = np.clip(np.minimum(upto, 0.75) - np.maximum(upto - weight, 0.25), 0, None)
    return (kept * scores).sum(-1) / kept.sum(-1)


def average(strata: Sequence[Array]) -> Array:
    """Compute the mean of the strata's means, [..., n_i] each -> [...]: tasks have equal weight, whatever their seeds."""
    return np.mean([scores.mean(-1) for scores in strata], axis=0)


def interval(strata: Sequence[Array], statistic: Callable[[Sequence[Array]], Array]) -> tuple[float, float]:
    """Compute the 95 % percentile-bootstrap interval of a statistic; scores [n_i] are resampled within their stratum only.

    2000 draws, deterministic. NaN if a stratum has fewer than two scores, since draws could not differ there. Agarwal et al.
    (2021), section 4.1: strata are tasks, scores are seeds.
    """
    if min(map(len, strata)) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    drawn = [scores[rng.integers(len(scores), size=(DRAWS, len(scores)))] for scores in strata]  # [B, n_i]
    low, high = np.percentile(statistic(drawn), (2.5, 97.5))
    return float(low), float(high)
