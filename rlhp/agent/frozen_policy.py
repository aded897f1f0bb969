"""A policy as it was at one moment."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from rlhp.agent import actions
from rlhp.types import Array

MOMENTS = ("mean", "std", "clip")  # of the observations, as a snapshot names them
ROWS = 4096  # observations that a network is given at once


class FrozenPolicy:
    """A copy of a policy and of what its observations are normalised by; neither learns any more, and it can be pickled.

    `action_space` is the environment's own.
    """

    def __init__(self, policy: ActorCriticPolicy, normaliser: VecNormalize | None, action_space: spaces.Space) -> None:
        self._policy, self._action_space, self._moments = _copied(policy), action_space, None
        if normaliser is not None:
            rms = normaliser.obs_rms
            moments = (rms.mean, np.sqrt(rms.var + normaliser.epsilon), normaliser.clip_obs)  # type: ignore[union-attr]
            self._moments = tuple(np.array(x) for x in moments)

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

    def snapshot(self) -> dict[str, Array]:
        """Its parameters, and what its observations are normalised by."""
        parameters = {f"parameters/{name}": value.cpu().numpy().copy() for name, value in self._policy.state_dict().items()}
        return {**parameters, **dict(zip(MOMENTS, self._moments or (), strict=False))}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot of a policy of the same layers."""
        parameters = {name.partition("/")[2]: value for name, value in state.items() if name not in MOMENTS}
        self._policy.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in parameters.items()})
        self._moments = tuple(state[name].copy() for name in MOMENTS) if MOMENTS[0] in state else None

    def _log_prob(self, obs: Array, act: Array) -> Tensor:
        seen = self._policy.obs_to_tensor(self._normalised(obs))[0]
        with torch.no_grad():
            return self._policy.get_distribution(seen).log_prob(torch.as_tensor(act, device=self._policy.device)).cpu()

    def _normalised(self, obs: Array) -> Array:
        if self._moments is None:
            return obs
        mean, std, clip = self._moments
        return np.clip((obs - mean) / std, -clip, clip).astype(np.float32)


def _copied(policy: ActorCriticPolicy) -> ActorCriticPolicy:
    """Without its optimiser, which is the larger part of it."""
    optimiser, policy.optimizer = policy.optimizer, None  # type: ignore[assignment]
    try:
        copy = deepcopy(policy)
    finally:
        policy.optimizer = optimiser
    copy.set_training_mode(False)
    return copy
