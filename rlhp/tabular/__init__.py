"""Exact computations in small Markov decision processes: soft-optimal policies, occupancies, maximum-entropy inverse RL."""

from rlhp.tabular.maxent import Fit, fit, gradient, log_likelihood
from rlhp.tabular.mdp import TabularMDP, Trajectories, chain, grid, sample
from rlhp.tabular.soft import SoftPolicy, occupancy, soft_policy

__all__ = [
    "Fit",
    "SoftPolicy",
    "TabularMDP",
    "Trajectories",
    "chain",
    "fit",
    "gradient",
    "grid",
    "log_likelihood",
    "occupancy",
    "sample",
    "soft_policy",
]
