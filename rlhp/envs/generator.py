"""The state of a random generator as an array of numbers."""

from __future__ import annotations

import numpy as np

from rlhp.types import Array

SIZE = 10  # of the array


def saved(rng: np.random.Generator) -> Array:
    """[SIZE] float64: where a PCG64 generator, as Gymnasium's are, stands."""
    state = rng.bit_generator.state
    numbers = [_words(state["state"][name]) for name in ("state", "inc")]
    return np.array([*numbers[0], *numbers[1], state["has_uint32"], state["uinteger"]], np.float64)


def restore(rng: np.random.Generator, state: Array) -> None:
    """Let a PCG64 generator go on from where `saved` found one."""
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": _number(state[:4]), "inc": _number(state[4:8])},
        "has_uint32": int(state[8]),
        "uinteger": int(state[9]),
    }


def _words(number: int) -> list[int]:
    """128 bits as words of 32, lowest first: a float64 holds each exactly."""
    return [number >> 32 * i & 0xFFFFFFFF for i in range(4)]


def _number(words: Array) -> int:
    return sum(int(word) << 32 * i for i, word in enumerate(words))
