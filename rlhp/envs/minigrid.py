"""MiniGrid's rooms for learning from few comparisons: a denser reward and small observations."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rlhp.types import Array, UserError

DIRECTIONS = 4


class Nearer(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds to the room's reward the progress of each step towards the goal, in squares walked, as a fraction of the room's size.

    Two clips in which the agent does not arrive are equal by the room's own reward, so comparing them teaches nothing, although
    a person sees which one gets nearer. Walls and doors within the room are ignored. This is potential-based shaping (Ng, Harada
    and Russell 1999) without discount, so detours do not pay.

    For `env.wrappers`, as the innermost wrapper. Raises UserError for environments that are not MiniGrid's.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._room = _room(env, type(self))
        self._before = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        started = self.env.reset(seed=seed, options=options)
        self._before = self._distance()
        return started

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Run one step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        nearer, self._before = self._before - self._distance(), self._distance()
        return observation, float(reward) + nearer, terminated, truncated, info

    def _distance(self) -> float:
        """Squares to walk to the goal, divided by the sum of the room's width and height; 0 if there is no goal."""
        grid, (x, y) = self._room.grid, self._room.agent_pos
        goals = [divmod(i, grid.width) for i, thing in enumerate(grid.grid) if thing is not None and thing.type == "goal"]
        return min((abs(int(x) - column) + abs(int(y) - row) for row, column in goals), default=0) / (grid.width + grid.height)


class Place(gymnasium.ObservationWrapper[Array, Any, Any]):
    """Replaces the view by the agent's position and direction, one-hot: [width + height + 4] float32.

    In an empty room this is all the information there is, and the input is small enough for a few hundred comparisons. For
    `env.wrappers`. Raises UserError for environments that are not MiniGrid's.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._room = _room(env, type(self))
        size = self._room.width + self._room.height + DIRECTIONS
        self.observation_space = spaces.Box(0, 1, (size,), np.float32)

    def observation(self, observation: Any) -> Array:
        """Return column, row and direction, one-hot."""
        seen, (x, y) = np.zeros(self.observation_space.shape or (), np.float32), self._room.agent_pos
        columns, rows = self._room.width, self._room.height
        seen[[int(x), columns + int(y), columns + rows + int(self._room.agent_dir)]] = 1
        return seen


def _room(env: gymnasium.Env, wrapper: type) -> Any:
    if not hasattr(env.unwrapped, "agent_pos"):
        raise UserError(f"{wrapper.__module__}.{wrapper.__name__} in env.wrappers is for MiniGrid's rooms alone.")
    return env.unwrapped
