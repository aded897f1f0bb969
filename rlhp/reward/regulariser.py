"""How strongly the reward model's weights are held back (appendix A.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rlhp.types import Array, UserError


class Regulariser(Protocol):
    """The l2 coefficient of each member: where it starts, and how it goes on from the losses seen; all [M]."""

    def start(self, members: int) -> Array:
        """Before the first gradient step."""
        ...

    def next(self, coefficient: Array, train_loss: Array, valid_loss: Array) -> Array:
        """After a gradient step; a loss is NaN before there is anything to measure it on."""
        ...


@dataclass(frozen=True, slots=True)
class AdaptiveL2:
    """Keeps the validation loss within `low` to `high` times the training loss: the paper's 1.1 to 1.5.

    More where a member overfits, less where it could fit better, by the factor 1 + `rate` per gradient step, up to `most`:
    the rule of Ibarz et al. (2018), whose rate of 0.001 is meant for millions of steps. The penalty acts as decoupled decay
    (Loshchilov and Hutter, 2019): each gradient step shrinks the weights by learning rate times coefficient. Inside Adam's
    gradient it would wipe a member out for good once it outgrew the data's.
    """

    initial: float = 1.0
    low: float = 1.1
    high: float = 1.5
    rate: float = 0.01
    most: float = 40.0

    def __post_init__(self) -> None:
        if not 0 < self.initial <= self.most or self.rate < 0 or not 0 < self.low <= self.high:
            raise UserError("the adaptive l2 wants 0 < initial <= most, rate >= 0 and 0 < low <= high; from 0 it never grows.")

    def start(self, members: int) -> Array:
        """The same for every member."""
        return np.full(members, self.initial)

    def next(self, coefficient: Array, train_loss: Array, valid_loss: Array) -> Array:
        """A little more, a little less, or the same; the same too where a loss is unknown."""
        ratio = valid_loss / np.maximum(train_loss, 1e-12)
        up, down = ratio > self.high, ratio < self.low
        return np.minimum(coefficient * np.where(up, 1 + self.rate, np.where(down, 1 / (1 + self.rate), 1.0)), self.most)


@dataclass(frozen=True, slots=True)
class NoRegularisation:
    """No l2 at all: the ablation `no_regularisation`."""

    def start(self, members: int) -> Array:
        """Nothing."""
        return np.zeros(members)

    def next(self, coefficient: Array, train_loss: Array, valid_loss: Array) -> Array:
        """Nothing."""
        return coefficient
