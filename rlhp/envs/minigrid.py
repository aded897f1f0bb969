"""MiniGrid's rooms with a reward that clips of a beginner differ in."""

from __future__ import annotations

from typing import Any

import gymnasium

from rlhp.types import UserError


class Nearer(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The room's own reward, and for each step the share of the room by which it comes nearer to the goal, in squares walked.

    Two clips in which nobody arrives are equal by the room's own reward, and comparing them teaches nothing, but whoever watches
    them sees which one gets nearer. Walls and doors within the room are not regarded. It is a potential-based shaping (Ng, Harada
    and Russell 1999), undiscounted: no detour pays.

    For `env.wrappers`, the innermost one. Raises UserError for environments that are not MiniGrid's.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self._room: Any = env.unwrapped
        if not hasattr(self._room, "agent_pos"):
            raise UserError("rlhp.envs.minigrid.Nearer in env.wrappers is for MiniGrid's rooms alone.")
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
