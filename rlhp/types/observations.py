"""Observations that are images, and observations of several parts in one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from rlhp.types.basics import Array

LEAST = 16  # pixels of an image's shorter side: a smaller one is a board or a map more often than a picture, and read as a table
LEAST_OF_REALS = 24  # and where there is no axis of channels and no bytes


class ImagesAndVector(spaces.Box):
    """What an observation of several parts is kept as: the bytes of its images, then those of a vector in single precision.

    It is one array of uint8, so that whatever keeps observations keeps these too, bit for bit; networks take it apart. `images`
    are the spaces of the images, channels first, uint8 or float32; `width` counts the vector's numbers. Of a `stack` of
    observations it is [stack, bytes].
    """

    def __init__(self, images: Sequence[spaces.Box], width: int, stack: int = 1) -> None:
        self.images, self.width, self.stack = tuple(images), width, stack
        self.ends = np.cumsum([_bytes(image) for image in images]).tolist()  # of each image, in bytes
        self.bytes = (self.ends[-1] if self.ends else 0) + 4 * width  # of one observation
        super().__init__(0, 255, (self.bytes,) if stack == 1 else (stack, self.bytes), np.uint8)

    def pack(self, images: Sequence[Array], vector: Array) -> Array:
        """One observation of its parts: images of the spaces' shapes and types, and the vector [width] -> [bytes] uint8."""
        parts = [*images, np.asarray(vector, np.float32)]
        return np.concatenate([np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in parts])

    def vector(self, obs: Array) -> Array:
        """Observations [*B, *shape] -> their vectors, a copy: [*B, stack * width] float32."""
        lead = obs.shape[: obs.ndim - len(self.shape)]
        return self._vectors(obs).copy().view(np.float32).reshape(*lead, self.stack * self.width)

    def with_vector(self, obs: Array, vector: Array) -> Array:
        """The same observations [*B, *shape] with other vectors [*B, stack * width]."""
        changed = obs.copy()
        self._vectors(changed)[:] = np.ascontiguousarray(vector, np.float32).view(np.uint8).reshape(self._vectors(obs).shape)
        return changed

    def _vectors(self, obs: Array) -> Array:
        """[*B, (stack,) 4 width], a view."""
        return obs[..., self.bytes - 4 * self.width :]

    def floats(self, obs: Array) -> Array:
        """All numbers of observations [*B, *shape] that are no bytes, in single precision: [*B, n]."""
        lead = obs.shape[: obs.ndim - len(self.shape)]
        starts = zip([0, *self.ends], self.ends, self.images, strict=False)
        parts = [obs[..., a:b] for a, b, image in starts if image.dtype != np.uint8] + [self._vectors(obs)]
        return np.concatenate([part.reshape(*lead, -1) for part in parts], axis=-1).view(np.float32)

    def stacked(self, stack: int) -> ImagesAndVector:
        """The space of so many observations together."""
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
    """What is normalised of observations [*B, *O] of this space: all of it, or the vectors [*B, n] beside images."""
    return space.vector(obs) if isinstance(space, ImagesAndVector) else obs


def with_numbers(space: spaces.Space[Any], obs: Array, changed: Array) -> Array:
    """The observations [*B, *O] with what `numbers` gave changed to this."""
    return space.with_vector(obs, changed) if isinstance(space, ImagesAndVector) else changed


def image_axes(shape: Sequence[int]) -> tuple[int, int]:
    """Which axes are height and width: the two longest ones, the first ones of several that are as long."""
    first, second = sorted(sorted(range(len(shape)), key=lambda axis: -shape[axis])[:2])
    return first, second


def is_image(space: spaces.Space[Any]) -> bool:
    """Whether observations are pictures that convolutions suit, or a stack of them.

    Bytes of two to four axes are, unless they are too small. Other numbers are where all have the same finite bounds, and, of two
    axes alone, where these are those of grey levels and the matrix is larger than a table would be.
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
