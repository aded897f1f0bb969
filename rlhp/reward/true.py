"""The true reward in place of a learned one, for the paper's RL baseline."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from rlhp.types import Array, Evidence, Metrics, Rollout, Steps


class TrueReward:
    """The task's own reward. There is nothing to fit, so any spaces will do."""

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space) -> None:
        pass

    def __call__(self, rollout: Rollout) -> Array:
        """The rollout's true reward, [T, N]."""
        return rollout.true_reward

    def predict_members(self, steps: Steps) -> Array:
        """The true reward as an ensemble of one member, without disagreement: [1, n, L]."""
        return steps.true_reward[np.newaxis]

    def fit(self, evidence: Evidence, gradient_steps: int) -> Metrics:
        """Nothing to do."""
        return {}

    def snapshot(self) -> dict[str, Array]:
        """No state."""
        return {}

    def restore(self, state: dict[str, Array]) -> None:
        """No state."""
