"""MiniGrid's rooms for learning from few comparisons: a reward that a beginner's clips differ in, and small observations."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rlhp.types import Array, UserError

DIRECTIONS = 4


class Nearer(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The room's own reward, and for each step the share of the room by which it comes nearer to the goal, in squares walked.

    Two clips in which nobody arrives are equal by the room's own reward, and comparing them teaches nothing, but whoever watches
    them sees which one gets nearer. Walls and doors within the room are not regarded. It is a potential-based shaping (Ng, Harada
    and Russell 1999), undiscounted: no detour pays.

    For `env.wrappers`, the innermost one. Raises UserError for environments that are not MiniGrid's.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._room = _room(env, type(self))
        self._before = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        begun = self.env.reset(seed=seed, options=options)
        self._before = self._distance()
        return begun

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        nearer, self._before = self._before - self._distance(), self._distance()
        return observation, float(reward) + nearer, terminated, truncated, info

    def _distance(self) -> float:
        """Squares to walk, in widths and heights of the room; 0 where it has no goal."""
        grid, (x, y) = self._room.grid, self._room.agent_pos
        goals = [divmod(i, grid.width) for i, thing in enumerate(grid.grid) if thing is not None and thing.type == "goal"]
        return min((abs(int(x) - column) + abs(int(y) - row) for row, column in goals), default=0) / (grid.width + grid.height)


class Place(gymnasium.ObservationWrapper[Array, Any, Any]):
    """Observes where the agent stands and looks, [width + height + 4] float32 of zeros and three ones, in the place of a view.

    That is all there is to know of an empty room, in fewer numbers than a few hundred comparisons are enough for. For
    `env.wrappers`. Raises UserError for environments that are not MiniGrid's.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._room = _room(env, type(self))
        size = self._room.width + self._room.height + DIRECTIONS
        self.observation_space = spaces.Box(0, 1, (size,), np.float32)

    def observation(self, observation: Any) -> Array:
        """Column, row and direction, one-hot."""
        seen, (x, y) = np.zeros(self.observation_space.shape or (), np.float32), self._room.agent_pos
        columns, rows = self._room.width, self._room.height
        seen[[int(x), columns + int(y), columns + rows + int(self._room.agent_dir)]] = 1
        return seen


def _room(env: gymnasium.Env, wrapper: type) -> Any:
    if not hasattr(env.unwrapped, "agent_pos"):
        raise UserError(f"{wrapper.__module__}.{wrapper.__name__} in env.wrappers is for MiniGrid's rooms alone.")
    return env.unwrapped
