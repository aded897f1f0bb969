"""Gymnasium's CarRacing at a speed at which it can be learned from."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from rlhp.types import UserError


class Repeat(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Each action is taken for `steps` steps, whose rewards are summed, and only what is seen after the last is drawn.

    Drawing takes nine tenths of CarRacing's time. For `env.wrappers`, the innermost one. Raises UserError for other environments.
    """

    def __init__(self, env: gymnasium.Env, steps: int = 8) -> None:
        super().__init__(env)
        if not callable(getattr(env.unwrapped, "_render", None)):
            raise UserError("rlhp.envs.car_racing.Repeat in env.wrappers is for CarRacing-v3 alone.")
        self._car: Any = env.unwrapped
        self._steps = steps
        self.metadata = {**env.metadata, "render_fps": env.metadata["render_fps"] / steps}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """`steps` steps, or as many as the episode has."""
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
