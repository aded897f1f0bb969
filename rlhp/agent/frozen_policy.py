"""A policy as it was at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from rlhp.agent import actions
from rlhp.agent.state import normaliser_state, part
from rlhp.types import Array, numbers, with_numbers

ROWS = 4096  # observations that a network is given at once


class FrozenPolicy:
    """A policy with these weights, and what its observations are normalised by; neither learns any more, and it can be pickled.

    `like` is a network of its kind, as `network` makes one; `action_space` is the environment's own. Only weights are copied at
    once: a network, most of the cost, is made when the policy is first asked something, which that of a rollout may never be.
    """

    def __init__(
        self,
        like: ActorCriticPolicy,
        weights: Mapping[str, Tensor],
        normaliser: VecNormalize | None,
        action_space: spaces.Space,
    ) -> None:
        self._like, self._weights = like, {name: value.detach().clone() for name, value in weights.items()}
        self._action_space, self._normaliser = action_space, normaliser_state(normaliser)
        self._epsilon, self._clip = (0.0, np.inf) if normaliser is None else (normaliser.epsilon, normaliser.clip_obs)

    @cached_property
    def _policy(self) -> ActorCriticPolicy:
        policy = deepcopy(self._like)
        policy.load_state_dict(self._weights)
        return policy

    def __getstate__(self) -> dict[str, Any]:
        """Without the network, which is made again where it is asked for."""
        return {name: value for name, value in self.__dict__.items() if name != "_policy"}

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """Raw observations as networks see them [n, *seen] -> actions as the environment takes them [n, *A]."""
        chosen = self._policy.predict(self._normalised(obs), deterministic=deterministic)[0]
        return actions.of(self._action_space).executed(chosen)

    def log_prob(self, obs: Array, act: Array) -> Array:
        """The log density, or probability, [n] of actions as the environment takes them [n, *A]."""
        return self.log_prob_of_chosen(obs, actions.of(self._action_space).chosen(act))

    def log_prob_of_chosen(self, obs: Array, act: Array) -> Array:
        """The same of actions as the policy draws them, before they are clipped."""
        told = [self._log_prob(obs[i : i + ROWS], act[i : i + ROWS]) for i in range(0, len(obs), ROWS)]
        return torch.cat(told).numpy() if told else np.zeros(0, np.float32)

    def _log_prob(self, obs: Array, act: Array) -> Tensor:
        seen = self._policy.obs_to_tensor(self._normalised(obs))[0]
        with torch.no_grad():
            return self._policy.get_distribution(seen).log_prob(self._drawn(act)).cpu()

    def _drawn(self, act: Array) -> Tensor:
        """Actions [n, *A] as the policy's distribution takes them: bits as real numbers."""
        drawn = torch.as_tensor(act, device=self._policy.device)
        return drawn.float() if isinstance(self._policy.action_space, spaces.MultiBinary) else drawn

    def _normalised(self, obs: Array) -> Array:
        if not self._normaliser:
            return obs
        mean, std = self._normaliser["mean"], np.sqrt(self._normaliser["var"] + self._epsilon)
        space = self._policy.observation_space
        scaled = np.clip((numbers(space, obs) - mean) / std, -self._clip, self._clip).astype(np.float32)
        return with_numbers(space, obs, scaled)

    def snapshot(self) -> dict[str, Array]:
        """The policy and what its observations are normalised by, named as in an agent's snapshot."""
        weights = {f"policy/{k}": v.cpu().numpy().copy() for k, v in self._weights.items()}
        return {**weights, **{f"normalise/{k}": v.copy() for k, v in self._normaliser.items()}}

    def restore(self, state: dict[str, Array]) -> None:
        """Become the policy of a snapshot, its own or an agent's, of an agent built alike."""
        self._weights = {k: torch.from_numpy(v.copy()) for k, v in part(state, "policy").items()}
        self.__dict__.pop("_policy", None)
        self._normaliser = {k: v.copy() for k, v in part(state, "normalise").items()}


def network(policy: ActorCriticPolicy) -> ActorCriticPolicy:
    """A copy of a policy without its optimiser, which is the larger part of it, and in evaluation mode."""
    optimiser, policy.optimizer = policy.optimizer, None  # type: ignore[assignment]
    try:
        copy = deepcopy(policy)
    finally:
        policy.optimizer = optimiser
    copy.set_training_mode(False)
    return copy
