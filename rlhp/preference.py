"""Bradley-Terry and its relatives: pure functions of predicted segment sums.

Shapes: M members, n comparisons, Q questions of K clips each. A sum is r-hat added up over a segment, undiscounted
(equation 1 of the paper and its footnote 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import log
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rlhp.types import Array, UserError


def win_probability(left: Array, right: Array) -> Array:
    """P[left is preferred] = exp(left) / (exp(left) + exp(right)), elementwise (equation 1)."""
    return 0.5 * (1.0 + np.tanh(0.5 * (left - right)))


def disagreement(sums: Array) -> Array:
    """How far the members of an ensemble differ about each question: sums [M, Q, K] -> [Q].

    The variance over members of the predicted preference probability (section 2.2.4), averaged over the K(K-1)/2 pairs.
    """
    if sums.ndim != 3 or sums.shape[2] < 2:
        raise ValueError(f"sums must be [members, questions, at least 2 clips], not {sums.shape}")
    pairs = [win_probability(sums[..., i], sums[..., j]).var(axis=0) for i, j in combinations(range(sums.shape[2]), 2)]
    return np.mean(pairs, axis=0)


@dataclass(frozen=True, slots=True)
class Labels:
    """What a loss may compare predictions with, one row per comparison: all [n]."""

    mu: Tensor  # P[left is better]: 1, 0 or 1/2
    left_return: Tensor  # true returns of the clips, standardised; for regression on the target alone
    right_return: Tensor


class Loss(Protocol):
    """How wrong the members are about each comparison: sums [M, n], labels [n] -> [M, n]."""

    def __call__(self, left: Tensor, right: Tensor, labels: Labels) -> Tensor:
        """The loss of every member on every comparison."""
        ...


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """The paper's loss (section 2.2.3) for a teacher that answers at random with probability `error`.

    The predicted probability is (1 - error) P + error / 2, so the loss of one comparison lies between -log(1 - error / 2)
    and -log(error / 2). It is computed from logits: a clipped probability would lose the gradient of confident mistakes.
    """

    error: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.error < 1:
            raise UserError(f"the loss's error is a probability; set it to at least 0 and less than 1, not {self.error}.")

    def __call__(self, left: Tensor, right: Tensor, labels: Labels) -> Tensor:
        """The loss of every member on every comparison, [M, n]."""
        return -labels.mu * self._log_likelihood(left - right) - (1 - labels.mu) * self._log_likelihood(right - left)

    def _log_likelihood(self, delta: Tensor) -> Tensor:
        if self.error == 0:
            return logsigmoid(delta)
        guess = delta.new_tensor(log(self.error / 2))
        return torch.logaddexp(log(1 - self.error) + logsigmoid(delta), guess)


@dataclass(frozen=True, slots=True)
class ReturnError:
    """Squared error against the segments' true returns: the ablation `target` (section 3.3)."""

    def __call__(self, left: Tensor, right: Tensor, labels: Labels) -> Tensor:
        """The loss of every member on every comparison, [M, n]."""
        return 0.5 * ((left - labels.left_return) ** 2 + (right - labels.right_return) ** 2)
