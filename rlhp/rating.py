"""Ratings of policies from games between them: Bradley and Terry's model by maximum likelihood, in Elo points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlhp.preference import elo, win_probability
from rlhp.types import Array

QUANTILE = 1.959964  # of the normal distribution: between minus and plus this lie 95 % of it
STEP = 2.0  # of log odds, by which Newton's method moves a rating at most
CLOSE = 1e-10  # as small as a step of it has to be


@dataclass(frozen=True, slots=True)
class Ratings:
    """Of n policies, in Elo points: who is rated d points higher scores 1 / (1 + 10^(-d / 400)) on average."""

    elo: Array  # [n]
    error: Array  # [n]  half the width of the 95 % interval


def rate(points: Array, anchor: int | None = None, draws: float = 1.0) -> Ratings:
    """Ratings from `points` [n, n]: what the first scored against the second in all their games, 1 a win and 1/2 a draw.

    The mean rating is 0, or that of the policy `anchor`. Beside the games, every policy draws `draws` games with one that is
    rated 0, so that whoever has never won or lost has a finite rating; with few games that pulls ratings together. Intervals are
    Wald's, of the inverse of the observed information with these draws, which holds for independent games. Newton's method; the
    log-likelihood is concave. Raises ValueError unless `draws` > 0.
    """
    if not draws > 0:
        raise ValueError(f"draws={draws}: without any, a policy that never lost has no finite rating")
    rating = np.zeros(len(points))
    for _ in range(1000):
        slope, information = _slope(points, rating, draws), _information(points, rating, draws)
        step = np.linalg.solve(information, slope)
        rating = rating + step * min(1.0, STEP / max(float(np.abs(step).max()), CLOSE))
        if np.abs(step).max() < CLOSE:
            break
    against = np.full(len(points), 1 / len(points)) if anchor is None else np.eye(len(points))[anchor]
    contrast = np.eye(len(points)) - against  # each rating minus the mean, or the anchor's
    covariance = contrast @ np.linalg.inv(_information(points, rating, draws)) @ contrast.T
    return Ratings(elo(contrast @ rating), elo(QUANTILE * np.sqrt(np.diag(covariance).clip(min=0))))


def _expected(rating: Array) -> Array:
    """[n, n] what the first is expected to score in a game against the second."""
    return win_probability(rating[:, np.newaxis], rating)


def _slope(points: Array, rating: Array, draws: float) -> Array:
    """[n] of the log-likelihood: points scored beyond those expected."""
    games, expected = points + points.T, _expected(rating)
    return (points - games * expected).sum(axis=1) - draws * 0.5 * np.tanh(0.5 * rating)


def _information(points: Array, rating: Array, draws: float) -> Array:
    """[n, n] minus the second derivatives."""
    expected = _expected(rating)
    between = (points + points.T) * expected * (1 - expected)
    between = between - np.diag(np.diag(between))
    return np.diag(between.sum(axis=1) + draws * 0.25 / np.cosh(0.5 * rating) ** 2) - between


def groups(points: Array) -> list[list[int]]:
    """The policies that games connect, directly or by way of others; ratings of different groups cannot be compared."""
    met, left, found = (points + points.T) > 0, set(range(len(points))), list[list[int]]()
    while left:
        group, new = set[int](), {min(left)}
        while new:
            group |= new
            new = {int(j) for i in new for j in np.flatnonzero(met[i])} - group
        found.append(sorted(group))
        left -= group
    return found
