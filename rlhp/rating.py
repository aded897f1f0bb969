"""Ratings of policies from games between them: the Bradley-Terry model by maximum likelihood, in Elo points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlhp.preference import elo, win_probability
from rlhp.types import Array

QUANTILE = 1.959964  # of the normal distribution, for a 95 % interval
STEP = 2.0  # maximum change of a rating in one step of Newton's method, in log odds
CLOSE = 1e-10  # step size at which Newton's method has converged


@dataclass(frozen=True, slots=True)
class Ratings:
    """Elo ratings of n policies: a policy rated d points higher scores 1 / (1 + 10^(-d / 400)) on average."""

    elo: Array  # [n]
    error: Array  # [n]  half-width of the 95 % interval


def rate(points: Array, anchor: int | None = None, draws: float = 1.0) -> Ratings:
    """Rate policies by `points` [n, n]: the first's total score against the second, 1 for a win and 1/2 for a draw.

    The mean rating, or that of the policy `anchor`, is 0. In addition to the games, each policy gets `draws` draws against an
    opponent rated 0, so that policies that never won or never lost have finite ratings; with few games this pulls ratings
    together. Intervals are Wald intervals from the inverse of the observed information including these draws, valid for
    independent games. The log-likelihood is concave and maximised by Newton's method. Raises ValueError unless `draws` > 0.
    """
    if not draws > 0:
        raise ValueError(f"draws={draws}: without draws, a policy that never lost has no finite rating")
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
    """The expected score of the first policy in a game against the second, [n, n]."""
    return win_probability(rating[:, np.newaxis], rating)


def _slope(points: Array, rating: Array, draws: float) -> Array:
    """The gradient [n] of the log-likelihood: points beyond those expected."""
    games, expected = points + points.T, _expected(rating)
    return (points - games * expected).sum(axis=1) - draws * 0.5 * np.tanh(0.5 * rating)


def _information(points: Array, rating: Array, draws: float) -> Array:
    """The observed information [n, n]: minus the second derivatives."""
    expected = _expected(rating)
    between = (points + points.T) * expected * (1 - expected)
    between = between - np.diag(np.diag(between))
    return np.diag(between.sum(axis=1) + draws * 0.25 / np.cosh(0.5 * rating) ** 2) - between


def groups(points: Array) -> list[list[int]]:
    """Groups of policies that are connected by games, directly or through others; ratings are comparable only within a group."""
    met, left, found = (points + points.T) > 0, set(range(len(points))), list[list[int]]()
    while left:
        group, new = set[int](), {min(left)}
        while new:
            group |= new
            new = {int(j) for i in new for j in np.flatnonzero(met[i])} - group
        found.append(sorted(group))
        left -= group
    return found
