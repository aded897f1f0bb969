"""Stacked observations: each observation is stored once, and stacked when a network reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.lib.stride_tricks import sliding_window_view

from rlhp.types.basics import Array
from rlhp.types.observations import ImagesAndVector


def stacked(obs: Array, steps: int, axis: int = 0, lead: int = 2) -> Array:
    """Return a view with a stack for each of `steps` steps: its observation and the H before it, oldest first.

    `obs` has `lead` axes before those of one observation; `axis` among them is time, of length H + steps. So [H + T, N, *O]
    becomes [T, N, H + 1, *O], and with axis=1 [n, H + L, *O] becomes [n, L, H + 1, *O]. Without history (H = 0), returns `obs`
    itself. Raises ValueError if there are fewer observations than steps.
    """
    history = obs.shape[axis] - steps
    if history < 0:
        raise ValueError(f"{steps} steps need as many observations or more, not {obs.shape[axis]}")
    if history == 0:
        return obs
    windows: Array = sliding_window_view(obs, history + 1, axis=axis, writeable=True)  # the last axis is the window's
    return np.moveaxis(windows, -1, lead)


def seen_space(space: spaces.Space[Any], stack: int) -> spaces.Space[Any]:
    """The space of `stack` observations together, (stack, *O); the space itself if `stack` is 1."""
    if stack == 1:
        return space
    if isinstance(space, ImagesAndVector):
        return space.stacked(stack)
    box: Any = space
    low, high = (np.broadcast_to(bound, (stack, *box.shape)) for bound in (box.low, box.high))
    return spaces.Box(low, high, dtype=box.dtype.type)
