"""Basic types: arrays, metrics, user errors and random streams."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Metrics = dict[str, float]


class UserError(ValueError):
    """A mistake of the user: one sentence that says what to do instead (exit status 2)."""


class Stopped(Exception):
    """Training was asked to stop, and can resume from its last checkpoint. Not an error."""


def escaped(text: str, keep: str = "") -> str:
    r"""Escape control characters, such as \x1b, so that text is safe to print; characters in `keep` stay."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def make_rng(seed: int, part: str, *key: int) -> np.random.Generator:
    """Return the random generator of one component at one moment (`key`: a step, a query's id, ...).

    It depends on the arguments alone. So adding a component does not change the random numbers of the others, and resuming a
    run needs no saved state.
    """
    return np.random.default_rng((seed, crc32(part.encode()), *key))
