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

ROWS = 4096  # observations in one forward pass


class FrozenPolicy:
    """A policy with fixed weights and fixed statistics that normalise its observations; it can be pickled.

    `template` is a network of the same architecture, as `network` returns it; `action_space` is the environment's. At first
    only the weights are copied. Creating the network costs most and happens on first use, since many policies are never used.
    """

    def __init__(
        self,
        template: ActorCriticPolicy,
        weights: Mapping[str, Tensor],
        normaliser: VecNormalize | None,
        action_space: spaces.Space,
    ) -> None:
        self._template, self._weights = template, {name: value.detach().clone() for name, value in weights.items()}
        self._action_space, self._normaliser = action_space, normaliser_state(normaliser)
        self._epsilon, self._clip = (0.0, np.inf) if normaliser is None else (normaliser.epsilon, normaliser.clip_obs)

    @cached_property
    def _policy(self) -> ActorCriticPolicy:
        policy = deepcopy(self._template)
        policy.load_state_dict(self._weights)
        return policy

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the network, which is created again on first use."""
        return {name: value for name, value in self.__dict__.items() if name != "_policy"}

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """Choose actions of the environment's action space [n, *A] for raw, possibly stacked observations [n, *seen]."""
        chosen = self._policy.predict(self._normalised(obs), deterministic=deterministic)[0]
        return actions.of(self._action_space).executed(chosen)

    def log_prob(self, obs: Array, act: Array) -> Array:
        """The log density, or log probability, [n] of actions of the environment's action space [n, *A]."""
        return self.log_prob_of_chosen(obs, actions.of(self._action_space).chosen(act))

    def log_prob_of_chosen(self, obs: Array, act: Array) -> Array:
        """The same for actions as the policy samples them, before they are clipped."""
        parts = [self._log_prob(obs[i : i + ROWS], act[i : i + ROWS]) for i in range(0, len(obs), ROWS)]
        return torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)

    def _log_prob(self, obs: Array, act: Array) -> Tensor:
        seen = self._policy.obs_to_tensor(self._normalised(obs))[0]
        with torch.no_grad():
            return self._policy.get_distribution(seen).log_prob(self._action_tensor(act)).cpu()

    def _action_tensor(self, act: Array) -> Tensor:
        """Convert actions [n, *A] for the policy's distribution, which needs bits as real numbers."""
        tensor = torch.as_tensor(act, device=self._policy.device)
        return tensor.float() if isinstance(self._policy.action_space, spaces.MultiBinary) else tensor

    def _normalised(self, obs: Array) -> Array:
        if not self._normaliser:
            return obs
        mean, std = self._normaliser["mean"], np.sqrt(self._normaliser["var"] + self._epsilon)
        space = self._policy.observation_space
        scaled = np.clip((numbers(space, obs) - mean) / std, -self._clip, self._clip).astype(np.float32)
        return with_numbers(space, obs, scaled)

    def snapshot(self) -> dict[str, Array]:
        """The weights and the normalisation statistics, under the names of an agent's snapshot."""
        weights = {f"policy/{k}": v.cpu().numpy().copy() for k, v in self._weights.items()}
        return {**weights, **{f"normalise/{k}": v.copy() for k, v in self._normaliser.items()}}

    def restore(self, state: dict[str, Array]) -> None:
        """Take the policy from a snapshot of a frozen policy or of an agent, built in the same way."""
        self._weights = {k: torch.from_numpy(v.copy()) for k, v in part(state, "policy").items()}
        self.__dict__.pop("_policy", None)
        self._normaliser = {k: v.copy() for k, v in part(state, "normalise").items()}


def network(policy: ActorCriticPolicy) -> ActorCriticPolicy:
    """Copy a policy without its optimiser, which is its larger part, and set it to evaluation mode."""
    optimiser, policy.optimizer = policy.optimizer, None  # type: ignore[assignment]
    try:
        copy = deepcopy(policy)
    finally:
        policy.optimizer = optimiser
    copy.set_training_mode(False)
    return copy
