"""What keeps a discriminator's score from changing too fast with its inputs, so that far from the expert it still tells better
from worse.
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
    """A forward pass of a score over n rows, and what can be differentiated."""

    @property
    def values(self) -> Tensor:
        """[n]."""
        ...

    def backward(self, into: Tensor) -> None:
        """Add the parameters' gradient of the sum of `into` [n] times the values."""
        ...

    def input_gradient(self) -> Tensor:
        """The values' gradients for their own inputs, [n, width]."""
        ...

    def backward_gradient(self, direction: Tensor) -> None:
        """Add the parameters' gradient of the sum of `direction` [n, width] times the input gradients."""
        ...


class Score(Protocol):
    """A function of rows of inputs, learned by gradient."""

    @property
    def weights(self) -> Sequence[Tensor]:
        """The matrices of its layers, [out, in] each."""
        ...

    def run(self, x: Tensor) -> Scored:
        """x [n, width]."""
        ...


class Lipschitz(Protocol):
    """A bound on the score's Lipschitz constant, or a penalty in its place."""

    def add(self, score: Score, expert: Tensor, policy: Tensor, rng: np.random.Generator) -> float:
        """Add a penalty's gradient to that of the loss, given rows of both sides [b, width]; the penalty."""
        ...

    def project(self, score: Score) -> None:
        """Bring the weights back to where they may be, after a gradient step."""
        ...


@dataclass(frozen=True, slots=True)
class GradientPenalty:
    """coefficient E[(|d score / d input| - 1)^2] at random points between the expert's rows and the policy's.

    Gulrajani et al. (2017), equation 3; with `least` 0 in place of -infinity only slopes above 1 count, as Petzka et al. (2018,
    equation 8) have it. Raises UserError for a coefficient below 0.
    """

    coefficient: float = 1.0
    least: float = -float("inf")  # of |d score / d input| - 1

    def __post_init__(self) -> None:
        if not 0 <= self.coefficient < float("inf"):
            raise UserError(f"reward_model.lipschitz.coefficient is {self.coefficient}: give a number from 0 up.")
        if self.least not in (0, -float("inf")):
            raise UserError(f"reward_model.lipschitz.least is {self.least}: give 0, for slopes above 1 alone, or -.inf for all.")

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
    """Every layer's matrix keeps a spectral norm of `most` or less: layers are scaled back after each gradient step.

    With `most` 1, a network of tanh layers has a Lipschitz constant of 1 or less. Gouk et al. (2021), section 4; Miyato et al.
    (2018) divide by the norm in each forward pass in place of it. Raises UserError unless `most` is above 0.
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
