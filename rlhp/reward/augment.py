"""What is done to labelled clips before a reward model is fitted to them."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Protocol

import torch
from torch import Tensor

from rlhp.types import UserError, make_rng


class Augmentation(Protocol):
    """The clips of one gradient step, [n, L, *x], changed in a way that leaves the teacher's answers as they are."""

    def __call__(self, clips: Tensor, step: int) -> Tensor:
        """[n, L', *x], L' <= L; `step` counts the gradient steps before."""
        ...


def no_augmentation(clips: Tensor, step: int) -> Tensor:
    """The clips as they are."""
    return clips


@dataclass(frozen=True, slots=True)
class Crop:
    """Windows cut out of the clips at random: the temporal cropping of SURF (Park et al. 2022, section 4.2).

    Both clips of a comparison are cut to the same length, each at a place of its own. The length lies between the shares `low`
    and `high` of a clip: SURF cuts clips of 60 steps to 45 to 55. It is drawn for each gradient step, not for each pair as
    there, so that a batch stays one array. For losses that compare; the returns that `ReturnError` asks for are those of
    whole clips. `low` 1: nothing is cut. Raises UserError unless 0 < low <= high <= 1.
    """

    seed: int
    low: float = 45 / 60
    high: float = 55 / 60

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high <= 1:
            raise UserError(f"crop.low and crop.high are shares of a clip, 0 < low <= high <= 1, not {self.low} and {self.high}.")

    def __call__(self, clips: Tensor, step: int) -> Tensor:
        """clips [n, L, *x] -> [n, L', *x]."""
        n, length = clips.shape[:2]
        if self.low == 1:
            return clips
        rng = make_rng(self.seed, "crop", step)
        window = int(rng.integers(_rounded(self.low * length), _rounded(self.high * length), endpoint=True))
        first = torch.from_numpy(rng.integers(length - window, size=n, endpoint=True))
        return clips[torch.arange(n)[:, None], first[:, None] + torch.arange(window)]


def _rounded(steps: float) -> int:
    """Half up, and 1 at least."""
    return max(floor(steps + 0.5), 1)
