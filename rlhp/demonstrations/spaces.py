"""Spaces of a dataset next to those of an environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from rlhp.types import Array


def alike(a: spaces.Space, b: spaces.Space) -> bool:
    """Whether two spaces are equal, except for the bounds and the precision of a Box."""
    if isinstance(a, spaces.Box) and isinstance(b, spaces.Box):
        return a.shape == b.shape and np.issubdtype(a.dtype, np.integer) == np.issubdtype(b.dtype, np.integer)
    if isinstance(a, spaces.Dict) and isinstance(b, spaces.Dict):
        return a.spaces.keys() == b.spaces.keys() and all(alike(part, b[key]) for key, part in a.spaces.items())
    if isinstance(a, spaces.Tuple) and isinstance(b, spaces.Tuple):
        return len(a.spaces) == len(b.spaces) and all(map(alike, a.spaces, b.spaces))
    return a == b


def of_source(space: spaces.Space, env: Any) -> bool:
    """Whether this is the space of an environment's observations before they are packed into one array."""
    source = getattr(env, "source", None)
    return source is not None and alike(space, source[0])


def observations(found: Any, space: spaces.Space, env: Any) -> Array:
    """Convert the observations of an episode to those of the environment, [T + 1, *O]."""
    if alike(space, env.observation_space):
        return np.asarray(found)
    array, leaf = env.source[1], found
    while isinstance(leaf, dict | tuple):
        leaf = next(iter(leaf.values())) if isinstance(leaf, dict) else leaf[0]
    return np.stack([array(_at(found, i)) for i in range(len(leaf))])


def _at(found: Any, i: int) -> Any:
    """Row i of an array, or of each array in a dict or tuple."""
    if isinstance(found, dict):
        return {key: _at(part, i) for key, part in found.items()}
    return tuple(_at(part, i) for part in found) if isinstance(found, tuple) else found[i]


def described(space: spaces.Space) -> str:
    """A space in a message."""
    return f"Box{space.shape} of {space.dtype}" if isinstance(space, spaces.Box) else str(space)


def limits(space: Any) -> tuple[Array, Array]:
    """The smallest and the largest actions of a space, elementwise."""
    match space:
        case spaces.Discrete():
            return space.start, space.start + space.n - 1
        case spaces.MultiDiscrete():
            return space.start, space.start + space.nvec - 1
        case spaces.MultiBinary():
            return np.zeros(space.shape), np.ones(space.shape)
        case _:
            return space.low, space.high
