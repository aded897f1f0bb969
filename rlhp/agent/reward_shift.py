"""The offset of the reward for the policy's algorithm."""

from __future__ import annotations

import numpy as np

from rlhp.agent.reward_normaliser import RewardNormaliser
from rlhp.types import Array, UserError

OVER = 40_960  # approximate window of the running mean and standard deviation, in environment steps


class RewardShift:
    """Shifts the reward so that its mean is `level` standard deviations, then applies `scale`.

    Comparisons leave the reward's offset undetermined: section 2.2.1 sets the mean of r-hat over the segments to 0, whatever
    that of the true reward is. With fixed-length episodes the offset does not change the optimal policy, but it changes what
    PPO finds. A fixed level removes this difference: r and a r + b with a > 0 are the same to the agent, so the true reward and
    every r-hat have the same offset. Mean and standard deviation are running statistics over the last steps. Raises UserError
    if `level` is not finite.
    """

    def __init__(self, scale: RewardNormaliser, level: float) -> None:
        if not isinstance(level, int | float) or not np.isfinite(level):
            raise UserError(
                f"agent.reward_shift is {level}, but it counts standard deviations of the reward: give a finite number, or null."
            )
        self._scale, self._level = scale, level
        self._mean, self._spread = np.array(np.nan), np.array(np.nan)  # no reward seen yet

    def __call__(self, reward: Array, done: Array) -> Array:
        """Update the statistics with one rollout [T, N], then shift and scale it."""
        share = min(1.0, reward.size / OVER)
        self._mean = _running(self._mean, reward.mean(dtype=float), share)
        self._spread = _running(self._spread, reward.std(dtype=float), share)
        return self._scale(reward + np.float32(self._level * self._spread - self._mean), done)

    def snapshot(self) -> dict[str, Array]:
        """The running statistics, and the state of `scale`."""
        return {"level/mean": self._mean, "level/spread": self._spread, **self._scale.snapshot()}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._mean, self._spread = state["level/mean"], state["level/spread"]
        self._scale.restore(state)


def _running(old: Array, new: float, share: float) -> Array:
    """Move a running statistic by `share` of the way to the new value, or all the way if there is no value yet."""
    return np.array(new if np.isnan(old) else old + share * (new - old))
