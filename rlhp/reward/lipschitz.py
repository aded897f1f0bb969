"""Bounds and penalties that keep a discriminator's score from changing too fast with its inputs.

A smooth score still distinguishes better from worse steps far from the expert's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rlhp.types import UserError


class Scored(Protocol):
    """A forward pass of a score over n rows, and its derivatives."""

    @property
    def values(self) -> Tensor:
        """The scores [n]."""
        ...

    def backward(self, into: Tensor) -> None:
        """Add the parameters' gradient of the sum of `into` [n] times the values."""
        ...

    def input_gradient(self) -> Tensor:
        """The gradient of each value with respect to its own input, [n, width]."""
        ...

    def backward_gradient(self, direction: Tensor) -> None:
        """Add the parameters' gradient of the sum of `direction` [n, width] times the input gradients."""
        ...


class Score(Protocol):
    """A function of rows of inputs that is learned by gradient descent."""

    @property
    def weights(self) -> Sequence[Tensor]:
        """The weight matrices of the layers, [out, in] each."""
        ...

    def run(self, x: Tensor) -> Scored:
        """Forward pass for x [n, width]."""
        ...


class Lipschitz(Protocol):
    """A bound on the score's Lipschitz constant, or a penalty instead."""

    def add(self, score: Score, expert: Tensor, policy: Tensor, rng: np.random.Generator) -> float:
        """Add the gradient of a penalty to that of the loss, given rows of both sides [b, width]; returns the penalty."""
        ...

    def project(self, score: Score) -> None:
        """Project the weights back into the bound, after a gradient step."""
        ...


@dataclass(frozen=True, slots=True)
class GradientPenalty:
    """The gradient penalty, coefficient E[(|d score / d input| - 1)^2] at random points between the rows of expert and policy.

    Gulrajani et al. (2017), equation 3. With `least` 0 instead of -infinity only slopes above 1 count, as in Petzka et al.
    (2018), equation 8. Raises UserError for a coefficient below 0.
    """

    coefficient: float = 1.0
    least: float = -float("inf")  # lower bound of |d score / d input| - 1

    def __post_init__(self) -> None:
        if not 0 <= self.coefficient < float("inf"):
            raise UserError(f"reward_model.lipschitz.coefficient is {self.coefficient}: give a finite number of at least 0.")
        if self.least not in (0, -float("inf")):
            raise UserError(
                f"reward_model.lipschitz.least is {self.least}: give 0 to penalise only slopes above 1, or -.inf to penalise all."
            )

    def add(self, score: Score, expert: Tensor, policy: Tensor, rng: np.random.Generator) -> float:
        """See `Lipschitz`."""
        share = torch.from_numpy(rng.random((len(expert), 1), dtype=np.float32))
        run = score.run(torch.lerp(policy, expert, share))
        slope = run.input_gradient()
        size = slope.norm(dim=1, keepdim=True)
        excess = (size - 1).clamp(min=self.least)
        run.backward_gradient(slope * (2 * self.coefficient / len(expert) * excess / size.clamp(min=1e-12)))
        return float(self.coefficient * excess.square().mean())

    def project(self, score: Score) -> None:
        """Nothing to do."""


@dataclass(frozen=True, slots=True)
class SpectralNorm:
    """Keeps the spectral norm of every weight matrix at `most` or less by scaling it down after each gradient step.

    With `most` 1, a network of tanh layers has a Lipschitz constant of 1 or less. Gouk et al. (2021), section 4; Miyato et al.
    (2018) divide by the norm in each forward pass instead. Raises UserError unless `most` is above 0.
    """

    most: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.most < float("inf"):
            raise UserError(f"reward_model.lipschitz.most is {self.most}: give a number above 0.")

    def add(self, score: Score, expert: Tensor, policy: Tensor, rng: np.random.Generator) -> float:
        """No penalty."""
        return 0.0

    def project(self, score: Score) -> None:
        """See `Lipschitz`."""
        for weight in score.weights:
            norm = float(torch.linalg.matrix_norm(weight, 2))
            if norm > self.most:
                weight.mul_(self.most / norm)


class Unbounded:
    """No penalty and no bound."""

    def add(self, score: Score, expert: Tensor, policy: Tensor, rng: np.random.Generator) -> float:
        """No penalty."""
        return 0.0

    def project(self, score: Score) -> None:
        """Nothing to do."""
