"""Scaling of the reward for the policy's algorithm."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd

from rlhp.types import Array, Stateful


class RewardNormaliser(Stateful, Protocol):
    """Scales rewards: reward [T, N] and episode ends [T, N] -> scaled reward [T, N] float32."""

    def __call__(self, reward: Array, done: Array) -> Array:
        """Scale one rollout."""
        ...


class ReturnNormaliser:
    """Divides the reward by the running standard deviation of its discounted return and clips it, as SB3's VecNormalize.

    A value function learns targets near 1 but hardly targets of several hundred, for the true reward and for r-hat. The mean
    does not change. The results equal those of VecNormalize(norm_reward=True) bit for bit, for a whole rollout at once.
    """

    def __init__(self, n_envs: int, gamma: float, clip: float = 10.0, epsilon: float = 1e-8) -> None:
        self._gamma, self._clip, self._epsilon = gamma, clip, epsilon
        self._spread = RunningMeanStd(shape=())
        self._returns = np.zeros(n_envs)

    def __call__(self, reward: Array, done: Array) -> Array:
        """Update the statistics with one rollout, and scale it."""
        returns = self._discounted(reward, done)
        means, spreads = returns.mean(axis=1), returns.var(axis=1)
        divisors = np.empty((len(reward), 1))
        for t, (mean, var) in enumerate(zip(means, spreads, strict=True)):
            self._spread.update_from_moments(mean, var, returns.shape[1])
            divisors[t] = np.sqrt(self._spread.var + self._epsilon)
        return np.clip(reward / divisors, -self._clip, self._clip).astype(np.float32)

    def _discounted(self, reward: Array, done: Array) -> Array:
        """The discounted sum of rewards up to each step, [T, N]; it restarts after the end of an episode."""
        returns = np.empty(reward.shape)
        for t, (now, ended) in enumerate(zip(reward, done, strict=True)):
            returns[t] = self._returns * self._gamma + now
            self._returns = np.where(ended, 0.0, returns[t])
        return returns

    def snapshot(self) -> dict[str, Array]:
        """The running statistics."""
        return {
            "mean": np.array(self._spread.mean),
            "var": np.array(self._spread.var),
            "count": np.array(self._spread.count),
            "returns": self._returns.copy(),
        }

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._spread.mean, self._spread.var = state["mean"].copy(), state["var"].copy()
        self._spread.count, self._returns = float(state["count"]), state["returns"].copy()


class NoNormalisation:
    """Does not scale the reward."""

    def __call__(self, reward: Array, done: Array) -> Array:
        """The reward in float32."""
        return reward.astype(np.float32)

    def snapshot(self) -> dict[str, Array]:
        """No state."""
        return {}

    def restore(self, state: dict[str, Array]) -> None:
        """No state."""
