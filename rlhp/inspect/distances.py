"""Distances between reward functions that bound the regret of optimising one of them under the other.

Rewards are compared on n transitions from a coverage distribution, [n] each. Both distances are invariant to what does not change
the order of policies: potential shaping, a constant, and scale. They are 0 for rewards that order all policies alike, 1 for
opposite ones, and sqrt(1/2) for unrelated ones.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from rlhp.inspect.estimate import correlated
from rlhp.types import Array

UNRELATED = sqrt(0.5)  # the distance of two unrelated rewards


def epic_canonical(reward: Array, expected: Array, expected_after: Array, mean: float, discount: float) -> Array:
    """Compute EPIC's canonical form of a reward, [n] (Gleave et al. 2021, definition 4.1).

    For states S and actions A drawn independently of the transition (s, a, s'): `expected` is E[R(s, A, S')], `expected_after`
    the same at s', and `mean` is E[R(S, A, S')].
    """
    return reward + discount * expected_after - expected - discount * mean


def epic_distance(one: Array, other: Array, weight: Array | None = None) -> float:
    """Compute the Pearson distance sqrt((1 - rho) / 2) of canonical rewards [n] (Gleave et al. 2021, definition 4.5).

    `weight` [n]: weight of each transition. NaN if one of the rewards is constant.
    """
    if weight is not None:
        one, other = (np.sqrt(weight) * (x - np.average(x, weights=weight)) for x in (one, other))
        size = float(np.sqrt((one @ one) * (other @ other)))
        rho = float(one @ other) / size if size > 1e-12 else float("nan")
    else:
        rho = correlated(one, other)
    return float(np.sqrt(np.maximum(1 - rho, 0) / 2))


def starc_canonical(reward: Array, value: Array, value_after: Array, discount: float) -> Array:
    """Compute STARC's value-adjusted levelling, [n]: R(s, a, s') - V(s) + discount V(s') (Skalse et al. 2024, proposition 2).

    V is the value of this reward under one fixed policy, [n] at s and at s'; the value of a terminal s' is 0. Averaged over s',
    this is the advantage of an action under that policy.
    """
    return reward - value + discount * value_after


def starc_distance(one: Array, other: Array, weight: Array | None = None) -> float:
    """Compute half the Euclidean distance of normalised canonical rewards [n] (Skalse et al. 2024, section 3).

    A reward of norm 0 stays 0. `weight` [n]: weight of each transition. NaN if both rewards are 0.
    """
    weight = np.ones(len(one)) if weight is None else weight
    x, y = _unit(one, weight), _unit(other, weight)
    if not (x.any() or y.any()):
        return float("nan")
    return float(np.sqrt(np.sum(weight * (x - y) ** 2))) / 2


def _unit(x: Array, weight: Array) -> Array:
    norm = float(np.sqrt(np.sum(weight * x**2)))
    return x / norm if norm > 1e-12 else np.zeros_like(x)
