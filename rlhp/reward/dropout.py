"""Dropout (Srivastava et al. 2014) with an explicit random number generator."""

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
    """Settings of dropout: the probability of dropping an output, and the number of gradient steps before dropout starts.

    With a probability of 1/2, the noise keeps a new network from learning anything for some hundred steps, and some networks for
    longer. Raises UserError for invalid values.
    """

    probability: float
    after: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.probability < 1 or self.after < 0:
            raise UserError(
                "reward_model.dropout must be at least 0 and below 1, and dropout_after, in gradient steps, at least 0; they "
                f"are {self.probability} and {self.after}."
            )

    def at(self, step: int, rng: np.random.Generator) -> Drop:
        """The function that applies dropout to each layer's outputs after `step` gradient steps."""
        return partial(drop, probability=self.probability if step >= self.after else 0.0, rng=rng)


def drop(x: Tensor, probability: float, rng: np.random.Generator) -> Tensor:
    """Set each element of x to 0 with this probability, and scale the others so that the expectation stays the same.

    x is [n, channels, height, width] in the channels-last memory format. For 1/2, one random bit per element decides: that is
    exact, and many times as fast as a random number per element.
    """
    if probability == 0:
        return x
    n, channels, height, width = x.shape
    keep = _halves(x.numel(), rng, x.device) if probability == 0.5 else _any_probability(x.numel(), probability, rng).to(x.device)
    return x * keep.view(n, height, width, channels).permute(0, 3, 1, 2).to(x.dtype)


def _halves(size: int, rng: np.random.Generator, device: torch.device) -> Tensor:
    """0 or 2 for each element, [size]."""
    drawn = torch.frombuffer(bytearray(rng.bytes(-(-size // 8))), dtype=torch.uint8).to(device)
    return _table(device).index_select(0, drawn.int()).view(torch.bfloat16)[:size]


@lru_cache(maxsize=1)
def _table(device: torch.device) -> Tensor:
    """0 or 2 for each bit of each byte, [256].

    Eight values are packed into one element, so that one look-up returns all of them.
    """
    bits = (torch.arange(256)[:, None] >> torch.arange(8)) & 1
    return (2 * bits).to(torch.bfloat16).view(torch.complex128).squeeze(-1).to(device)


def _any_probability(size: int, probability: float, rng: np.random.Generator) -> Tensor:
    """0 or 1 / (1 - probability) for each element, [size]."""
    kept = torch.from_numpy(rng.random(size, dtype=np.float32)) >= probability
    return kept.float() / (1 - probability)
