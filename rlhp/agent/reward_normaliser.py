"""The scale of the reward that the policy's algorithm works with."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd

from rlhp.types import Array, Stateful


class RewardNormaliser(Stateful, Protocol):
    """Reward [T, N] and episode ends [T, N] -> scaled reward [T, N] float32."""

    def __call__(self, reward: Array, done: Array) -> Array:
        """Scale one rollout."""
        ...


class ReturnNormaliser:
    """Divides the reward by the running spread of its discounted return, and clips it: what SB3's VecNormalize does.

    A value function learns targets near 1 and hardly learns targets of some hundred, true reward or r-hat alike. The mean
    is left alone. Bit for bit the rewards of VecNormalize(norm_reward=True), but for a whole rollout at once.
    """

    def __init__(self, n_envs: int, gamma: float, clip: float = 10.0, epsilon: float = 1e-8) -> None:
        self._gamma, self._clip, self._epsilon = gamma, clip, epsilon
        self._spread = RunningMeanStd(shape=())
        self._returns = np.zeros(n_envs)

    def __call__(self, reward: Array, done: Array) -> Array:
        """Scale one rollout and learn from it."""
        returns = self._discounted(reward, done)
        means, spreads = returns.mean(axis=1), returns.var(axis=1)
        divisors = np.empty((len(reward), 1))
        for t, (mean, var) in enumerate(zip(means, spreads, strict=True)):
            self._spread.update_from_moments(mean, var, returns.shape[1])
            divisors[t] = np.sqrt(self._spread.var + self._epsilon)
        return np.clip(reward / divisors, -self._clip, self._clip).astype(np.float32)

    def _discounted(self, reward: Array, done: Array) -> Array:
        """The return up to each step, [T, N]; it starts again after an episode's end."""
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
        """Go on from a snapshot."""
        self._spread.mean, self._spread.var = state["mean"].copy(), state["var"].copy()
        self._spread.count, self._returns = float(state["count"]), state["returns"].copy()


class NoNormalisation:
    """Leaves the reward as it is."""

    def __call__(self, reward: Array, done: Array) -> Array:
        """The reward, in single precision."""
        return reward.astype(np.float32)

    def snapshot(self) -> dict[str, Array]:
        """No state."""
        return {}

    def restore(self, state: dict[str, Array]) -> None:
        """No state."""
