"""Where the zero of the reward lies that the policy's algorithm works with."""

from __future__ import annotations

import numpy as np

from rlhp.agent.reward_normaliser import RewardNormaliser
from rlhp.types import Array, UserError

OVER = 40_960  # environment steps that the running mean and spread look back over, about


class RewardShift:
    """Moves the reward so that its mean is `level` times its spread, then hands it to `scale`.

    Comparisons tell a reward but for a constant: section 2.2.1 puts r-hat's mean over the clips at 0, whatever the true one's is.
    Where episodes end by time alone, no policy becomes better or worse by a constant, but PPO finds others with another one.
    With a level, the true reward and every r-hat are alike in this: r and a r + b, a > 0, are the same to the agent. Mean and
    spread are running ones, over the last steps.
    Raises UserError where `level` is not finite.
    """

    def __init__(self, scale: RewardNormaliser, level: float) -> None:
        if not isinstance(level, int | float) or not np.isfinite(level):
            raise UserError(f"agent.reward_shift is {level}, but it counts the reward's spreads: give a finite number, or null.")
        self._scale, self._level = scale, level
        self._mean, self._spread = np.array(np.nan), np.array(np.nan)  # none seen

    def __call__(self, reward: Array, done: Array) -> Array:
        """Learn from one rollout [T, N], move it and scale it."""
        share = min(1.0, reward.size / OVER)
        self._mean = _towards(self._mean, reward.mean(dtype=float), share)
        self._spread = _towards(self._spread, reward.std(dtype=float), share)
        return self._scale(reward + np.float32(self._level * self._spread - self._mean), done)

    def snapshot(self) -> dict[str, Array]:
        """The running statistics, and what the scale has."""
        return {"level/mean": self._mean, "level/spread": self._spread, **self._scale.snapshot()}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot."""
        self._mean, self._spread = state["level/mean"], state["level/spread"]
        self._scale.restore(state)


def _towards(old: Array, new: float, share: float) -> Array:
    """A share of the way; all of it from where there is nothing yet."""
    return np.array(new if np.isnan(old) else old + share * (new - old))
