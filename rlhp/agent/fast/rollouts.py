"""How the fast implementations of PPO collect rollouts."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from rlhp.agent.blind import BlindPPO
from rlhp.types import Array


class FastRollouts(BlindPPO):
    """The loop over a rollout's steps, which FastPPO and FastCnnPPO share."""

    @abstractmethod
    def _act(self, env: VecEnv, buffer: RolloutBuffer, n_steps: int) -> Array:
        """Start step `n_steps` of the environments and write what is known of it to the buffer; returns actions [N, *A]."""

    @abstractmethod
    def _values(self, obs: Tensor) -> Tensor:
        """The values [n] of observations [n, *O], without gradients."""

    def _complete(self, buffer: RolloutBuffer) -> None:
        """Write to the buffer what is computed at the end of a rollout."""
        buffer.pos, buffer.full = buffer.buffer_size, True

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int) -> bool:
        """Act for `n_rollout_steps` in every environment; `update` computes returns and advantages.

        Callbacks see SB3's local variables, except those that are torch tensors.
        """
        rollout_buffer.reset()
        callback.on_rollout_start()
        for n_steps in range(n_rollout_steps):
            actions = self._act(env, rollout_buffer, n_steps)
            rollout_buffer.actions[n_steps], rollout_buffer.observations[n_steps] = actions, self._last_obs
            rollout_buffer.episode_starts[n_steps] = self._last_episode_starts
            new_obs, rewards, dones, infos = env.step_wait()
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            rollout_buffer.rewards[n_steps] = self._bootstrapped(rewards, dones, infos)
            self._last_obs, self._last_episode_starts = np.asarray(new_obs), dones
        self._complete(rollout_buffer)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _bootstrapped(self, rewards: Array, dones: Array, infos: list[dict[str, Any]]) -> Array:
        """Add gamma V(last observation) to the rewards [N] of episodes that a time limit truncated."""
        if dones.any():
            self._update_info_buffer(infos, dones)
        for i in np.flatnonzero(dones):
            if infos[i].get("TimeLimit.truncated", False) and infos[i].get("terminal_observation") is not None:
                last = torch.from_numpy(np.asarray(infos[i]["terminal_observation"])[np.newaxis])
                rewards[i] += self.gamma * self._values(last)[0]
        return rewards
