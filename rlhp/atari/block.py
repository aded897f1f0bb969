"""What environments and the processes that step them share, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlhp.atari.screen import SIZE
from rlhp.types import Array
from rlhp.workers import Layout


@dataclass(frozen=True, slots=True)
class Block:
    """N environments as arrays, whoever steps them."""

    seed: Array  # [1] int64
    episode: Array  # [N] int64  which game runs, counted from 0; -1: none yet
    action: Array  # [N] int64  in: what to do in the next step
    reward: Array  # [N] float32  the true reward of the last step
    cut: Array  # [N] bool  a game ended with the last step, and the next one has begun
    score: Array  # [N] float64  the points of that game
    running: Array  # [N] float64  the points of the running game so far
    frame: Array  # [N, 84, 84] uint8  the current observation
    state: Array  # [N, S] uint8  the console's state there


def layout(n: int, state_size: int) -> Layout:
    """The arrays of a block of n environments whose state has so many bytes."""
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
