"""Feature extractors of policies for images, and for images beside a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from rlhp.pixels import Layers, apart, channels_first, fits, fitting, height_and_width, scaled
from rlhp.types import ImagesAndVector

NATURE = ((32, 8, 4), (64, 4, 2), (64, 3, 1))  # filters, kernel and stride (Mnih et al. 2015)
UNITS, UNITS_SMALL = 512, 128  # after NatureCNN's convolutions, and after those of small images


def convolutions(space: spaces.Box) -> Layers:
    """The convolutions of NatureCNN, or smaller ones if the image is too small for them."""
    return fitting(NATURE, *height_and_width(space))


class ImageEncoder(BaseFeaturesExtractor):
    """Convolutions and a linear layer of `features_dim` units, for images of any axis order and type and for stacks of them.

    For images of 36 x 36 or more it is NatureCNN. SB3 passes observations to extractors as real numbers [n, *O]; those that it
    recognises as images are already channels first and in [0, 1]. Unbounded numbers, as from a normaliser, are used unchanged;
    others are scaled to [0, 1].
    """

    def __init__(self, observation_space: spaces.Space[Any], features_dim: int | None = None) -> None:
        assert isinstance(observation_space, spaces.Box)
        units = features_dim or _units(observation_space)
        super().__init__(observation_space, units)
        self._space, self._ready = observation_space, is_image_space(observation_space)
        shape, (height, width) = observation_space.shape, height_and_width(observation_space)
        channels = int(torch.Size(shape).numel()) // (height * width)
        self.cnn = convolutional(channels, height, width, convolutions(observation_space), units)

    def forward(self, observations: Tensor) -> Tensor:
        """Compute features [n, units] of images [n, *O]."""
        if self._ready:
            return self.cnn(observations)
        seen = scaled(observations, self._space) if self._space.is_bounded() else observations
        return self.cnn(channels_first(seen, self._space.shape))


class PartsEncoder(BaseFeaturesExtractor):
    """A separate encoder for each image of an `ImagesAndVector`; the features are concatenated with the unchanged vector.

    SB3 passes observations to extractors as real numbers: here the bytes, [n, *O].
    """

    def __init__(self, observation_space: spaces.Space[Any], image_features: int | None = None) -> None:
        assert isinstance(observation_space, ImagesAndVector)
        space = observation_space
        units = [image_features or _units(image) for image in space.images]
        super().__init__(space, sum(units) + space.stack * space.width)
        self._space = space
        self.cnns = nn.ModuleList(
            convolutional(space.stack * image.shape[0], image.shape[1], image.shape[2], convolutions(image), n)
            for image, n in zip(space.images, units, strict=True)
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Compute features [n, units] of observations in bytes [n, *O]."""
        images, vector = apart(observations.to(torch.uint8), self._space)
        return torch.cat([*(cnn(image) for cnn, image in zip(self.cnns, images, strict=True)), vector], dim=1)


def _units(space: spaces.Box) -> int:
    return UNITS if fits(NATURE, *height_and_width(space)) else UNITS_SMALL


def convolutional(channels: int, height: int, width: int, layers: Sequence[Sequence[int]], units: int) -> nn.Sequential:
    """Convolutions and a linear layer, a ReLU after each: images [n, channels, height, width] -> [n, units]."""
    modules: list[nn.Module] = []
    into = channels
    for filters, kernel, stride in layers:
        modules += [nn.Conv2d(into, filters, kernel, stride), nn.ReLU()]
        into, height, width = filters, (height - kernel) // stride + 1, (width - kernel) // stride + 1
    return nn.Sequential(*modules, nn.Flatten(), nn.Linear(into * height * width, units), nn.ReLU())
