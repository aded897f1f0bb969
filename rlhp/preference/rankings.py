"""Answers as input of a loss, and their pairs of segments.

Shapes: M members, C segments, n answers to queries of K segments.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import torch
from torch import Tensor

from rlhp.types import Setup, UserError


@dataclass(frozen=True, slots=True)
class Rankings:
    """n answers as input of a loss; `there` masks the columns of queries with fewer than K segments.

    A row with a single segment is a rating and not a ranking.
    """

    clip: Tensor  # [n, K]  index of the sum of each segment
    rank: Tensor  # [n, K]  lower is better, equal ranks are ties
    there: Tensor  # [n, K]  bool: whether the query has this segment
    returns: Tensor  # [n, K]  standardised true returns of the segments; only for regression on the true reward
    rating: Tensor | None = None  # [n]  from 0 to 1; NaN for rankings; None: there are no ratings
    annotator: Tensor | None = None  # [n]  index of the annotator; None: there are no ratings

    def of(self, sums: Tensor) -> Tensor:
        """The sums of each query's segments: [M, C] -> [M, n, K]."""
        return sums[:, self.clip]


class Loss(Protocol):
    """A loss of each member on each answer: sums [M, C] of C segments and n answers -> [M, n]."""

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of each member on each answer; a ranking of K segments is one answer."""
        ...


@dataclass(frozen=True, slots=True)
class Pairs:
    """The P = K(K-1)/2 pairs of segments of each ranking."""

    lead: Tensor  # [M, n, P]  the first clip's sum minus the second's
    mu: Tensor  # [n, P]  P[the first is better]: 1, 0 or 1/2
    gap: Tensor  # [n, P]  difference of their ranks
    weight: Tensor  # [n, P]  1 / C(K, 2) for a query of K segments (Ouyang et al. 2022, section 3.5); 0 if there is no such pair

    def mean(self, values: Tensor) -> Tensor:
        """The mean over each ranking's pairs: [M, n, P] -> [M, n]."""
        return (values * self.weight).sum(dim=-1)


def pairs(sums: Tensor, rankings: Rankings) -> Pairs:
    """Split rankings into pairs, given the sums [M, C] of all segments."""
    each, rank, there = (x.unbind(-1) for x in (rankings.of(sums), rankings.rank, rankings.there))
    both = list(combinations(range(len(rank)), 2))
    if not both:  # all queries have a single segment
        none = sums.new_zeros(len(rankings.rank), 0)
        return Pairs(sums.new_zeros(len(sums), *none.shape), none, none, none)
    lead = torch.stack([each[i] - each[j] for i, j in both], dim=-1)
    ahead = torch.stack([rank[j] - rank[i] for i, j in both], dim=-1)
    known = torch.stack([there[i] & there[j] for i, j in both], dim=-1)
    weight = known.to(sums.dtype) / known.sum(dim=-1, keepdim=True).clamp(min=1)
    return Pairs(lead, ahead.sign().to(sums.dtype).mul(0.5).add(0.5), ahead.abs(), weight)


def agreement(sums: Tensor, rankings: Rankings) -> Tensor:
    """The fraction of each ranking's pairs that a member orders in the same way: [M, C] -> [M, n].

    A rated segment is paired with all others in the batch that the same annotator has rated. Ties of the teacher are left out;
    the result is NaN if there are only ties. A member that predicts equal sums for a pair is wrong about it.
    """
    of = pairs(sums, rankings)
    decided = (of.weight > 0) & (of.mu != 0.5)
    right = decided & (of.lead * (of.mu - 0.5) > 0)
    share = right.sum(dim=-1) / decided.sum(dim=-1)
    return share if rankings.rating is None else torch.where(rankings.rating.isnan(), share, _rated_agreement(sums, rankings))


def _rated_agreement(sums: Tensor, rankings: Rankings) -> Tensor:
    """`agreement` for ratings, [M, n]; undefined for other answers."""
    assert rankings.rating is not None and rankings.annotator is not None
    sum_of = rankings.of(sums)[..., 0]
    ahead = rankings.rating[:, None] - rankings.rating  # [n, n]; NaN for rankings
    decided = (rankings.annotator[:, None] == rankings.annotator) & (ahead.abs() > 0)
    right = decided & ((sum_of[:, :, None] - sum_of[:, None]) * ahead > 0)
    return right.sum(dim=-1) / decided.sum(dim=-1)


def check_ranked(setup: Setup, loss: str) -> None:
    """Raises UserError if the queries of this run show a single clip, which the loss does not support."""
    if getattr(setup.query, "clips", 2) == 1:
        raise UserError(
            f"the loss {loss} supports only comparisons and rankings; choose reward_model/loss=cross_entropy or ratings."
        )
