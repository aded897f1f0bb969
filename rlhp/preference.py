"""Bradley-Terry and its relatives: pure functions of predicted segment sums.

Shapes: M members, n comparisons, Q questions of K clips each. A sum is r-hat added up over a segment, undiscounted
(equation 1 of the paper and its footnote 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import exp, log, log1p
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rlhp.types import Array, UserError

ELO_PER_NAT = 400 / log(10)  # 173.72: points of an Elo rating for one unit of a segment sum


def win_probability(left: Array, right: Array) -> Array:
    """P[left is preferred] = exp(left) / (exp(left) + exp(right)), elementwise (equation 1)."""
    return 0.5 * (1.0 + np.tanh(0.5 * (left - right)))


def elo(nats: Array) -> Array:
    """Segment sums, or differences of them, in points of an Elo rating, elementwise: ten to one are 400 points."""
    return ELO_PER_NAT * nats


def expected_score(lead: Array) -> Array:
    """Elo's expectation for who is rated `lead` points higher, 1 / (1 + 10^(-lead / 400)), elementwise: equation 1 in points."""
    return win_probability(lead / ELO_PER_NAT, np.zeros_like(lead, dtype=np.float64))


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

    `smoothing` smooths the labels instead, mu to (1 - smoothing) mu + smoothing / 2 (Szegedy et al. 2016, section 7). The
    error lets a prediction be as sure as it likes and forgives confident mistakes; smoothed labels ask for no more than
    the log odds log((2 - smoothing) / smoothing), pull back whatever is surer, and forgive nothing. Of equal size they
    cancel: the smoothed label is then what a teacher with that error would give on average, and P is driven to 0 or 1 again.
    """

    error: float = 0.1
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.error < 1 or not 0 <= self.smoothing < 1:
            raise UserError(
                "each of the loss's error and smoothing is a probability; set it to at least 0 and less than 1, "
                f"not {self.error} and {self.smoothing}."
            )

    def __call__(self, left: Tensor, right: Tensor, labels: Labels) -> Tensor:
        """The loss of every member on every comparison, [M, n]."""
        mu = (1 - self.smoothing) * labels.mu + self.smoothing / 2
        return -mu * self._log_likelihood(left - right) - (1 - mu) * self._log_likelihood(right - left)

    def _log_likelihood(self, delta: Tensor) -> Tensor:
        if self.error == 0:
            return logsigmoid(delta)
        guess = delta.new_tensor(log(self.error / 2))
        return torch.logaddexp(log(1 - self.error) + logsigmoid(delta), guess)


class AdaptiveScale:
    """Cross-entropy in which each comparison has a scale of its own: the loss of Ada-Pref (Hong et al. 2024, arXiv 2406.02764).

    With d the better clip's sum minus the other's, the loss is min over tau in [low, high] of

        -tau log(2 sigmoid(d / tau)) + rho tau,

    the dual form of the worst expected loss over distributions p on the two orders with KL(p, 1/2) <= rho. Where the sums are
    close, tau is small and close is good enough; where they are far apart it is large and the loss keeps pulling. In tau the
    loss is convex, and its slope is rho - KL(sigmoid(d / tau), 1/2): it vanishes where tau = |d| / x, with one x for all
    comparisons. So the minimiser is in closed form, and only x has to be searched for, once. The gradient for d is that at
    the tau found (envelope theorem).

    A constant is added, so that the loss falls to 0 as d grows and losses can be compared by their ratio. A tie is the mean
    of both orders, which have the same tau. The defaults are those of the command in the authors' repository
    (IlgeeHong/Adaptive-Preference-Scaling). Raises UserError unless 0 < low <= high and 0 < rho < log 2, beyond which no
    scale but the smallest is ever chosen.
    """

    def __init__(self, low: float = 0.1, high: float = 1.0, rho: float = 0.1) -> None:
        if not 0 < low <= high or not 0 < rho < log(2):
            raise UserError(f"the adaptive scale wants 0 < low <= high and 0 < rho < log 2, not {low}, {high} and {rho}.")
        self.low, self.high, self.rho = low, high, rho
        self.logit = _logit_at(rho)

    def scale(self, delta: Tensor) -> Tensor:
        """tau of each comparison, given the difference of the sums, elementwise."""
        return (delta.detach().abs() / self.logit).clamp(self.low, self.high)

    def __call__(self, left: Tensor, right: Tensor, labels: Labels) -> Tensor:
        """The loss of every member on every comparison, [M, n]."""
        delta = left - right
        tau = self.scale(delta)
        misfit = -labels.mu * logsigmoid(delta / tau) - (1 - labels.mu) * logsigmoid(-delta / tau)
        return tau * misfit + (log(2) - self.rho) * (self.high - tau)


def _logit_at(divergence: float) -> float:
    """The x > 0 at which KL(sigmoid(x), 1/2), growing from 0 to log 2, has this value; by bisection."""
    low, high = 0.0, 1.0
    while _from_even(high) < divergence:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _from_even(middle) < divergence else (low, middle)
    return high


def _from_even(x: float) -> float:
    """KL(p, 1/2) of a coin with p = sigmoid(x), x >= 0: log(2 p) - (1 - p) x."""
    return log(2) - log1p(exp(-x)) - x / (1 + exp(x))


@dataclass(frozen=True, slots=True)
class ReturnError:
    """Squared error against the segments' true returns: the ablation `target` (section 3.3)."""

    def __call__(self, left: Tensor, right: Tensor, labels: Labels) -> Tensor:
        """The loss of every member on every comparison, [M, n]."""
        return 0.5 * ((left - labels.left_return) ** 2 + (right - labels.right_return) ** 2)
