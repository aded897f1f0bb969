"""A probe environment with a known optimum: a point in the plane that should move to the origin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium import spaces

from rlhp.envs.batch import BatchVecEnv, check_counts
from rlhp.types import Array

STEP = 0.1  # seconds per environment step: how far a coordinate moves at full speed


def make(n_envs: int, seed: int, horizon: int = 50) -> PointVecEnv:
    """Create `n_envs` environments. Raises UserError for values out of range."""
    check_counts(seed, n_envs=n_envs, horizon=horizon)
    return PointVecEnv(n_envs, seed, horizon)


def optimum(start: Array, horizon: int) -> Array:
    """Compute the best possible return [...] from positions [..., 2]: every coordinate moves to 0 at full speed and stays there.

    This minimises each coordinate, and so the distance, at every step t: its absolute value is max(|start| - t STEP, 0).
    """
    t = np.arange(1, horizon + 1)
    left = np.maximum(np.abs(start)[..., None] - t * STEP, 0)  # [..., 2, horizon]
    return -np.linalg.norm(left, axis=-2).sum(axis=-1)


class PointVecEnv(BatchVecEnv):
    """N points in the plane: observations [N, 2] are positions, actions [N, 2] are velocities, clipped to [-1, 1].

    Starts are uniform in [-1, 1]^2. The true reward is minus the distance to the origin after the step, so the optimal action is
    -position / STEP, clipped, and `optimum` gives the optimal return: from (0.3, 0) it is -(0.2 + 0.1) = -0.3.
    """

    def __init__(self, n_envs: int, seed: int, horizon: int) -> None:
        box, velocity = spaces.Box(-np.inf, np.inf, (2,), np.float64), spaces.Box(-1, 1, (2,), np.float32)
        super().__init__("point", n_envs, seed, horizon, box, velocity)
        self._position = np.zeros((n_envs, 2))

    def states(self) -> None:
        """Return None: there is nothing to render."""
        return None

    def place(self, states: Array) -> Array:
        """Start episodes at positions [N, 2] and return the observations, which are equal to them."""
        self._elapsed[:], self._position = 0, states.astype(np.float64)
        return self._observe()

    def _begin(self, i: int, rng: np.random.Generator) -> None:
        self._position[i] = rng.uniform(-1, 1, 2)

    def _start(self, actions: Array) -> None:
        self._position = self._position + STEP * np.clip(actions, -1, 1).astype(np.float64)

    def _finish(self) -> tuple[Array, Sequence[int]]:
        return -np.linalg.norm(self._position, axis=1), []

    def _observe(self) -> Array:
        return self._position.copy()

    def _save(self) -> dict[str, Array]:
        return {"position": self._position}

    def _load(self, saved: dict[str, Array]) -> None:
        self._position = saved["position"].copy()
