"""Between the actions that a policy of Stable-Baselines3 chooses and those that an environment's space holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from rlhp.types import Array

_LARGEST = np.finfo(np.float32).max


@dataclass(frozen=True, slots=True)
class Actions:
    """The space that a policy acts in, and what the environment executes for an action of it."""

    space: spaces.Space
    executed: Callable[[Array], Array]  # actions of `space` [N, *A] -> actions of the environment's own space [N, *A]
    chosen: Callable[[Array], Array]  # and back


def of(space: spaces.Space) -> Actions:
    """Translate what SB3's policies do otherwise than a space says.

    They choose 0 to n - 1 from a Discrete or MultiDiscrete space wherever it starts, want one axis of MultiDiscrete and
    MultiBinary spaces, choose real numbers from a Box of integers, and want finite bounds of a Box, which they use to clip alone.
    """
    match space:
        case spaces.Discrete() if space.start != 0:
            start = space.start
            return Actions(spaces.Discrete(int(space.n)), lambda chosen: chosen + start, lambda executed: executed - start)
        case spaces.MultiDiscrete():
            return _shaped(spaces.MultiDiscrete(space.nvec.ravel()), space, space.start)
        case spaces.MultiBinary():
            return _shaped(spaces.MultiBinary(int(np.prod(space.shape))), space, np.zeros(space.shape, np.int8))
        case spaces.Box() if np.issubdtype(space.dtype, np.integer):
            dtype = space.dtype
            real = spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)
            return Actions(real, lambda chosen: np.rint(chosen).astype(dtype), lambda executed: executed.astype(np.float32))
        case spaces.Box() if not space.is_bounded():
            low, high = space.low.clip(-_LARGEST), space.high.clip(None, _LARGEST)
            return Actions(spaces.Box(low, high, dtype=np.float32), np.array, np.array)
        case _:
            return Actions(space, np.array, np.array)


def _shaped(flat: spaces.Space, space: spaces.Space, start: Array) -> Actions:
    """Whole numbers from 0 in one axis, of a space with axes of its own and numbers from `start`; policies read them as real."""
    shape, dtype = space.shape or (), space.dtype

    def executed(chosen: Array) -> Array:
        return (np.asarray(chosen).reshape(-1, *shape) + start).astype(dtype)

    def chosen(executed: Array) -> Array:
        return (executed - start).reshape(len(executed), -1).astype(np.float32)

    return Actions(flat, executed, chosen)
