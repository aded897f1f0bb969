"""Image observations, and observations of several parts in one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from rlhp.types.basics import Array

LEAST = 16  # pixels of an image's shorter side: smaller ones are more often boards or maps, and treated as vectors
LEAST_OF_REALS = 24  # the same for two axes of real numbers


class ImagesAndVector(spaces.Box):
    """The space of observations that combine images and a vector: the bytes of the images, then those of the float32 vector.

    An observation is one uint8 array, so it is stored like any other, without loss; networks split it. `images` are the spaces
    of the images, channels first, uint8 or float32; `width` is the length of the vector. The shape is [bytes], or
    [stack, bytes] for a stack of observations.
    """

    def __init__(self, images: Sequence[spaces.Box], width: int, stack: int = 1) -> None:
        self.images, self.width, self.stack = tuple(images), width, stack
        self.ends = np.cumsum([_bytes(image) for image in images]).tolist()  # of each image, in bytes
        self.bytes = (self.ends[-1] if self.ends else 0) + 4 * width  # of one observation
        super().__init__(0, 255, (self.bytes,) if stack == 1 else (stack, self.bytes), np.uint8)

    def pack(self, images: Sequence[Array], vector: Array) -> Array:
        """Pack images of the spaces' shapes and types and a vector [width] into one observation [bytes] uint8."""
        parts = [*images, np.asarray(vector, np.float32)]
        return np.concatenate([np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in parts])

    def vector(self, obs: Array) -> Array:
        """A copy of the vectors of observations [*B, *shape]: [*B, stack * width] float32."""
        lead = obs.shape[: obs.ndim - len(self.shape)]
        return self._vectors(obs).copy().view(np.float32).reshape(*lead, self.stack * self.width)

    def with_vector(self, obs: Array, vector: Array) -> Array:
        """Observations [*B, *shape] with their vectors replaced by `vector` [*B, stack * width]."""
        changed = obs.copy()
        self._vectors(changed)[:] = np.ascontiguousarray(vector, np.float32).view(np.uint8).reshape(self._vectors(obs).shape)
        return changed

    def _vectors(self, obs: Array) -> Array:
        """[*B, (stack,) 4 width], a view."""
        return obs[..., self.bytes - 4 * self.width :]

    def floats(self, obs: Array) -> Array:
        """All float32 numbers of observations [*B, *shape]: of float images and of the vector, [*B, n]."""
        lead = obs.shape[: obs.ndim - len(self.shape)]
        starts = zip([0, *self.ends], self.ends, self.images, strict=False)
        parts = [obs[..., a:b] for a, b, image in starts if image.dtype != np.uint8] + [self._vectors(obs)]
        return np.concatenate([part.reshape(*lead, -1) for part in parts], axis=-1).view(np.float32)

    def stacked(self, stack: int) -> ImagesAndVector:
        """The space of `stack` observations together."""
        return ImagesAndVector(self.images, self.width, stack)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, ImagesAndVector) and (self.images, self.width) == (other.images, other.width)
        return same and super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ImagesAndVector({[image.shape for image in self.images]}, {self.width}, {self.stack})"


def _bytes(image: spaces.Box) -> int:
    return int(np.prod(image.shape)) * np.dtype(image.dtype).itemsize


def numbers(space: spaces.Space[Any], obs: Array) -> Array:
    """The part of observations [*B, *O] that is normalised: all of it, or beside images the vectors [*B, n]."""
    return space.vector(obs) if isinstance(space, ImagesAndVector) else obs


def with_numbers(space: spaces.Space[Any], obs: Array, changed: Array) -> Array:
    """Observations [*B, *O] with the part that `numbers` returns replaced by `changed`."""
    return space.with_vector(obs, changed) if isinstance(space, ImagesAndVector) else changed


def image_axes(shape: Sequence[int]) -> tuple[int, int]:
    """The axes of height and width: the two longest ones, the first of equally long ones."""
    first, second = sorted(sorted(range(len(shape)), key=lambda axis: -shape[axis])[:2])
    return first, second


def is_image(space: spaces.Space[Any]) -> bool:
    """Whether observations are images, or stacks of images, that suit convolutions.

    An image has two to four axes, the same finite bounds for all its numbers, and a shorter side of at least `LEAST` pixels.
    With two axes, the numbers are uint8, or real with the bounds of grey levels and a shorter side of at least
    `LEAST_OF_REALS`.
    """
    box: Any = space
    if not isinstance(space, spaces.Box) or not 2 <= len(box.shape) <= 4:
        return False
    low, high = float(np.min(box.low)), float(np.max(box.high))
    side = min(box.shape[axis] for axis in image_axes(box.shape))
    if len(box.shape) == 2:
        grey = box.dtype == np.uint8 or (low, high) in ((0, 1), (-1, 1), (0, 255))
        return grey and _same_bounds(box, low, high) and side >= (LEAST if box.dtype == np.uint8 else LEAST_OF_REALS)
    return side >= LEAST and _same_bounds(box, low, high)


def _same_bounds(box: Any, low: float, high: float) -> bool:
    return bool(np.isfinite([low, high]).all() and low < high and (box.low == low).all() and (box.high == high).all())
