"""The policy of maximum causal entropy for a reward, by soft value iteration, and the occupancy of a policy.


Ziebart et al. (2008), Maximum entropy inverse reinforcement learning; Ziebart, Bagnell and Dey (2010), Modeling interaction via
the principle of maximum causal entropy, for stochastic transitions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlhp.tabular.mdp import TabularMDP
from rlhp.types import Array


@dataclass(frozen=True, slots=True)
class SoftPolicy:
    """The policy that maximises expected reward plus causal entropy, and its value."""

    probabilities: Array  # [T, S, A]  of the actions at each step
    value: Array  # [T, S]  expected reward plus entropy from step t on; at t = 0 the logarithm of the partition function


def soft_policy(mdp: TabularMDP, reward: Array) -> SoftPolicy:
    """Compute the soft-optimal policy for a reward [S] or [S, A] by soft value iteration (Ziebart et al. 2010).

    Backwards from V_T = 0: Q_t = r + discount E[V_{t+1}], V_t = log sum_a exp Q_t, pi_t = exp(Q_t - V_t). With deterministic
    transitions and no discount, a trajectory has probability exp(sum of its rewards) / Z (Ziebart et al. 2008, equation 2).
    Raises ValueError for a reward of a wrong shape.
    """
    gain, (states, actions) = by_action(mdp, reward), mdp.shape
    probabilities, value = np.empty((mdp.horizon, states, actions)), np.zeros((mdp.horizon + 1, states))
    for t in reversed(range(mdp.horizon)):
        q = gain + mdp.discount * (mdp.transitions @ value[t + 1])
        value[t] = np.logaddexp.reduce(q, axis=1)
        probabilities[t] = np.exp(q - value[t][:, np.newaxis])
    return SoftPolicy(probabilities, value[:-1])


def occupancy(mdp: TabularMDP, policy: Array) -> Array:
    """Compute how often a policy [T, S, A] is expected to visit s and take a in T steps, with weight discount^t: [S, A].

    Forwards from the start: d_{t+1}(s') = sum_{s, a} d_t(s) pi_t(a | s) P(s' | s, a) (Ziebart et al. 2008, algorithm 1).
    """
    here, total = mdp.start, np.zeros(mdp.shape)
    for t in range(mdp.horizon):
        both = here[:, np.newaxis] * policy[t]
        total += mdp.discount**t * both
        here = np.einsum("sa,sat->t", both, mdp.transitions)
    return total


def by_action(mdp: TabularMDP, reward: Array) -> Array:
    """Broadcast a reward [S] or [S, A] to [S, A]. Raises ValueError for a wrong shape."""
    if reward.shape not in (mdp.shape, mdp.shape[:1]):
        raise ValueError(f"a reward of shape {reward.shape} , but {mdp.shape[:1]} or {mdp.shape} is needed")
    return np.broadcast_to(reward if reward.ndim == 2 else reward[:, np.newaxis], mdp.shape)
