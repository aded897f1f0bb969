"""Exact maximum-entropy inverse reinforcement learning: finds the reward under which demonstrations are most likely.

Rewards are linear in features [S, A, K] of state and action, r = features @ theta. Demonstrations determine them only up to
changes that do not affect the policy: potential-based shaping (Ng et al. 1999) and, over a fixed horizon, a constant. They
determine the occupancies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rlhp.tabular.mdp import TabularMDP, Trajectories
from rlhp.tabular.soft import occupancy, soft_policy
from rlhp.types import Array, UserError

ARMIJO = 1e-4  # required fraction of the gain predicted by the slope (Nocedal and Wright 2006, section 3.1)
SMALLEST = 1e-12  # step length below which no step gains anything in double precision


@dataclass(frozen=True, slots=True)
class Fit:
    """Result of a fit."""

    theta: Array  # [K]
    reward: Array  # [S, A]
    policy: Array  # [T, S, A]  soft-optimal for that reward
    occupancy: Array  # [S, A]  of the policy, started from the demonstrations' first states
    objective: Array  # [steps + 1]  penalised log-likelihood before each step and after the last; it never falls
    slope: float  # largest absolute component of its gradient at the end; 0 at the optimum


def log_likelihood(mdp: TabularMDP, reward: Array, visited: Array) -> float:
    """Log-likelihood of demonstrations per trajectory, given `mdp.start`: E_demonstrations[sum of rewards] - E_start[V_0].

    `visited` [S, A] is the demonstrations' occupancy, `reward` is [S, A]. For deterministic transitions without discount this is
    the mean of log P(actions | first state). For stochastic ones it is its expectation over next states drawn from
    `mdp.transitions` instead of the observed ones: the dual of maximum causal entropy (Ziebart et al. 2010), concave in the
    reward.
    """
    return float((visited * reward).sum() - mdp.start @ soft_policy(mdp, reward).value[0])


def gradient(mdp: TabularMDP, features: Array, reward: Array, visited: Array) -> Array:
    """Gradient of `log_likelihood` [K]: E_demonstrations[features] - E_policy[features] (Ziebart et al. 2008, equation 6)."""
    expected = occupancy(mdp, soft_policy(mdp, reward).probabilities)
    return np.tensordot(visited - expected, features, axes=2)


def fit(
    mdp: TabularMDP,
    features: Array,
    demonstrations: Trajectories,
    *,
    l2: float = 0.0,
    tolerance: float = 1e-6,
    max_steps: int = 2000,
) -> Fit:
    """Maximise log-likelihood - l2 / 2 |theta|^2 by gradient ascent.

    Starts at theta = 0 and stops when no component of the slope exceeds `tolerance`. First states are those of the
    demonstrations; `mdp.start` is not used. If demonstrations never show some behaviour that the features can distinguish, the
    likelihood has no maximum and theta grows slowly until `max_steps`, unless l2 is above 0. Raises UserError for features of a
    wrong shape, and for trajectories that are not from this MDP.
    """
    if features.shape[:-1] != mdp.shape:
        raise UserError(f"features of shape {features.shape}, but this MDP needs {(*mdp.shape, 'K')}: one row per action.")
    visited = demonstrations.occupancy(mdp)
    problem = _Problem(replace(mdp, start=demonstrations.start(mdp)), features, visited, l2)
    theta, trace = _ascend(problem, tolerance, max_steps)
    reward = features @ theta
    policy = soft_policy(problem.mdp, reward).probabilities
    slope = float(np.abs(problem.slope(theta)).max())
    return Fit(theta, reward, policy, occupancy(problem.mdp, policy), trace, slope)


@dataclass(frozen=True, slots=True)
class _Problem:
    """The concave function of theta [K] that a fit maximises, and its gradient [K]."""

    mdp: TabularMDP
    features: Array
    visited: Array
    l2: float

    def value(self, theta: Array) -> float:
        return log_likelihood(self.mdp, self.features @ theta, self.visited) - self.l2 / 2 * float(theta @ theta)

    def slope(self, theta: Array) -> Array:
        return gradient(self.mdp, self.features, self.features @ theta, self.visited) - self.l2 * theta


def _ascend(problem: _Problem, tolerance: float, max_steps: int) -> tuple[Array, Array]:
    """Gradient ascent with the step lengths of Barzilai and Borwein (1988), halved until the gain is sufficient."""
    theta, length = np.zeros(problem.features.shape[-1]), 1.0
    slope, trace = problem.slope(theta), [problem.value(theta)]
    while np.abs(slope).max() > tolerance and len(trace) <= max_steps:
        steepness = float(slope @ slope)
        while (value := problem.value(theta + length * slope)) < trace[-1] + ARMIJO * length * steepness:
            length /= 2
            if length < SMALLEST:
                return theta, np.array(trace)
        trace.append(value)
        theta, before = theta + length * slope, slope
        slope = problem.slope(theta)
        curvature = -float(before @ (slope - before)) / length  # above 0: the objective is concave
        length = steepness / curvature if curvature > 0 else 2 * length
    return theta, np.array(trace)
