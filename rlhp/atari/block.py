"""Arrays that are shared by environments and the worker processes that step them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlhp.atari.screen import SIZE
from rlhp.types import Array
from rlhp.workers import Layout


@dataclass(frozen=True, slots=True)
class Block:
    """N environments as arrays, for any process that steps them."""

    seed: Array  # [1] int64
    episode: Array  # [N] int64  index of the current game, from 0; -1: none yet
    action: Array  # [N] int64  input: actions of the next step
    reward: Array  # [N] float32  true rewards of the last step
    cut: Array  # [N] bool  a game ended in the last step, and the next one has started
    score: Array  # [N] float64  points of that game
    running: Array  # [N] float64  points of the current game so far
    frame: Array  # [N, 84, 84] uint8  current observations
    state: Array  # [N, S] uint8  the consoles' states


def layout(n: int, state_size: int) -> Layout:
    """The arrays of a block of n environments; `state_size` is in bytes."""
    column = (n,)
    return {
        "seed": ((1,), np.int64),
        "episode": (column, np.int64),
        "action": (column, np.int64),
        "reward": (column, np.float32),
        "cut": (column, np.bool_),
        "score": (column, np.float64),
        "running": (column, np.float64),
        "frame": ((n, SIZE, SIZE), np.uint8),
        "state": ((n, state_size), np.uint8),
    }
