"""Gymnasium's environments with rlhp's true rewards and without early ends, for libraries that take Gymnasium environments."""

from __future__ import annotations

from typing import Any

import gymnasium


class Height(gymnasium.RewardWrapper[Any, Any]):
    """Adds the height of Hopper's torso in metres: with the forward velocity, the reward is 1 + v + (z - 1)."""

    def reward(self, reward: Any) -> float:
        """Add the height after the step."""
        return float(reward) + float(self.unwrapped.data.qpos[1])  # type: ignore[attr-defined]


# by rlhp's name of the task: Gymnasium's id, arguments, and wrappers
TASKS: dict[str, tuple[str, dict[str, Any], tuple[type[gymnasium.Wrapper[Any, Any, Any, Any]], ...]]] = {
    "halfcheetah": ("HalfCheetah-v5", {"ctrl_cost_weight": 0.0}, ()),
    "swimmer": ("Swimmer-v5", {"ctrl_cost_weight": 0.0}, ()),
    "reacher": ("Reacher-v5", {"reward_control_weight": 0.0}, ()),
    "hopper": (
        "Hopper-v5",
        {"ctrl_cost_weight": 0.0, "healthy_reward": 0.0, "terminate_when_unhealthy": False},
        (Height,),
    ),
}
EPISODE = {"reacher": 50}  # steps, of the tasks whose episodes are shorter than 1000
