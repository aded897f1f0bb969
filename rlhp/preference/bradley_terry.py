"""The Bradley-Terry model of preferences (equation 1 of the paper), and the units of Elo ratings."""

from __future__ import annotations

from itertools import combinations
from math import log

import numpy as np

from rlhp.types import Array

ELO_PER_NAT = 400 / log(10)  # 173.72 Elo points per unit of a segment sum


def win_probability(left: Array, right: Array) -> Array:
    """P[left is preferred] = exp(left) / (exp(left) + exp(right)), elementwise (equation 1)."""
    return 0.5 * (1.0 + np.tanh(0.5 * (left - right)))


def elo(nats: Array) -> Array:
    """Convert segment sums, or differences of them, to Elo points, elementwise: odds of ten to one are 400 points."""
    return ELO_PER_NAT * nats


def expected_score(lead: Array) -> Array:
    """The expected score at a rating `lead` points higher, 1 / (1 + 10^(-lead / 400)), elementwise: equation 1 in Elo points."""
    return win_probability(lead / ELO_PER_NAT, np.zeros_like(lead, dtype=np.float64))


def disagreement(sums: Array) -> Array:
    """The disagreement of an ensemble on each query: sums [M, Q, K] -> [Q].

    It is the variance over members of the predicted preference probability (section 2.2.4), averaged over the K(K-1)/2 pairs. A
    single segment is compared with an average one, whose sum is 0.
    """
    if sums.ndim != 3 or sums.shape[2] < 1:
        raise ValueError(f"sums must be [members, queries, clips], not {sums.shape}")
    if sums.shape[2] == 1:
        sums = np.concatenate([sums, np.zeros_like(sums)], axis=2)
    pairs = [win_probability(sums[..., i], sums[..., j]).var(axis=0) for i, j in combinations(range(sums.shape[2]), 2)]
    return np.mean(pairs, axis=0)
