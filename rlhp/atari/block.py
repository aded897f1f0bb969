"""What environments and the processes that step them share: one block of memory, read and written as arrays."""

from __future__ import annotations

import mmap
import os
import tempfile
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import DTypeLike

from rlhp.atari.screen import SIZE
from rlhp.types import Array

_ALIGN = 64  # bytes, a cache line: no array shares one with its neighbour


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


def _layout(n: int, state_size: int) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
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


def _bytes(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return -(-size // _ALIGN) * _ALIGN


def reserve(n: int, state_size: int) -> int:
    """A file descriptor of memory for n environments that processes can share; it is gone when nobody holds it any more."""
    size = sum(_bytes(*field) for field in _layout(n, state_size).values())
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("rlhp-atari")
    else:
        with tempfile.TemporaryFile() as file:  # it has no name
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd


def mapped(fd: int, n: int, state_size: int) -> Block:
    """The arrays that lie in that memory."""
    memory, at, arrays = mmap.mmap(fd, 0), 0, {}
    for name, (shape, dtype) in _layout(n, state_size).items():
        arrays[name] = np.ndarray(shape, dtype, memory, at)
        at += _bytes(shape, dtype)
    return Block(*(arrays[field.name] for field in fields(Block)))
