"""Fixed-length episodes for tasks that end early: an end reveals the task, and the offset of a learned reward is undetermined."""

from __future__ import annotations

from typing import Any

import gymnasium

from rlhp.types import UserError


class Endless(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Hides the end of an episode: when the wrapped environment ends one, the next one starts in the same step.

    Only the time limit ends an episode, after `steps` steps in total; None: the time limit of the environment. The paper changes
    its tasks in this way (section 3.1.1): the end of an episode reveals how it went, and if reaching a goal ends it, an agent
    whose learned reward is positive everywhere does better to stay away from the goal. An episode's return is the sum over all
    its steps. `info` marks where clips must not continue (`cut`, see `rlhp.types.Env`).

    For `env.wrappers`. Raises UserError if there is no time limit.
    """

    def __init__(self, env: gymnasium.Env, steps: int | None = None) -> None:
        super().__init__(env)
        limit = steps or (env.spec and env.spec.max_episode_steps)
        if not limit:
            raise UserError("rlhp.envs.endless.Endless in env.wrappers needs a time limit: set env.max_episode_steps.")
        self.steps, self._elapsed, self._return = limit, 0, 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        self._elapsed, self._return = 0, 0.0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Run one step; after a hidden end, the observation is the first of the next episode."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._elapsed += 1
        self._return += float(reward)
        if self._elapsed >= self.steps:
            return observation, reward, False, True, {**info, "score": self._return}
        if terminated or truncated:
            observation, _ = self.env.reset()
            info = {**info, "cut": True, "shortened": True}
        return observation, reward, False, False, info
