"""A faster version of Gymnasium's CarRacing."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from rlhp.types import UserError


class Repeat(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Repeats each action for `steps` steps, sums their rewards, and renders only the observation after the last.

    Rendering takes nine tenths of CarRacing's time. For `env.wrappers`, as the innermost wrapper. Raises UserError for other
    environments.
    """

    def __init__(self, env: gymnasium.Env, steps: int = 8) -> None:
        super().__init__(env)
        if not callable(getattr(env.unwrapped, "_render", None)):
            raise UserError("rlhp.envs.car_racing.Repeat in env.wrappers is for CarRacing-v3 alone.")
        self._car: Any = env.unwrapped
        self._steps = steps
        self.metadata = {**env.metadata, "render_fps": env.metadata["render_fps"] / steps}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Run `steps` steps, or fewer if the episode ends."""
        total, draw = 0.0, self._car._render
        self._car._render = lambda mode: np.zeros((), np.uint8)  # shadows the method
        try:
            for left in reversed(range(self._steps)):
                if left == 0:
                    del self._car._render
                observation, reward, terminated, truncated, info = self.env.step(action)
                total += float(reward)
                if terminated or truncated:
                    break
        finally:
            self._car.__dict__.pop("_render", None)
        if left > 0:
            observation = self._car.state = draw("state_pixels")
        return observation, total, terminated, truncated, info
