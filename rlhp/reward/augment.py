"""Augmentation of labelled clips before a reward model is fitted to them."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Protocol

import torch
from torch import Tensor

from rlhp.types import UserError, make_rng


class Augmentation(Protocol):
    """Changes the clips of one gradient step, [n, L, *x], in a way that keeps the teacher's answers valid."""

    def __call__(self, clips: Tensor, step: int) -> Tensor:
        """Returns [n, L', *x] with L' <= L; `step` counts earlier gradient steps."""
        ...


def no_augmentation(clips: Tensor, step: int) -> Tensor:
    """Return the clips unchanged."""
    return clips


@dataclass(frozen=True, slots=True)
class Crop:
    """Random windows of the clips: the temporal cropping of SURF (Park et al. 2022, section 4.2).

    Both clips of a comparison are cut to the same length, each at its own random position. The length is between the fractions
    `low` and `high` of a clip; SURF cuts clips of 60 steps to 45 to 55. Here it is drawn per gradient step, not per pair as in
    SURF, so that a batch remains one array. Use it with losses that compare: the returns that `ReturnError` fits are those of
    whole clips. `low` 1 cuts nothing. Raises UserError unless 0 < low <= high <= 1.
    """

    seed: int
    low: float = 45 / 60
    high: float = 55 / 60

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high <= 1:
            raise UserError(
                f"crop.low and crop.high are fractions of a clip with 0 < low <= high <= 1, not {self.low} and {self.high}."
            )

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
    """Round half up, to at least 1."""
    return max(floor(steps + 0.5), 1)
