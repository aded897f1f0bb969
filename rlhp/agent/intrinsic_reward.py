"""Intrinsic rewards for rollouts that get no other reward, as before the first labels."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rlhp.agent.flatten import swap_and_flatten
from rlhp.types import Array, Rollout, Stateful, UserError

ROWS = 256  # states whose distances are computed at once, to bound memory


class IntrinsicReward(Stateful, Protocol):
    """A reward that replaces the learned one until that exists."""

    def __call__(self, rollout: Rollout) -> Array | None:
        """The reward [T, N], or None: the policy is not updated."""
        ...


class NoIntrinsicReward:
    """No intrinsic reward: the policy is not updated, since a random policy explores already."""

    def __call__(self, rollout: Rollout) -> Array | None:
        """No reward."""
        return None

    def snapshot(self) -> dict[str, Array]:
        """No state."""
        return {}

    def restore(self, state: dict[str, Array]) -> None:
        """No state."""


class StateEntropy:
    """Rewards states that are far from others: the unsupervised warm start of PEBBLE and PrefPPO (Lee et al. 2021a, 2021b).

    A state's reward is the distance to its `neighbours`-th nearest neighbour among the states of its rollout and of all earlier
    rollouts, a particle estimate of the density. Maximising it increases the entropy of the visited states. Both papers use the
    logarithm of the distance in the text and the distance itself in their code, as here. Unlike theirs, which use raw
    observations and all earlier states, distances are in standard deviations of each observation, and an evenly spaced sample of
    at most `particles` earlier states is kept. Raises UserError if `neighbours` or `particles` is less than 1.
    """

    def __init__(self, neighbours: int = 5, particles: int = 8192) -> None:
        if neighbours < 1 or particles < 1:
            raise UserError(
                f"agent.intrinsic_reward needs neighbours and particles of at least 1, not {neighbours} and {particles}."
            )
        self._neighbours, self._particles = neighbours, particles
        self._before, self._seen, self._stride = torch.zeros(0), 0, 1

    def __call__(self, rollout: Rollout) -> Array:
        """The reward [T, N]; the states of the rollout then belong to the earlier states."""
        states = swap_and_flatten(rollout.obs).flatten(1)
        everything = torch.cat([self._before, states]) if len(self._before) else states
        spread = everything.std(dim=0, correction=0)
        spread[spread < 1e-6] = 1.0
        near = nearest(states / spread, everything / spread, self._neighbours)
        self._remember(states)
        steps, envs = rollout.true_reward.shape
        return near.reshape(envs, steps).t().numpy()

    def _remember(self, states: Tensor) -> None:
        """Keep every `stride`-th state of the run, environment by environment; when full, drop every second one."""
        new = states[-self._seen % self._stride :: self._stride]
        self._before, self._seen = torch.cat([self._before, new]) if len(self._before) else new, self._seen + len(states)
        while len(self._before) > self._particles:
            self._before, self._stride = self._before[::2], 2 * self._stride

    def snapshot(self) -> dict[str, Array]:
        """The sample of earlier states."""
        return {"before": self._before.numpy().copy(), "counters": np.array([self._seen, self._stride], np.int64)}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._before = torch.from_numpy(state["before"].copy())
        self._seen, self._stride = (int(number) for number in state["counters"])


def nearest(points: Tensor, among: Tensor, k: int) -> Tensor:
    """The distance of each point [n, width] to its k-th nearest neighbour in `among`, or to the farthest if there are fewer.

    `points` are part of `among`, and a point is not its own neighbour. Distances are computed from differences, since matrix
    products would lose small distances to rounding.
    """
    rank = min(k + 1, len(among))
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cat([torch.cdist(rows, among, compute_mode=mode).kthvalue(rank).values for rows in points.split(ROWS)])
