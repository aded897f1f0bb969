"""Conversion between the actions that Stable-Baselines3's policies choose and those of an environment's action space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from rlhp.types import Array

_LARGEST = np.finfo(np.float32).max


@dataclass(frozen=True, slots=True)
class Actions:
    """The policy's action space, and the conversion to and from the environment's action space."""

    space: spaces.Space
    executed: Callable[[Array], Array]  # actions of the policy [N, *A] -> actions of the environment [N, *A]
    chosen: Callable[[Array], Array]  # the inverse


def of(space: spaces.Space) -> Actions:
    """Adapt an environment's action space to what SB3's policies support.

    For Discrete and MultiDiscrete spaces they choose 0 to n - 1, whatever the start of the space. MultiDiscrete and MultiBinary
    spaces must have one axis. For a Box of integers they choose real numbers. A Box must have finite bounds, which are used
    only to clip.
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
    """Flatten a space of integers from `start` to one axis of integers from 0; policies receive them as float32."""
    shape, dtype = space.shape or (), space.dtype

    def executed(chosen: Array) -> Array:
        return (np.asarray(chosen).reshape(-1, *shape) + start).astype(dtype)

    def chosen(executed: Array) -> Array:
        return (executed - start).reshape(len(executed), -1).astype(np.float32)

    return Actions(flat, executed, chosen)
