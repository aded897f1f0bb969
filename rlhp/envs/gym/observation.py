"""Conversion of observations to one array: images unchanged, everything else a vector, both together as `ImagesAndVector`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FrameStackObservation

from rlhp.types import Array, ImagesAndVector, UserError, image_axes, is_image, seen_space

LARGEST = 2**17  # bytes of an observation: 64 rollout steps of 32 environments take a quarter of a gigabyte
READ = "Box, Discrete, MultiDiscrete, MultiBinary, and Dict and Tuple of these"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf of a nested observation; `path` lists the keys of Dicts and the indices of Tuples that lead to it."""

    path: tuple[Any, ...]
    space: spaces.Space[Any]

    @property
    def name(self) -> str:
        """Return the path as text; empty if the observation is a single leaf."""
        return ".".join(map(str, self.path))

    def of(self, observation: Any) -> Any:
        """Return this part of an observation."""
        for key in self.path:
            observation = observation[key]
        return observation


def leaves(space: spaces.Space[Any], path: tuple[Any, ...] = ()) -> Iterator[Leaf]:
    """Yield all leaves of a space, in its own order."""
    match space:
        case spaces.Dict():
            parts: Any = space.spaces.items()
        case spaces.Tuple():
            parts = enumerate(space.spaces)
        case _:
            parts = ()
            yield Leaf(path, space)
    for key, part in parts:
        yield from leaves(part, (*path, key))


def check(id: str, space: spaces.Space[Any]) -> None:
    """Raise UserError, with a remedy, if observations cannot be converted to one array or are too large."""
    found = list(leaves(space))
    for leaf in found:
        if not isinstance(leaf.space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
            raise UserError(_unreadable(id, leaf, found))
    size = sum(_bytes(leaf.space) for leaf in found)
    if size > LARGEST or size == 0:
        way = (
            "env.wrappers can make them smaller: gymnasium.wrappers.ResizeObservation and GrayscaleObservation for images, "
            "FilterObservation to remove parts"
        )
        raise UserError(
            f"the observations of {id} take {size:,} bytes, but must take 1 to {LARGEST:,} to fit into memory; {way}."
        )


def _unreadable(id: str, leaf: Leaf, found: list[Leaf]) -> str:
    kind = type(leaf.space).__name__
    others = sorted({str(other.path[0]) for other in found if other.path[:1] != leaf.path[:1]})
    if leaf.path and others:
        what = f"{leaf.name} of its observations is a {kind}"
        keys = ", ".join(others)
        way = f"remove it: 'env.wrappers=[{{gymnasium.wrappers.FilterObservation: {{filter_keys: [{keys}]}}}}]'"
    else:
        what = f"it observes a {kind}"
        way = "convert it to numbers with your own gymnasium.ObservationWrapper, env.wrappers=[module:Class]"
    return f"networks cannot read {id}: {what}, which is not one of {READ}; {way}."


def factory(build: Callable[[], gymnasium.Env], stack: int) -> Callable[[], gymnasium.Env]:
    """Return a function that creates the environment of `build` with observations in one array, of which networks see `stack`."""

    def make() -> gymnasium.Env:
        env = build()
        reading = read(env.observation_space, stack)
        return env if reading is None else OneArray(env, reading)

    return make


@dataclass(frozen=True, slots=True)
class Reading:
    """Conversion of an observation to one array of `space`."""

    space: spaces.Box
    array: Callable[[Any], Array]


class OneArray(gymnasium.ObservationWrapper):
    """Wrapper that converts observations to one array."""

    def __init__(self, env: gymnasium.Env, reading: Reading) -> None:
        super().__init__(env)
        self.observation_space, self._array = reading.space, reading.array

    def observation(self, observation: Any) -> Array:
        """Convert an observation."""
        return self._array(observation)


def source(env: gymnasium.Env) -> tuple[spaces.Space[Any], Callable[[Any], Array]] | None:
    """Return the original observation space of `OneArray` and its conversion; None if the environment is no `OneArray`."""
    return (env.env.observation_space, env.observation) if isinstance(env, OneArray) else None


def read(space: spaces.Space[Any], stack: int = 1) -> Reading | None:
    """Return the conversion of observations to one array, of which networks see `stack`; None if they already are one.

    Images and other arrays are not changed. Everything else is flattened to one vector in single precision, with integers and
    choices one-hot. Images together with anything else are packed as `ImagesAndVector`. For spaces that pass `check`.
    """
    found = list(leaves(space))
    if len(found) == 1 and isinstance(found[0].space, spaces.Box):
        return _of_box(found[0], stack)
    pictures = [leaf for leaf in found if is_image(leaf.space)]
    rest = [leaf for leaf in found if not is_image(leaf.space)]
    if not pictures:
        return _flat(rest)
    images, width = [_image_space(leaf.space) for leaf in pictures], sum(_width(leaf.space) for leaf in rest)
    packed = ImagesAndVector(images, width)
    return Reading(packed, partial(_packed, packed, pictures, rest))


def _of_box(leaf: Leaf, stack: int) -> Reading | None:
    """Convert a single Box. Some images get a leading axis, so that SB3 does not mistake one of their axes for channels."""
    box: Any = leaf.space
    seen: Any = seen_space(box, stack)
    alone = len(box.shape) == 0 or (stack == 1 and len(box.shape) == 2 and box.dtype == np.uint8 and is_image(box))
    if alone or (taken_for_image(seen) and not _read_rightly(seen.shape)):
        added: Any = spaces.Box(box.low[np.newaxis], box.high[np.newaxis], dtype=box.dtype.type)
        return Reading(added, partial(_within, leaf, added.shape))
    return Reading(box, partial(_within, leaf, box.shape)) if leaf.path else None


def taken_for_image(space: Any) -> bool:
    """Equal `is_image_space` of Stable-Baselines3 for a Box, without importing torch in worker processes."""
    return len(space.shape) == 3 and space.dtype == np.uint8 and bool((space.low == 0).all() and (space.high == 255).all())


def _read_rightly(shape: tuple[int, ...]) -> bool:
    """Return whether SB3, which treats the first of an image's shortest axes as its channels, picks the right one."""
    channels = int(np.argmin(shape))
    return channels != 1 and channels not in image_axes(shape)


def _flat(found: list[Leaf]) -> Reading:
    lows, highs = zip(*(_bounds(leaf.space) for leaf in found), strict=True)
    box = spaces.Box(_concatenated(lows), _concatenated(highs), dtype=np.float32)
    return Reading(box, partial(_vectors, found))


# module-level functions, so that environments can be pickled


def _within(leaf: Leaf, shape: tuple[int, ...], observation: Any) -> Array:
    return np.asarray(leaf.of(observation), leaf.space.dtype).reshape(shape)


def _vectors(found: list[Leaf], observation: Any) -> Array:
    return _concatenated([_vector(leaf.space, leaf.of(observation)) for leaf in found])


def _packed(space: ImagesAndVector, pictures: list[Leaf], rest: list[Leaf], observation: Any) -> Array:
    images = [_channels_first(leaf.space, leaf.of(observation)) for leaf in pictures]
    return space.pack(images, _vectors(rest, observation))


def _concatenated(parts: Any) -> Array:
    return np.concatenate([np.zeros(0, np.float32), *parts])


def _vector(space: Any, value: Any) -> Array:
    """Convert a part of an observation to numbers [width] in single precision."""
    match space:
        case spaces.Discrete():
            return _one_hot([int(value) - int(space.start)], [int(space.n)])
        case spaces.MultiDiscrete():
            return _one_hot(np.ravel(np.asarray(value) - space.start), space.nvec.ravel())
        case _:
            return np.asarray(value, np.float32).reshape(-1)


def _one_hot(chosen: Any, among: Any) -> Array:
    """Concatenate the one-hot vectors of several choices."""
    vector = np.zeros(int(np.sum(among)), np.float32)
    vector[np.cumsum([0, *among[:-1]]) + np.asarray(chosen, int)] = 1
    return vector


def _bounds(space: Any) -> tuple[Array, Array]:
    """Lower and upper bounds of `_vector`."""
    if isinstance(space, spaces.Box):
        return _single(space.low), _single(space.high)
    return np.zeros(_width(space), np.float32), np.ones(_width(space), np.float32)


def _single(bound: Array) -> Array:
    with np.errstate(over="ignore"):  # to infinity
        return bound.reshape(-1).astype(np.float32)


def _width(space: Any) -> int:
    """Length of `_vector`."""
    match space:
        case spaces.Discrete():
            return int(space.n)
        case spaces.MultiDiscrete():
            return int(space.nvec.sum())
        case _:
            return int(np.prod(space.shape))


def _bytes(space: Any) -> int:
    """Size of a part of an observation in bytes."""
    return int(np.prod(space.shape)) * space.dtype.itemsize if isinstance(space, spaces.Box) else 4 * _width(space)


def _image_space(space: Any) -> spaces.Box:
    """Space of an image as packed: channels first, uint8 or single precision."""
    height, width = (space.shape[axis] for axis in image_axes(space.shape))
    shape = (int(np.prod(space.shape)) // (height * width), height, width)
    dtype: Any = np.uint8 if space.dtype == np.uint8 else np.float32
    return spaces.Box(space.low.min().astype(dtype), space.high.max().astype(dtype), shape, dtype)


def _channels_first(space: Any, value: Any) -> Array:
    """Convert an image [*shape] to [channels, height, width]."""
    image = np.moveaxis(np.asarray(value), image_axes(space.shape), (-2, -1))
    return image.reshape(-1, *image.shape[-2:]).astype(np.uint8 if space.dtype == np.uint8 else np.float32)


def notes(env: gymnasium.Env, id: str) -> list[str]:
    """Return messages about an environment's observations to print before training."""
    layer: Any = env
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, FrameStackObservation) and is_image(layer.env.observation_space):
            k = layer.stack_size
            return [
                f"{id} stacks frames itself, so each frame is stored {k} times: env.stack={k} instead of FrameStackObservation "
                "shows networks the same and stores each frame once."
            ]
        layer = layer.env
    return []


def outside(space: spaces.Space[Any], observation: Any) -> str | None:
    """Return why an observation does not belong to a space; None if it does. Boxes are not checked."""
    match space:
        case spaces.Dict():
            if not isinstance(observation, Mapping) or observation.keys() != space.spaces.keys():
                return f"a dict of {', '.join(map(str, space.spaces))}"
            parts: Any = [(part, observation[key]) for key, part in space.spaces.items()]
        case spaces.Tuple():
            if not isinstance(observation, tuple | list) or len(observation) != len(space.spaces):
                return f"a tuple of {len(space.spaces)}"
            parts = zip(space.spaces, observation, strict=True)
        case spaces.Box():
            return None
        case _:
            value = observation if isinstance(space, spaces.Discrete) else np.asarray(observation)
            return None if space.contains(value) else f"one of {space}, not {observation!r}"
    return next((why for part, value in parts if (why := outside(part, value))), None)
