"""What the policy does with a rollout that nobody rewards, as before the first labels."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rlhp.agent.samples import swap_and_flatten
from rlhp.types import Array, Rollout, Stateful, UserError

ROWS = 256  # states whose distances are measured at once: bounds memory


class IntrinsicReward(Stateful, Protocol):
    """The reward in the place of one that is not there yet."""

    def __call__(self, rollout: Rollout) -> Array | None:
        """[T, N], or None: the policy stays as it is."""
        ...


class NoIntrinsicReward:
    """The policy stays as it is: a random one explores by itself."""

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

    A state's reward is its distance to its `neighbours`-th nearest among those of its rollout and of all before, a particle
    estimate of the density there; where all are rewarded so, the entropy of the states visited grows. Both papers take the
    distance's logarithm in the text and the distance itself in their code, as it is taken here. Distances are measured in
    standard deviations of each observation, and of the states before an evenly spaced sample of at most `particles` is kept:
    there both take raw observations, and all of them. Raises UserError for less than 1 of either.
    """

    def __init__(self, neighbours: int = 5, particles: int = 8192) -> None:
        if neighbours < 1 or particles < 1:
            raise UserError(
                f"agent.intrinsic_reward wants neighbours and particles of at least 1, not {neighbours} and {particles}."
            )
        self._neighbours, self._particles = neighbours, particles
        self._before, self._seen, self._stride = torch.zeros(0), 0, 1

    def __call__(self, rollout: Rollout) -> Array:
        """The reward [T, N]; the rollout's states are among those before from then on."""
        states = swap_and_flatten(rollout.obs).flatten(1)
        everything = torch.cat([self._before, states]) if len(self._before) else states
        spread = everything.std(dim=0, correction=0)
        spread[spread < 1e-6] = 1.0
        near = nearest(states / spread, everything / spread, self._neighbours)
        self._remember(states)
        steps, envs = rollout.true_reward.shape
        return near.reshape(envs, steps).t().numpy()

    def _remember(self, states: Tensor) -> None:
        """Every `stride`-th state of the run, environment by environment; when there are too many, every second one goes."""
        new = states[-self._seen % self._stride :: self._stride]
        self._before, self._seen = torch.cat([self._before, new]) if len(self._before) else new, self._seen + len(states)
        while len(self._before) > self._particles:
            self._before, self._stride = self._before[::2], 2 * self._stride

    def snapshot(self) -> dict[str, Array]:
        """The states before."""
        return {"before": self._before.numpy().copy(), "counters": np.array([self._seen, self._stride], np.int64)}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot."""
        self._before = torch.from_numpy(state["before"].copy())
        self._seen, self._stride = (int(number) for number in state["counters"])


def nearest(points: Tensor, among: Tensor, k: int) -> Tensor:
    """The distance of each point [n, width] to its k-th nearest of `among`, itself not counted; the farthest if there are fewer.

    `points` are among `among`. Differences are taken one by one: by products, small distances would drown in rounding.
    """
    rank = min(k + 1, len(among))
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cat([torch.cdist(rows, among, compute_mode=mode).kthvalue(rank).values for rows in points.split(ROWS)])
