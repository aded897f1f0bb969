"""Convolutional networks that are cheaper than SB3's NatureCNN."""

from __future__ import annotations

from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from rlhp.types import UserError


class SmallCNN(BaseFeaturesExtractor):
    """The three convolutions of NatureCNN (Mnih et al. 2015) with 16, 32 and 32 filters instead of 32, 64 and 64.

    With half of the filters and half of the units it takes half of the time. Images [n, C, H, W] in [0, 1] -> [n, features_dim].
    """

    def __init__(self, observation_space: spaces.Space[Any], features_dim: int = 256) -> None:
        super().__init__(observation_space, features_dim)
        if not is_image_space(observation_space):
            raise UserError(f"SmallCNN reads images [C, H, W] of uint8 from 0 to 255, not {observation_space}; choose MlpPolicy.")
        assert observation_space.shape is not None
        channels, height, width = observation_space.shape
        self.cnn = nn.Sequential(
            nn.Conv2d(channels, 16, kernel_size=8, stride=4),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=4, stride=2),
            nn.ReLU(),
            nn.Conv2d(32, 32, kernel_size=3),
            nn.ReLU(),
            nn.Flatten(),
        )
        with torch.no_grad():
            flat = self.cnn(torch.zeros(1, channels, height, width)).shape[1]
        self.linear = nn.Sequential(nn.Linear(flat, features_dim), nn.ReLU())

    def forward(self, observations: Tensor) -> Tensor:
        """Compute features [n, features_dim] of images."""
        return self.linear(self.cnn(observations))
