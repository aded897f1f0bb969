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

    They choose 0 to n - 1 from a Discrete space wherever it starts, choose real numbers from a Box of integers, and want finite
    bounds of a Box, which they use to clip alone.
    """
    if isinstance(space, spaces.Discrete) and space.start != 0:
        start = space.start
        return Actions(spaces.Discrete(int(space.n)), lambda chosen: chosen + start, lambda executed: executed - start)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.integer):
        dtype = space.dtype
        real = spaces.Box(space.low.astype(np.float32), space.high.astype(np.float32), dtype=np.float32)
        return Actions(real, lambda chosen: np.rint(chosen).astype(dtype), lambda executed: executed.astype(np.float32))
    if isinstance(space, spaces.Box) and not space.is_bounded():
        return Actions(
            spaces.Box(space.low.clip(-_LARGEST), space.high.clip(None, _LARGEST), dtype=np.float32), np.array, np.array
        )
    return Actions(space, np.array, np.array)
