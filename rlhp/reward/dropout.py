"""Dropout (Srivastava et al. 2014) from a random stream of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from rlhp.types import UserError

Drop = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Dropout:
    """The share of a layer's outputs that is left out, and the number of gradient steps before which nothing is.

    The noise of 1/2 keeps a new network from finding anything for some hundred steps, some networks for longer than others.
    Raises UserError for values that make no sense.
    """

    probability: float
    after: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.probability < 1 or self.after < 0:
            raise UserError(
                "reward_model.dropout is a share of at least 0 and below 1, and dropout_after counts gradient steps from 0; they "
                f"are {self.probability} and {self.after}."
            )

    def at(self, step: int, rng: np.random.Generator) -> Drop:
        """What is done to each layer's outputs after so many gradient steps."""
        return partial(drop, probability=self.probability if step >= self.after else 0.0, rng=rng)


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
