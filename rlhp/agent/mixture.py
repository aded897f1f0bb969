"""Several policies that act as one."""

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
    """A mixture of n policies: at each step, in each environment, one of them is drawn by its weight and acts.

    The weights [n] are divided by their sum. Who acts is drawn from torch's global stream, as the actions of SB3's policies are:
    whoever seeds it for those seeds it for this. Raises ValueError unless there is a weight of at least 0 for each policy, and
    one above 0.
    """

    def __init__(self, policies: Sequence[Policy], weights: Array) -> None:
        weights = np.asarray(weights, np.float64)
        if len(policies) != len(weights) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
            raise ValueError(f"{weights.tolist()} are no weights of {len(policies)} policies")
        self.policies, self.weights = tuple(policies), weights / weights.sum()

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """Raw observations as networks see them [n, *seen] -> actions as the environment takes them [n, *A].

        Who acts is drawn in either case; `deterministic`: whoever does acts by the mode of its distribution.
        """
        who = torch.multinomial(torch.from_numpy(self.weights), len(obs), replacement=True).numpy()
        drawn = [(rows, self.policies[j].act(obs[rows], deterministic)) for j in np.unique(who) for rows in [who == j]]
        act = np.empty((len(obs), *drawn[0][1].shape[1:]), drawn[0][1].dtype)
        for rows, theirs in drawn:
            act[rows] = theirs
        return act

    def log_prob(self, obs: Array, act: Array) -> Array:
        """The log density, or probability, [n] of actions as the environment takes them [n, *A]."""
        return self._mixed(lambda policy: policy.log_prob(obs, act))

    def log_prob_of_chosen(self, obs: Array, act: Array) -> Array:
        """The same of actions as the policies draw them, before they are clipped."""
        return self._mixed(lambda policy: policy.log_prob_of_chosen(obs, act))

    def _mixed(self, log_prob: Callable[[Any], Array]) -> Array:
        """log sum_j w_j p_j, [n]."""
        some = [(np.log(weight), policy) for weight, policy in zip(self.weights, self.policies, strict=True) if weight > 0]
        return np.logaddexp.reduce([log_weight + log_prob(policy) for log_weight, policy in some], axis=0)

    def snapshot(self) -> dict[str, Array]:
        """The weights, and the policies by number; for a mixture of frozen policies."""
        frozen: list[Any] = list(self.policies)
        states = {f"{j}/{k}": v for j, policy in enumerate(frozen) for k, v in policy.snapshot().items()}
        return {"weights": self.weights.copy(), **states}


def restored(state: dict[str, Array], like: FrozenPolicy) -> Mixture:
    """The mixture of a snapshot, whose policies are of an agent built like that of `like`."""
    policies = [deepcopy(like) for _ in state["weights"]]
    for j, policy in enumerate(policies):
        policy.restore(part(state, str(j)))
    return Mixture(policies, state["weights"])
