"""Image observations in the layout of a convolutional network."""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rlhp.types import Array, UserError


class Images:
    """Finds height, width and channels of an image observation, and the range of its values.

    The two longest axes are height and width (the first ones in a tie). All others are channels, such as colours or the frames of
    a stack. Raises UserError for spaces that are not images.
    """

    def __init__(self, space: spaces.Space) -> None:
        shape = space.shape or ()
        if not isinstance(space, spaces.Box) or len(shape) < 2:
            raise UserError(
                f"reward_model=ensemble_cnn reads images, and observations are {space}; choose reward_model=ensemble_mlp."
            )
        self.low, high = float(space.low.min()), float(space.high.max())
        if not np.isfinite([self.low, high]).all() or self.low == high:
            raise UserError(f"images need finite bounds to be scaled to [0, 1]; those of {space} are {self.low} and {high}.")
        self.scale = 1 / (high - self.low)
        self._shape = shape
        longest = sorted(sorted(range(len(shape)), key=lambda axis: -shape[axis])[:2])
        self._order = [axis for axis in range(len(shape)) if axis not in longest] + longest
        self.height, self.width = (shape[axis] for axis in longest)
        self.channels = prod(shape) // (self.height * self.width)

    def tensor(self, obs: Array) -> Tensor:
        """Observations [*B, *O] -> [*B, channels, height, width], of the same type; a view where possible."""
        lead = obs.ndim - len(self._shape)
        moved = obs.transpose(*range(lead), *(lead + axis for axis in self._order))
        moved = moved.reshape(*obs.shape[:lead], self.channels, self.height, self.width)
        return torch.from_numpy(moved if moved.flags.writeable else moved.copy())
