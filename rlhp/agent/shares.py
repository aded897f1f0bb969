"""The probabilities with which the expert and the policies fitted so far act in a round of interactive imitation.

n is the number of policies fitted before the round. The weights are [n + 1]: the expert's, then the policies' in the order in
which they were fitted. They sum to 1, and before the first fit only the expert acts.
"""

from __future__ import annotations

import numpy as np

from rlhp.types import Array


def newest(n: int, decay: float) -> Array:
    """DAgger: the expert acts with probability beta_{n+1} = decay^n, otherwise the newest policy (Ross et al. 2011, section 3).

    decay = 0 is beta_i = I(i = 1): the expert acts in the first round only.
    """
    weights = np.zeros(n + 1)
    weights[-1] = 1 - decay**n
    weights[0] += decay**n
    return weights


def geometric(n: int, alpha: float) -> Array:
    """SMILe: (1 - alpha)^n for the expert, alpha (1 - alpha)^(j - 1) for policy j (Ross and Bagnell 2010, algorithm 4.1)."""
    left = (1 - alpha) ** np.arange(n + 1)
    return np.concatenate([left[-1:], alpha * left[:-1]])


def without_expert(weights: Array) -> Array:
    """The policies' weights [n] without the expert's, such as (pi^n - (1 - alpha)^n pi^0) / (1 - (1 - alpha)^n)."""
    return weights[1:] / weights[1:].sum()
