"""Weight decay of the reward model (appendix A.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rlhp.types import Array, UserError


class Regulariser(Protocol):
    """The l2 coefficient of each member: its initial value, and its update from the losses so far; all [M]."""

    def start(self, members: int) -> Array:
        """The initial coefficients."""
        ...

    def next(self, coefficient: Array, train_loss: Array, valid_loss: Array) -> Array:
        """The coefficients after a gradient step; a loss is NaN while there is no data to measure it on."""
        ...


@dataclass(frozen=True, slots=True)
class AdaptiveL2:
    """Keeps the validation loss within `low` to `high` times the training loss: the paper's 1.1 to 1.5.

    The coefficient increases where a member overfits and decreases where it underfits, by the factor 1 + `rate` per gradient
    step, up to `most`. The rule is that of Ibarz et al. (2018), whose rate of 0.001 suits millions of steps. The penalty is
    decoupled weight decay (Loshchilov and Hutter, 2019): each gradient step shrinks the weights by learning rate times
    coefficient. As part of Adam's gradient it would erase a member for good once it exceeded the gradient of the data.
    """

    initial: float = 1.0
    low: float = 1.1
    high: float = 1.5
    rate: float = 0.01
    most: float = 40.0

    def __post_init__(self) -> None:
        if not 0 < self.initial <= self.most or self.rate < 0 or not 0 < self.low <= self.high:
            raise UserError(
                "the adaptive l2 needs 0 < initial <= most, rate >= 0 and 0 < low <= high; a coefficient of 0 never grows."
            )

    def start(self, members: int) -> Array:
        """The same coefficient for every member."""
        return np.full(members, self.initial)

    def next(self, coefficient: Array, train_loss: Array, valid_loss: Array) -> Array:
        """Increase, decrease or keep each coefficient; keep it where a loss is unknown."""
        ratio = valid_loss / np.maximum(train_loss, 1e-12)
        up, down = ratio > self.high, ratio < self.low
        return np.minimum(coefficient * np.where(up, 1 + self.rate, np.where(down, 1 / (1 + self.rate), 1.0)), self.most)


@dataclass(frozen=True, slots=True)
class NoRegularisation:
    """No l2 penalty: the ablation `no_regularisation`."""

    def start(self, members: int) -> Array:
        """Nothing."""
        return np.zeros(members)

    def next(self, coefficient: Array, train_loss: Array, valid_loss: Array) -> Array:
        """Nothing."""
        return coefficient
