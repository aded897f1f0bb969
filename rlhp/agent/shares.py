"""With what probability the expert and each policy fitted so far act in a round of interactive imitation: pure maths.

n policies have been fitted before the round. The weights are [n + 1], the expert's first, then the policies' in the order in
which they were fitted; they sum to 1, and before the first fit the expert acts alone.
"""

from __future__ import annotations

import numpy as np

from rlhp.types import Array


def newest(n: int, decay: float) -> Array:
    """DAgger: the expert acts with probability beta_{n+1} = decay^n, else the newest policy (Ross et al. 2011, section 3).

    decay = 0 is beta_i = I(i = 1): the expert in the first round alone.
    """
    weights = np.zeros(n + 1)
    weights[-1] = 1 - decay**n
    weights[0] += decay**n
    return weights


def geometric(n: int, alpha: float) -> Array:
    """SMILe: the expert (1 - alpha)^n, policy j alpha (1 - alpha)^(j - 1) (Ross and Bagnell 2010, algorithm 4.1)."""
    left = (1 - alpha) ** np.arange(n + 1)
    return np.concatenate([left[-1:], alpha * left[:-1]])


def without_expert(weights: Array) -> Array:
    """[n]: the policies' weights once the expert is taken out, such as (pi^n - (1 - alpha)^n pi^0) / (1 - (1 - alpha)^n)."""
    return weights[1:] / weights[1:].sum()
