"""Likelihoods of answers that express more than an order: graded comparisons and ratings. Shapes as in `preference`."""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1, log
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rlhp.preference import CrossEntropy, Loss, Rankings, check_ranked, log_likelihood, pairs
from rlhp.types import Setup, UserError


@runtime_checkable
class Learned(Protocol):
    """A loss with its own parameters, which are learned together with the networks."""

    @property
    def learning_rate(self) -> float:
        """The learning rate of Adam for these parameters."""
        ...

    @property
    def decay(self) -> float:
        """Decay of the parameters towards 0, per gradient step and unit of learning rate."""
        ...

    def start(self, members: int) -> tuple[Loss, Tensor]:
        """The loss for an ensemble of `members`, and its parameters, a leaf tensor of floats that it reads at every call."""
        ...


@dataclass(frozen=True, slots=True)
class Graded:
    """The likelihood of graded comparisons: an ordinal model, the cumulative logit of paired comparisons (Agresti 1992).

    Let d be the better segment's sum minus the other's. "Much better" has probability sigmoid(d - threshold), and "slightly
    better" has the rest of equation 1, sigmoid(d) - sigmoid(d - threshold). So the sums of slightly better segments are pulled
    to within `threshold` of each other, while the order alone would push them apart without bound. `equal` is the mean of both
    orders. The teacher gives one of the four answers at random with probability `error`. Ranks that differ by 2 or more mean
    "much better". Raises UserError if the threshold is not above 0 or `error` is not in [0, 1).
    """

    threshold: float = 2.0
    error: float = 0.1

    def __post_init__(self) -> None:
        if not self.threshold > 0 or not 0 <= self.error < 1:
            raise UserError(
                f"the graded loss needs a threshold above 0 and an error of at least 0 and below 1, not {self.threshold} and "
                f"{self.error}."
            )

    def check(self, setup: Setup) -> None:
        """Raises UserError if the queries of this run show a single clip, or more than two."""
        check_ranked(setup, "graded")
        if getattr(setup.query, "clips", 2) > 2:
            raise UserError(
                "the graded loss needs comparisons of two clips: set query.clips=2, or choose reward_model/loss=cross_entropy or "
                "plackett_luce."
            )

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of every member on every comparison: [M, C] -> [M, n]."""
        of = pairs(sums, rankings)
        much = of.gap >= 2
        return of.mean(-of.mu * self._log_likelihood(of.lead, much) - (1 - of.mu) * self._log_likelihood(-of.lead, much))

    def _log_likelihood(self, lead: Tensor, much: Tensor) -> Tensor:
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - e^(b - a))
        slightly = logsigmoid(lead) + logsigmoid(self.threshold - lead) + log(-expm1(-self.threshold))
        answer = torch.where(much, logsigmoid(lead - self.threshold), slightly)
        if self.error == 0:
            return answer
        return torch.logaddexp(log(1 - self.error) + answer, lead.new_tensor(log(self.error / 4)))


@dataclass(frozen=True, slots=True)
class Ratings:
    """The likelihood of ratings with a learned scale and shift for each annotator.

    Annotator a judges a segment with sum s as better than average with probability p = sigmoid(e^(scale_a) s + shift_a): ability
    and discrimination of item response theory (Birnbaum 1968; with one scale for all, Rasch 1960). The loss of a rating y is the
    cross-entropy -y log p - (1 - y) log(1 - p), as for a comparison with an average segment that is won with probability y. The
    teacher answers at random with probability `error`. Scales and shifts start at 0, are learned by Adam, and decay by `decay`
    like the networks' weights, so that annotators with few answers count as average. The first `ANNOTATORS` - 1 annotators have
    their own parameters; all others share one pair. Comparisons have the loss of `CrossEntropy`. Raises UserError for values out
    of range.
    """

    error: float = 0.0
    learning_rate: float = 0.01
    decay: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.error < 1 or not self.learning_rate > 0 or not self.decay >= 0:
            raise UserError(
                "the loss of ratings needs an error of at least 0 and below 1, a learning_rate above 0 and a decay of at least "
                f"0, not {self.error}, {self.learning_rate} and {self.decay}."
            )

    def start(self, members: int) -> tuple[Loss, Tensor]:
        """The loss for an ensemble of `members`, and its annotators' log scales and shifts [2, M, ANNOTATORS]."""
        parameters = torch.zeros(2, members, ANNOTATORS, requires_grad=True)
        return _RatingsOf(self.error, parameters), parameters

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of each member on each answer, with all annotators' scales and shifts 0: [M, C] -> [M, n]."""
        return self.start(len(sums))[0](sums, rankings)


ANNOTATORS = 64


@dataclass(frozen=True, slots=True)
class _RatingsOf:
    """The loss of `Ratings` with the members' parameters."""

    error: float
    parameters: Tensor

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        ranked = CrossEntropy(self.error)
        if rankings.rating is None or rankings.annotator is None:
            return ranked(sums, rankings)
        rated = ~rankings.rating.isnan()
        scale, shift = self.parameters[:, :, rankings.annotator.clamp(max=ANNOTATORS - 1)]  # [M, n] each
        lead = scale.exp() * rankings.of(sums)[..., 0] + shift
        y = rankings.rating.to(sums.dtype).nan_to_num(0.5)
        loss = -y * log_likelihood(lead, self.error) - (1 - y) * log_likelihood(-lead, self.error)
        return torch.where(rated, loss, ranked(sums, rankings))
