"""Shared memory between processes, accessed as arrays."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from rlhp.types import Array

Layout = Mapping[str, tuple[tuple[int, ...], DTypeLike]]  # each array's shape and type, by name

_ALIGN = 64  # bytes, a cache line: no two arrays share one


def _bytes(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return -(-size // _ALIGN) * _ALIGN


def reserve(layout: Layout) -> int:
    """Allocate shared memory for these arrays and return its file descriptor; the last process to close it frees the memory."""
    size = sum(_bytes(*field) for field in layout.values())
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("rlhp")
    else:
        with tempfile.TemporaryFile() as file:  # has no name in the file system
            fd = os.dup(file.fileno())
    os.ftruncate(fd, max(size, _ALIGN))
    return fd


def mapped(fd: int, layout: Layout) -> dict[str, Array]:
    """Map the shared memory and return its arrays."""
    memory, at, arrays = mmap.mmap(fd, 0), 0, {}
    for name, (shape, dtype) in layout.items():
        arrays[name] = np.ndarray(shape, dtype, memory, at)
        at += _bytes(shape, dtype)
    return arrays
