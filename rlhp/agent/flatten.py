"""The order in which Stable-Baselines3 reads a rollout: environment by environment."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rlhp.types import Array


def swap_and_flatten(x: Array) -> Tensor:
    """[T, N, ...] -> [N T, ...]."""
    return torch.from_numpy(np.ascontiguousarray(x.swapaxes(0, 1), dtype=np.float32)).reshape(-1, *x.shape[2:])
