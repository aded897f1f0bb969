"""Which steps of a clip stand for all of them, where reading them all takes too long."""

from __future__ import annotations

import numpy as np

from rlhp.types import Array


def phases(clips: int, length: int, every: int, rng: np.random.Generator) -> Array:
    """About one in `every` of the steps of each clip, evenly apart from a random phase of its own: [clips, steps], ascending.

    Circular systematic sampling: the steps are counted on past a clip's end from its beginning. So every step is drawn with the
    same probability, and the sum over those drawn, times L over their number, has the clip's sum for its expectation.
    """
    read = max(1, round(length / every))
    apart = np.arange(read) * length // read
    return np.sort((rng.integers(length, size=(clips, 1)) + apart) % length, axis=1)


def middles(length: int, every: int) -> tuple[Array, Array]:
    """The middle one of every `every` steps of a clip, and how many steps it stands for; the last may be fewer: both [steps]."""
    first = np.arange(0, length, every)
    stands_for = np.minimum(every, length - first)
    return first + stands_for // 2, stands_for
