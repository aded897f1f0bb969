"""The comparisons so far, as a reward model draws from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from math import gcd

import numpy as np
import torch
from torch import Tensor

from rlhp.preference import Labels
from rlhp.types import Array, Comparisons, Steps, stacked, stream


def bootstrap_weights(queries: Array, members: int, seed: int) -> Array:
    """How often each member sees each comparison: Poisson(1), fixed for ever by (seed, member, question); [M, n].

    Drawing n of n comparisons with replacement shows each one about Poisson(1) times and leaves out 1/e of them: those, of
    weight 0, are the member's validation set (section 2.2.3). A single member sees the others exactly once.
    """
    ids, row = np.unique(queries, return_inverse=True)
    draws = [[_times_drawn(seed, k, i) for i in ids.tolist()] for k in range(members)]
    weights = np.array(draws, dtype=np.float32).reshape(members, len(ids))[:, row]
    return np.minimum(weights, 1.0) if members == 1 else weights


@lru_cache(maxsize=2**18)
def _times_drawn(seed: int, member: int, query: int) -> int:
    return int(stream(seed, "bootstrap", member, query).poisson(1.0))


@dataclass(frozen=True, slots=True)
class Batch:
    """b comparisons, ready for the network."""

    clips: Tensor  # [2 b, L, *x]: all left ones, then all right ones
    labels: Labels
    weight: Tensor  # [M, b]: what each comparison counts for each member
    seen: Tensor  # [M, b]: the bootstrap weights


class Dataset:
    """n comparisons, of which the `newest` are drawn (None: all); only what is drawn is copied.

    `prepare` makes of stacked observations [*B, *O] and actions [*B, *A] what a network reads of each step: [*B, *x].
    """

    def __init__(
        self,
        comparisons: Comparisons,
        prepare: Callable[[Array, Array], Tensor],
        members: int,
        seed: int,
        newest: int | None = None,
    ) -> None:
        self.comparisons = comparisons
        self._prepare = prepare
        self._oldest = 0 if newest is None else max(0, len(comparisons) - newest)
        self._labels = _labels(comparisons)
        self._weight = torch.from_numpy(comparisons.weight).float()
        self._seen = torch.from_numpy(bootstrap_weights(comparisons.query, members, seed))

    def __len__(self) -> int:
        return len(self.comparisons)

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Rows of so many comparisons, uniformly among the newest."""
        return self._oldest + rng.integers(len(self) - self._oldest, size=size)

    def batch(self, rows: Array) -> Batch:
        """The comparisons of these rows."""
        chosen, of = torch.from_numpy(rows), self._labels
        clips = np.concatenate([self.comparisons.left[rows], self.comparisons.right[rows]])
        labels = Labels(of.mu[chosen], of.left_return[chosen], of.right_return[chosen])
        seen = self._seen[:, chosen]
        return Batch(self._encoded(clips), labels, seen * self._weight[chosen], seen)

    def clips(self, first: int) -> Tensor:
        """The clips of all comparisons from the `first` on, pair by pair, so that their order is always one: [*, L, *x]."""
        return self._encoded(np.stack([self.comparisons.left[first:], self.comparisons.right[first:]], axis=1).ravel())

    def steps(self, most: int) -> Tensor:
        """At most so many steps, spread evenly over the clips of the newest comparisons and over a clip's steps: [*, *x]."""
        n, length = len(self) - self._oldest, self.comparisons.clips.true_reward.shape[1]
        row, time = np.divmod(np.arange(n * length)[:: stride(n, length, most // 2)], length)
        clip = np.concatenate([side[self._oldest + row] for side in (self.comparisons.left, self.comparisons.right)])
        return self._read(self.comparisons.clips.at(clip, np.tile(time, 2))).flatten(0, 1)

    def _encoded(self, clips: Array) -> Tensor:
        return self._read(self.comparisons.clips[clips])

    def _read(self, steps: Steps) -> Tensor:
        return self._prepare(stacked(steps.obs, steps.true_reward.shape[1], axis=1), steps.act)


def stride(clips: int, length: int, most: int) -> int:
    """The distance at which at most `most` of the steps of `clips` clips, laid end to end, are read.

    It has no divisor in common with `length`: otherwise only some steps of a clip would ever be read, at worst a single one.
    """
    least = max(1, -(-clips * length // most))
    return next(every for every in count(least) if gcd(every, length) == 1)


def _labels(comparisons: Comparisons) -> Labels:
    each = comparisons.clips.true_reward.sum(axis=1)
    returns = np.stack([each[comparisons.left], each[comparisons.right]])
    left, right = torch.from_numpy((returns - returns.mean()) / max(float(returns.std()), 1e-6)).float()
    return Labels(torch.from_numpy(comparisons.mu).float(), left, right)
