"""Subsamples of a clip's steps, for where reading all of them takes too long."""

from __future__ import annotations

import numpy as np

from rlhp.types import Array


def systematic(clips: int, length: int, every: int, rng: np.random.Generator) -> Array:
    """About one in `every` of the steps of each clip, evenly apart from a random phase of its own: [clips, steps], ascending.

    Circular systematic sampling: the steps are counted on past a clip's end from its beginning. So every step is drawn with the
    same probability, and the sum over those drawn, times L over their number, has the clip's sum for its expectation.
    """
    read = max(1, round(length / every))
    apart = np.arange(read) * length // read
    return np.sort((rng.integers(length, size=(clips, 1)) + apart) % length, axis=1)


def middle_steps(length: int, every: int) -> tuple[Array, Array]:
    """The middle one of every `every` steps of a clip, and how many steps it represents; the last may be fewer: both [steps]."""
    first = np.arange(0, length, every)
    represents = np.minimum(every, length - first)
    return first + represents // 2, represents
