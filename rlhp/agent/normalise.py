"""Normalisation of observations to mean 0 and standard deviation 1 by running statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from rlhp.types import Array, ImagesAndVector, numbers, with_numbers


class ObservationNormaliser(VecNormalize):
    """SB3's VecNormalize for Box observations, bit for bit, without the statistics of a reward that is always 0.

    Of images with a vector, only the vector is normalised. Normalised integer observations are float32, where SB3 would keep
    them as integers.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv, norm_reward=False)
        space: Any = venv.observation_space
        self._space = space
        if isinstance(space, ImagesAndVector):
            self.obs_rms = RunningMeanStd(shape=(space.stack * space.width,))  # type: ignore[assignment]
        elif space.dtype.kind != "f":
            self.observation_space = spaces.Box(-np.inf, np.inf, space.shape, np.float32)

    def reset(self) -> Array:
        """Reset all environments; their first observations count in the statistics too."""
        self.old_obs = np.asarray(self.venv.reset())  # pyright: ignore[reportOptionalMemberAccess]
        self.returns = np.zeros(self.num_envs)
        if self.training:
            self.obs_rms.update(numbers(self._space, self.old_obs))  # type: ignore[union-attr]
        return self.normalize_obs(self.old_obs)

    def step_wait(self) -> VecEnvStepReturn:
        """Update the statistics and normalise the step's observations, including the last ones of episodes."""
        obs, reward, dones, infos = self.venv.step_wait()  # pyright: ignore[reportOptionalMemberAccess]
        self.old_obs, self.old_reward = np.asarray(obs), reward
        if self.training:
            self._count(self.old_obs)
        for i in np.flatnonzero(dones):
            if "terminal_observation" in infos[i]:
                infos[i]["terminal_observation"] = self.normalize_obs(infos[i]["terminal_observation"])
        return self.normalize_obs(self.old_obs), reward, dones, infos

    def normalize_obs(self, obs: Any) -> Array:
        """Normalise and clip observations [*B, *O] to float32, without updating the statistics."""
        rms: Any = self.obs_rms
        scaled = (numbers(self._space, obs) - rms.mean) / np.sqrt(rms.var + self.epsilon)
        clipped = np.minimum(np.maximum(scaled, -self.clip_obs), self.clip_obs).astype(np.float32)
        return with_numbers(self._space, obs, clipped)

    def _count(self, obs: Array) -> None:
        n, rms, obs = len(obs), self.obs_rms, numbers(self._space, obs)
        mean = np.add.reduce(obs, 0) / n
        var = np.add.reduce((obs - mean) ** 2, 0) / n
        rms.update_from_moments(mean, var, n)  # type: ignore[union-attr]
