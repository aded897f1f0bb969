"""Frame stacking for the policy."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from rlhp.types import Array
from rlhp.types.frames import seen_space


def stack_frames(env: VecEnv) -> VecEnv:
    """Wrap an environment in `FrameStack` if its attribute `stack` is above 1; else return it unchanged."""
    return FrameStack(env) if getattr(env, "stack", 1) > 1 else env


class FrameStack(VecEnvWrapper):
    """Stacks the newest `stack` frames of each environment, [N, stack, *O], oldest first; `stack` is the environment's attribute.

    A stack starts with the first frame repeated. It continues across resets, so that it equals the stacks of a rollout's frames.
    """

    def __init__(self, venv: VecEnv) -> None:
        space: Any = seen_space(venv.observation_space, venv.stack)  # type: ignore[attr-defined]
        super().__init__(venv, observation_space=space)
        self._frames: Array = np.zeros((venv.num_envs, *space.shape), space.dtype)

    def reset(self) -> Array:
        """Reset the environments and fill all stacks with the first frames."""
        self._frames = np.empty_like(self._frames)
        self._frames[:] = np.asarray(self.venv.reset())[:, np.newaxis]
        return self._frames

    def step_wait(self) -> VecEnvStepReturn:
        """Stack the step's observations, including the last ones of episodes."""
        newest, reward, dones, infos = self.venv.step_wait()
        before, newest = self._frames[:, 1:], np.asarray(newest)
        self._frames = np.concatenate([before, newest[:, np.newaxis]], axis=1)  # a new array, since callers keep the last one
        for i in np.flatnonzero(dones):
            if "terminal_observation" in infos[i]:
                last = np.asarray(infos[i]["terminal_observation"])
                infos[i]["terminal_observation"] = np.concatenate([before[i], last[np.newaxis]])
        return self._frames, reward, dones, infos

    def snapshot(self) -> dict[str, Array]:
        """The frames that the next stacks continue."""
        return {"frames": self._frames.copy()}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._frames = state["frames"].copy()
