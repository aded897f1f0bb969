"""What everything else is written in: arrays, metrics, the user's errors, random streams."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Metrics = dict[str, float]


class UserError(ValueError):
    """What the user asked for cannot be done: one sentence that says what to do instead (exit status 2)."""


class Stopped(Exception):
    """Somebody has asked the training to stop, to go on later from its last checkpoint: nothing went wrong."""


def escaped(text: str, keep: str = "") -> str:
    r"""The text as a terminal can show it: characters that would steer it are written as \x1b; those in `keep` stay."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def make_rng(seed: int, part: str, *key: int) -> np.random.Generator:
    """The random stream of one part at one moment (`key`: a step, a question's id, ...).

    A pure function of its arguments: a part added later does not shift the others, and a resumed run needs no saved state.
    """
    return np.random.default_rng((seed, crc32(part.encode()), *key))
