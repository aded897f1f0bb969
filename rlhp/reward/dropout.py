"""Dropout (Srivastava et al. 2014) from a random stream of one's own."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def drop(x: Tensor, probability: float, rng: np.random.Generator) -> Tensor:
    """x with each element set to 0 at this probability, and the others enlarged so that its expectation stays.

    x is [n, channels, height, width], whose channels lie together in memory. For 1/2, a random bit decides on each element:
    exact, and many times as fast as a random number each.
    """
    if probability == 0:
        return x
    n, channels, height, width = x.shape
    keep = _halves(x.numel(), rng, x.device) if probability == 0.5 else _others(x.numel(), probability, rng).to(x.device)
    return x * keep.view(n, height, width, channels).permute(0, 3, 1, 2).to(x.dtype)


def _halves(size: int, rng: np.random.Generator, device: torch.device) -> Tensor:
    """0 or 2, [size]."""
    drawn = torch.frombuffer(bytearray(rng.bytes(-(-size // 8))), dtype=torch.uint8).to(device)
    return _table(device).index_select(0, drawn.int()).view(torch.bfloat16)[:size]


@lru_cache(maxsize=1)
def _table(device: torch.device) -> Tensor:
    """0 or 2 for each bit of each byte, [256]: eight of them make one element, so that they are looked up together."""
    bits = (torch.arange(256)[:, None] >> torch.arange(8)) & 1
    return (2 * bits).to(torch.bfloat16).view(torch.complex128).squeeze(-1).to(device)


def _others(size: int, probability: float, rng: np.random.Generator) -> Tensor:
    """0 or 1 / (1 - probability), [size]."""
    kept = torch.from_numpy(rng.random(size, dtype=np.float32)) >= probability
    return kept.float() / (1 - probability)
