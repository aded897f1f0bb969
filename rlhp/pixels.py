"""Common functions of networks for images: which convolutions fit an image, and how observations are split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rlhp.types import ImagesAndVector, image_axes

Layers = Sequence[Sequence[int]]  # filters, kernel and stride of each convolution
LARGER = 24  # pixels of the shorter side from which both small convolutions have stride 2
SKIPPED = 16  # pixels from which the first one has stride 2


def fits(layers: Layers, height: int, width: int) -> bool:
    """Whether an image is large enough for these convolutions."""
    side = min(height, width)
    for _, kernel, stride in layers:
        if side < kernel:
            return False
        side = (side - kernel) // stride + 1
    return True


def fitting(layers: Layers, height: int, width: int) -> Layers:
    """These convolutions, or for an image too small for them, two of 3 x 3 with the filters of the first and the last."""
    if fits(layers, height, width):
        return layers
    side = min(height, width)
    return ((layers[0][0], 3, 1 + (side >= SKIPPED)), (layers[-1][0], 3, 1 + (side >= LARGER)))


def described(layers: Layers) -> str:
    """Describe the convolutions in words."""
    return "convolutions of " + ", ".join(f"{kernel} x {kernel}" for _, kernel, _ in layers)


def height_and_width(space: spaces.Box) -> tuple[int, int]:
    """The height and width of an image space."""
    first, second = image_axes(space.shape)
    return space.shape[first], space.shape[second]


def channels_first(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Rearrange images [n, *shape] of any axis order to [n, channels, height, width]."""
    axes = image_axes(shape)
    order = [axis for axis in range(len(shape)) if axis not in axes] + list(axes)
    return x.permute(0, *(1 + axis for axis in order)).flatten(1, -3) if len(shape) > 2 else x.unsqueeze(1)


def scaled(x: Tensor, space: spaces.Box) -> Tensor:
    """Scale the numbers of an image, which all have the same bounds, to [0, 1]."""
    low, high = float(np.min(space.low)), float(np.max(space.high))
    return (x.float() - low) / (high - low)


def apart(x: Tensor, space: ImagesAndVector) -> tuple[list[Tensor], Tensor]:
    """Split bytes [n, *shape] into images [n, stack * channels, height, width] in [0, 1] and vectors [n, stack * width]."""
    rows = x.reshape(len(x), space.stack, space.bytes)
    starts = zip([0, *space.ends], space.ends, space.images, strict=False)
    images = [scaled(_read(rows[..., a:b], image), image).reshape(len(x), -1, *image.shape[1:]) for a, b, image in starts]
    return images, floats(rows[..., space.bytes - 4 * space.width :]).reshape(len(x), space.stack * space.width)


def _read(x: Tensor, image: spaces.Box) -> Tensor:
    return x if image.dtype == np.uint8 else floats(x)


def floats(x: Tensor) -> Tensor:
    """Convert bytes [..., 4 n] to the float32 numbers [..., n] that they encode."""
    if x.shape[-1] == 0:
        return x.float()
    return x.clone(memory_format=torch.contiguous_format).view(torch.float32)
