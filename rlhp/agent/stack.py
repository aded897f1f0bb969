"""Frames stacked for the policy."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from rlhp.types import Array
from rlhp.types.frames import seen_space


def stack_frames(env: VecEnv) -> VecEnv:
    """The environment as its policy sees it: with `FrameStack` where its attribute `stack` is above 1, else itself."""
    return FrameStack(env) if getattr(env, "stack", 1) > 1 else env


class FrameStack(VecEnvWrapper):
    """Observes the newest `stack` frames of each environment, [N, stack, *O], oldest first; `stack` is the environment's own.

    A stack starts with the first frame repeated, and starts again only where the agent is told that an episode is done: it
    runs on over a reset that the agent is not told about.
    """

    def __init__(self, venv: VecEnv) -> None:
        space: Any = seen_space(venv.observation_space, venv.stack)  # type: ignore[attr-defined]
        super().__init__(venv, observation_space=space)
        self._frames: Array = np.zeros((venv.num_envs, *space.shape), space.dtype)

    def reset(self) -> Array:
        """Start all stacks with the first frames."""
        self._frames = np.empty_like(self._frames)
        self._frames[:] = np.asarray(self.venv.reset())[:, np.newaxis]
        return self._frames

    def step_wait(self) -> VecEnvStepReturn:
        """The environment's step with its observations stacked, those at an episode's end too."""
        newest, reward, dones, infos = self.venv.step_wait()
        before, newest = self._frames[:, 1:], np.asarray(newest)
        self._frames = np.concatenate([before, newest[:, np.newaxis]], axis=1)  # callers keep the array of the step before
        for i in np.flatnonzero(dones):
            if "terminal_observation" in infos[i]:
                last = np.asarray(infos[i]["terminal_observation"])
                infos[i]["terminal_observation"] = np.concatenate([before[i], last[np.newaxis]])
            self._frames[i] = newest[i]
        return self._frames, reward, dones, infos

    def snapshot(self) -> dict[str, Array]:
        """The frames that the next stacks continue."""
        return {"frames": self._frames.copy()}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._frames = state["frames"].copy()
