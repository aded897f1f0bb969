"""Training data of a reward model: the answers so far, and batches of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from math import gcd

import numpy as np
import torch
from torch import Tensor

from rlhp.preference import Rankings
from rlhp.types import EMPTY, Array, Comparisons, Steps, make_rng, stacked


def bootstrap_weights(queries: Array, members: int, seed: int) -> Array:
    """How often each member sees each answer: Poisson(1), determined by (seed, member, query); [M, n].

    Drawing n of n answers with replacement includes each about Poisson(1) times and leaves out a fraction 1/e. Those, of weight
    0, are the member's validation set (section 2.2.3). A single member sees all other answers exactly once.
    """
    ids, row = np.unique(queries, return_inverse=True)
    draws = [[_draw_count(seed, k, i) for i in ids.tolist()] for k in range(members)]
    weights = np.array(draws, dtype=np.float32).reshape(members, len(ids))[:, row]
    return np.minimum(weights, 1.0) if members == 1 else weights


@lru_cache(maxsize=2**18)
def _draw_count(seed: int, member: int, query: int) -> int:
    return int(make_rng(seed, "bootstrap", member, query).poisson(1.0))


@dataclass(frozen=True, slots=True)
class Batch:
    """b answers, as inputs of the network."""

    clips: Tensor  # [C, L, *x]: all first clips, then all second ones, ...; a clip appears once per answer that shows it
    rankings: Rankings  # of these clips
    seen: Tensor  # [M, b]: how often each member sees each answer


class Dataset:
    """n answers that rank or rate clips.

    Batches are drawn from the `newest` answers (None: all) and those that are always kept, without flagged ones. `prepare`
    converts stacked observations [*B, *O] and actions [*B, *A] to the network's inputs of each step: [*B, *x].
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
        oldest = 0 if newest is None else max(0, len(comparisons) - newest)
        self._rows = np.concatenate([np.flatnonzero(comparisons.always_kept[:oldest]), np.arange(oldest, len(comparisons))])
        self._rows = self._rows[~comparisons.flagged[self._rows]]
        self._returns = _returns(comparisons)
        self._seen = torch.from_numpy(bootstrap_weights(comparisons.query, members, seed))

    def __len__(self) -> int:
        return len(self.comparisons)

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Draw the rows of `size` answers, uniformly among those that batches are drawn from."""
        return self._rows[rng.integers(len(self._rows), size=size)]

    def batch(self, rows: Array) -> Batch:
        """The complete answers of these rows, with every clip of a ranking."""
        shown, ranks = self.comparisons.shown[rows].T, self.comparisons.ranks[rows]
        there = shown != EMPTY
        position = np.where(there, np.cumsum(there).reshape(there.shape) - 1, 0)  # index of a clip among the encoded ones
        rankings = Rankings(
            clip=torch.from_numpy(position.T),
            rank=torch.from_numpy(ranks),
            there=torch.from_numpy(there.T),
            returns=torch.from_numpy(self._returns[rows]),
            **self._rated(rows),
        )
        return Batch(self._encoded(shown[there]), rankings, self._seen[:, torch.from_numpy(rows)])

    def _rated(self, rows: Array) -> dict[str, Tensor]:
        """The further fields of rankings if some answers are ratings."""
        rating = self.comparisons.rating[rows]
        if np.isnan(rating).all():
            return {}
        return {"rating": torch.from_numpy(rating), "annotator": torch.from_numpy(self.comparisons.annotator[rows])}

    def clips(self, first: int) -> Tensor:
        """The clips of all answers from index `first` on: [*, L, *x]. Their order is by query, so that it is always the same."""
        shown = self.comparisons.shown[first:]
        return self._encoded(shown[shown != EMPTY])

    def steps(self, most: int) -> Tensor:
        """About `most` steps, evenly spaced over the clips of the drawn answers and over the steps of a clip: [*, *x]."""
        shown, length = self.comparisons.shown[self._rows], self.comparisons.clips.true_reward.shape[1]
        n, sides = shown.shape
        row, time = np.divmod(np.arange(n * length)[:: stride(n, length, max(most // sides, 1))], length)
        clip = shown[row].T.ravel()
        return self._read(self.comparisons.clips.at(clip[clip != EMPTY], np.tile(time, sides)[clip != EMPTY])).flatten(0, 1)

    def _encoded(self, clips: Array) -> Tensor:
        return self._read(self.comparisons.clips[clips])

    def _read(self, steps: Steps) -> Tensor:
        return self._prepare(stacked(steps.obs, steps.true_reward.shape[1], axis=1), steps.act)


def stride(clips: int, length: int, most: int) -> int:
    """The stride at which at most `most` of the steps of `clips` clips, laid end to end, are read.

    It has no divisor in common with `length`: otherwise only some positions within clips would ever be read, at worst a single
    one.
    """
    least = max(1, -(-clips * length // most))
    return next(every for every in count(least) if gcd(every, length) == 1)


def _returns(comparisons: Comparisons) -> Array:
    """The true returns of each answer's clips, normalised to mean 0 and standard deviation 1: [n, K] float32.

    0 where an answer has no clip.
    """
    there = comparisons.shown.T != EMPTY
    each = np.where(there, comparisons.clips.true_reward.sum(axis=1)[comparisons.shown.T], 0.0)
    known = each[there]
    return np.where(there, (each - known.mean()) / max(float(known.std()), 1e-6), 0.0).T.astype(np.float32)
