"""Episodes of one length for tasks that end them: an end tells about the task, and rewards that are learned have no zero."""

from __future__ import annotations

from typing import Any

import gymnasium

from rlhp.types import UserError


class Endless(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Where the environment within ends an episode, the next one begins in the same step, and the agent is not told.

    Time alone ends an episode, after `steps` steps in all; None: the time limit that the environment has. The paper's tasks are
    changed in this way (section 3.1.1): the end of an episode tells how it went, and where reaching a goal ends it, an agent
    whose learned reward is positive everywhere does better to stay away. An episode's return is that of all its steps. `info`
    tells where clips must not go on (`cut`, see `rlhp.types.Env`).

    For `env.wrappers`. Raises UserError where there is no limit.
    """

    def __init__(self, env: gymnasium.Env, steps: int | None = None) -> None:
        super().__init__(env)
        limit = steps or (env.spec and env.spec.max_episode_steps)
        if not limit:
            raise UserError("rlhp.envs.endless.Endless in env.wrappers wants a time limit: set env.max_episode_steps.")
        self.steps, self._elapsed, self._paid = limit, 0, 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._elapsed, self._paid = 0, 0.0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step; the observation after a hidden end is the next start's."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._elapsed += 1
        self._paid += float(reward)
        if self._elapsed >= self.steps:
            return observation, reward, False, True, {**info, "score": self._paid}
        if terminated or truncated:
            observation, _ = self.env.reset()
            info = {**info, "cut": True, "shortened": True}
        return observation, reward, False, False, info
