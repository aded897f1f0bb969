"""The Bradley-Terry model and related losses: pure functions of predicted segment sums.

Shapes: M members, C segments, n answers to queries of K segments, Q queries. A sum is the undiscounted sum of r-hat over a
segment (equation 1 of the paper and its footnote 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb, exp, log, log1p
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rlhp.types import Array, Setup, UserError

ELO_PER_NAT = 400 / log(10)  # 173.72 Elo points per unit of a segment sum


def win_probability(left: Array, right: Array) -> Array:
    """P[left is preferred] = exp(left) / (exp(left) + exp(right)), elementwise (equation 1)."""
    return 0.5 * (1.0 + np.tanh(0.5 * (left - right)))


def elo(nats: Array) -> Array:
    """Convert segment sums, or differences of them, to Elo points, elementwise: odds of ten to one are 400 points."""
    return ELO_PER_NAT * nats


def expected_score(lead: Array) -> Array:
    """The expected score at a rating `lead` points higher, 1 / (1 + 10^(-lead / 400)), elementwise: equation 1 in Elo points."""
    return win_probability(lead / ELO_PER_NAT, np.zeros_like(lead, dtype=np.float64))


def disagreement(sums: Array) -> Array:
    """The disagreement of an ensemble on each query: sums [M, Q, K] -> [Q].

    It is the variance over members of the predicted preference probability (section 2.2.4), averaged over the K(K-1)/2 pairs. A
    single segment is compared with an average one, whose sum is 0.
    """
    if sums.ndim != 3 or sums.shape[2] < 1:
        raise ValueError(f"sums must be [members, queries, clips], not {sums.shape}")
    if sums.shape[2] == 1:
        sums = np.concatenate([sums, np.zeros_like(sums)], axis=2)
    pairs = [win_probability(sums[..., i], sums[..., j]).var(axis=0) for i, j in combinations(range(sums.shape[2]), 2)]
    return np.mean(pairs, axis=0)


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


def check_ranked(setup: Setup, loss: str) -> None:
    """Raises UserError if the queries of this run show a single clip, which the loss does not support."""
    if getattr(setup.query, "clips", 2) == 1:
        raise UserError(
            f"the loss {loss} supports only comparisons and rankings; choose reward_model/loss=cross_entropy or ratings."
        )


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


class AdaptiveScale:
    """Cross-entropy with a separate scale for each comparison: the loss of Ada-Pref (Hong et al. 2024, arXiv 2406.02764).

    With d the better segment's sum minus the other's, the loss is the minimum over tau in [low, high] of

        -tau log(2 sigmoid(d / tau)) + rho tau,

    the dual form of the worst expected loss over distributions p on the two orders with KL(p, 1/2) <= rho. If the sums are
    close, tau is small and a small difference suffices; if they are far apart, tau is large and the loss keeps pulling. The loss
    is convex in tau with slope rho - KL(sigmoid(d / tau), 1/2), which vanishes at tau = |d| / x, with the same x for all
    comparisons. So the minimiser has a closed form, and only x has to be searched for, once. The gradient for d is that at the
    optimal tau (envelope theorem).

    A constant is added, so that the loss falls to 0 as d grows and losses can be compared by their ratio. A tie is the mean of
    both orders, which have the same tau. The defaults are those of the command in the authors' repository
    (IlgeeHong/Adaptive-Preference-Scaling). Raises UserError unless 0 < low <= high and 0 < rho < log 2; with a larger rho, the
    scale would always be the smallest.
    """

    def __init__(self, low: float = 0.1, high: float = 1.0, rho: float = 0.1) -> None:
        if not 0 < low <= high or not 0 < rho < log(2):
            raise UserError(f"the adaptive scale needs 0 < low <= high and 0 < rho < log 2, not {low}, {high} and {rho}.")
        self.low, self.high, self.rho = low, high, rho
        self.logit = _logit_at(rho)

    def check(self, setup: Setup) -> None:
        """Raises UserError if the queries of this run show a single clip."""
        check_ranked(setup, "adaptive_scale")

    def scale(self, delta: Tensor) -> Tensor:
        """tau of each comparison, given the differences of the sums, elementwise."""
        return (delta.detach().abs() / self.logit).clamp(self.low, self.high)

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of each member on each ranking, the mean over its pairs: [M, C] -> [M, n]."""
        of = pairs(sums, rankings)
        tau = self.scale(of.lead)
        misfit = -of.mu * logsigmoid(of.lead / tau) - (1 - of.mu) * logsigmoid(-of.lead / tau)
        return of.mean(tau * misfit + (log(2) - self.rho) * (self.high - tau))


def _logit_at(divergence: float) -> float:
    """The x > 0 at which KL(sigmoid(x), 1/2), which increases from 0 to log 2, has this value; by bisection."""
    low, high = 0.0, 1.0
    while _from_even(high) < divergence:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _from_even(middle) < divergence else (low, middle)
    return high


def _from_even(x: float) -> float:
    """KL(p, 1/2) of a Bernoulli distribution with p = sigmoid(x), x >= 0: log(2 p) - (1 - p) x."""
    return log(2) - log1p(exp(-x)) - x / (1 + exp(x))


class PlackettLuce:
    """The negative log-likelihood of a whole ranking (Luce 1959; Plackett 1975; Xia et al. 2008, the loss of ListMLE).

    The best segment is chosen among all, the next one among the rest, each with a probability proportional to exp(sum): with
    s_(1) the sum of the best segment and so on,

        -log P = sum over i < K of log(exp s_(i) + ... + exp s_(K)) - s_(i).

    For two segments that is `CrossEntropy` without error. For more it is not a mean over pairs: the loss grows with the number
    of distinct ranks, and the first choices weigh no more than the last.

    A tie leaves the order of its segments open: the loss is the mean over all orders that the ranks allow. So the loss of a tie
    of two is at least log 2, as for `CrossEntropy`. The mean is exact and has a term for each set of segments that may come
    last, up to 2^K - 1 of them, which limits a query to `MOST` segments. There is no term for a teacher's errors, since that of
    the paper is for two segments.
    """

    MOST = 10

    def check(self, setup: Setup) -> None:
        """Raises UserError if the queries of this run show too many clips, or a single one."""
        check_ranked(setup, "plackett_luce")
        self._check(getattr(setup.query, "clips", 2))

    def _check(self, clips: int) -> None:
        if clips > self.MOST:
            raise UserError(
                f"the Plackett-Luce loss ranks at most {self.MOST} clips at once, not {clips}; lower query.clips, or choose "
                "reward_model/loss=cross_entropy."
            )

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of each member on each ranking: [M, C] -> [M, n]. Raises UserError for more than `MOST` segments."""
        self._check(rankings.rank.shape[1])
        each, sets = rankings.of(sums), _subsets(rankings.rank.shape[1])
        chosen_from = each.unsqueeze(2).masked_fill(~sets, -torch.inf).logsumexp(dim=-1)  # [M, n, 2^K - 1]
        chosen = torch.where(rankings.there, each, 0.0)
        return (_share_of_orders(rankings, sets).to(each.dtype) * chosen_from).sum(dim=-1) - chosen.sum(dim=-1)


def _subsets(clips: int) -> Tensor:
    """All nonempty sets of K segments: [2^K - 1, K] bool."""
    return (torch.arange(1, 2**clips)[:, None] >> torch.arange(clips) & 1).bool()


def _share_of_orders(rankings: Rankings, sets: Tensor) -> Tensor:
    """The fraction of the orders allowed by a ranking in which a set of segments comes last: sets [S, K] -> [n, S].

    Such a set contains all segments with a worse rank than its best one, and t of the g segments of that rank: one of C(g, t)
    choices.
    """
    rank, there = (x.unsqueeze(1) for x in (rankings.rank, rankings.there))  # [n, 1, K]
    best = torch.where(sets, rank, torch.iinfo(rank.dtype).max).amin(dim=-1, keepdim=True)  # [n, S, 1]
    inside = (~sets | there).all(dim=-1) & (sets | ~there | (rank <= best)).all(dim=-1)
    group = there & (rank == best)
    sizes = range(sets.shape[1] + 1)
    choices = torch.tensor([[comb(g, t) for t in sizes] for g in sizes], dtype=torch.float64)
    return torch.where(inside, 1 / choices[group.sum(dim=-1), (group & sets).sum(dim=-1)], 0.0)


@dataclass(frozen=True, slots=True)
class ReturnError:
    """Squared error against the segments' true returns: the ablation `target` (section 3.3)."""

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of each member on each query, the mean over its segments: [M, C] -> [M, n]."""
        squares = (rankings.of(sums) - rankings.returns) ** 2
        return torch.where(rankings.there, squares, 0.0).sum(dim=-1) / rankings.there.sum(dim=-1)
