"""The paper's loss."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rlhp.preference.rankings import Rankings, pairs
from rlhp.types import UserError


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """The paper's loss (section 2.2.3) for a teacher that answers at random with probability `error`.

    The predicted probability is (1 - error) P + error / 2, so the loss of one comparison is between -log(1 - error / 2) and
    -log(error / 2). It is computed from logits, since a clipped probability would lose the gradient of confident mistakes.

    `smoothing` smooths the labels instead, from mu to (1 - smoothing) mu + smoothing / 2 (Szegedy et al. 2016, section 7). With
    `error`, predictions may become arbitrarily confident, and confident mistakes have a bounded loss. With smoothed labels, the
    loss is least at the log odds log((2 - smoothing) / smoothing), more confident predictions are pulled back, and the loss of
    mistakes is not bounded. If both are equal, they cancel: the smoothed label is the average answer of a teacher with that
    error, and P is driven to 0 or 1 again.
    """

    error: float = 0.1
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.error < 1 or not 0 <= self.smoothing < 1:
            raise UserError(
                "error and smoothing of the loss are probabilities; set them to at least 0 and less than 1, "
                f"not {self.error} and {self.smoothing}."
            )

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of each member on each answer, the mean over a ranking's pairs or `rated_loss`: [M, C] -> [M, n]."""
        of = pairs(sums, rankings)
        mu = (1 - self.smoothing) * of.mu + self.smoothing / 2
        ranked = of.mean(-mu * log_likelihood(of.lead, self.error) - (1 - mu) * log_likelihood(-of.lead, self.error))
        return ranked if rankings.rating is None else ranked + rated_loss(sums, rankings, self.error)


def rated_loss(sums: Tensor, rankings: Rankings, error: float) -> Tensor:
    """Cross-entropy of ratings y as probabilities of being better than an average segment, [M, C] -> [M, n]; 0 for rankings.

    It is -y log p - (1 - y) log(1 - p) with p = (1 - error) sigmoid(sum) + error / 2: the loss of a comparison with a segment
    whose sum is 0 (section 2.2.3), with the minimum at p = y. The answers good and bad are ratings of 1 and 0.
    """
    if rankings.rating is None:
        return sums.new_zeros(len(sums), len(rankings.rank))
    rating = rankings.rating.to(sums.dtype)
    lead, y = rankings.of(sums)[..., 0], rating.nan_to_num(0.5)
    loss = -y * log_likelihood(lead, error) - (1 - y) * log_likelihood(-lead, error)
    return torch.where(rating.isnan(), 0.0, loss)


def log_likelihood(lead: Tensor, error: float) -> Tensor:
    """log((1 - error) sigmoid(lead) + error / 2), elementwise, computed from logits."""
    if error == 0:
        return logsigmoid(lead)
    guess = lead.new_tensor(log(error / 2))
    return torch.logaddexp(log(1 - error) + logsigmoid(lead), guess)
