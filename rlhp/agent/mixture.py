"""A mixture of several policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch

from rlhp.agent.frozen_policy import FrozenPolicy
from rlhp.agent.state import part
from rlhp.types import Array, Policy


class Mixture:
    """A mixture of n policies: at each step and in each environment, one of them is drawn by weight and acts.

    The weights [n] are normalised to sum to 1. The policy is drawn from torch's global random generator, as the actions of SB3's
    policies are, so one seed covers both. Raises ValueError unless there is a weight of at least 0 for each policy and one
    above 0.
    """

    def __init__(self, policies: Sequence[Policy], weights: Array) -> None:
        weights = np.asarray(weights, np.float64)
        if len(policies) != len(weights) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
            raise ValueError(f"{weights.tolist()} are not weights of {len(policies)} policies")
        self.policies, self.weights = tuple(policies), weights / weights.sum()

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """Choose actions of the environment's action space [n, *A] for raw, possibly stacked observations [n, *seen].

        The policy is drawn in either case; with `deterministic`, it chooses the mode of its distribution.
        """
        indices = torch.multinomial(torch.from_numpy(self.weights), len(obs), replacement=True).numpy()
        parts = [(rows, self.policies[j].act(obs[rows], deterministic)) for j in np.unique(indices) for rows in [indices == j]]
        act = np.empty((len(obs), *parts[0][1].shape[1:]), parts[0][1].dtype)
        for rows, chosen in parts:
            act[rows] = chosen
        return act

    def log_prob(self, obs: Array, act: Array) -> Array:
        """The log density, or log probability, [n] of actions of the environment's action space [n, *A]."""
        return self._mixed(lambda policy: policy.log_prob(obs, act))

    def log_prob_of_chosen(self, obs: Array, act: Array) -> Array:
        """The same for actions as the policies sample them, before they are clipped."""
        return self._mixed(lambda policy: policy.log_prob_of_chosen(obs, act))

    def _mixed(self, log_prob: Callable[[Any], Array]) -> Array:
        """log sum_j w_j p_j, [n]."""
        some = [(np.log(weight), policy) for weight, policy in zip(self.weights, self.policies, strict=True) if weight > 0]
        return np.logaddexp.reduce([log_weight + log_prob(policy) for log_weight, policy in some], axis=0)

    def snapshot(self) -> dict[str, Array]:
        """The weights and the policies by index; only for a mixture of frozen policies."""
        frozen: list[Any] = list(self.policies)
        states = {f"{j}/{k}": v for j, policy in enumerate(frozen) for k, v in policy.snapshot().items()}
        return {"weights": self.weights.copy(), **states}


def restored(state: dict[str, Array], template: FrozenPolicy) -> Mixture:
    """Restore a mixture from a snapshot; `template` is a frozen policy of an agent built in the same way."""
    policies = [deepcopy(template) for _ in state["weights"]]
    for j, policy in enumerate(policies):
        policy.restore(part(state, str(j)))
    return Mixture(policies, state["weights"])
