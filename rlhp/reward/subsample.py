"""Subsamples of a clip's steps, for runs in which reading all steps takes too long."""

from __future__ import annotations

import numpy as np

from rlhp.types import Array


def systematic(clips: int, length: int, every: int, rng: np.random.Generator) -> Array:
    """About one in `every` steps of each clip, evenly spaced from a random phase per clip: [clips, steps], ascending.

    This is circular systematic sampling: the positions wrap around at the end of a clip. Every step has the same probability, so
    the sum over the sample, times L over its size, is an unbiased estimate of the clip's sum.
    """
    read = max(1, round(length / every))
    offsets = np.arange(read) * length // read
    return np.sort((rng.integers(length, size=(clips, 1)) + offsets) % length, axis=1)


def middle_steps(length: int, every: int) -> tuple[Array, Array]:
    """The middle step of each run of `every` steps, and how many steps it represents (fewer in the last run): both [steps]."""
    first = np.arange(0, length, every)
    represents = np.minimum(every, length - first)
    return first + represents // 2, represents
