"""Bradley-Terry and its relatives: pure functions of predicted segment sums.

Shapes: M members, C clips, n answers to questions of K clips, Q questions. A sum is r-hat added up over a segment, undiscounted
(equation 1 of the paper and its footnote 3).
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

    The variance over members of the predicted preference probability (section 2.2.4), averaged over the K(K-1)/2 pairs. A single
    clip is compared with a middling one, whose sum is 0.
    """
    if sums.ndim != 3 or sums.shape[2] < 1:
        raise ValueError(f"sums must be [members, questions, clips], not {sums.shape}")
    if sums.shape[2] == 1:
        sums = np.concatenate([sums, np.zeros_like(sums)], axis=2)
    pairs = [win_probability(sums[..., i], sums[..., j]).var(axis=0) for i, j in combinations(range(sums.shape[2]), 2)]
    return np.mean(pairs, axis=0)


@dataclass(frozen=True, slots=True)
class Rankings:
    """n answers as a loss reads them; a question of fewer than K clips has columns that are not `there`.

    A row of a single clip is rated, and ranks nothing.
    """

    clip: Tensor  # [n, K]  which of the sums belongs to each clip of a question
    rank: Tensor  # [n, K]  lower is better, equal ranks are ties
    there: Tensor  # [n, K]  bool
    returns: Tensor  # [n, K]  true returns of the clips, standardised; for regression on the target alone
    rating: Tensor | None = None  # [n]  from 0 to 1; NaN where clips are ranked; None: nothing is rated
    annotator: Tensor | None = None  # [n]  numbers of who rates; None: nothing is rated

    def of(self, sums: Tensor) -> Tensor:
        """The sums of each question's clips: [M, C] -> [M, n, K]."""
        return sums[:, self.clip]


class Loss(Protocol):
    """How wrong the members are about each answer: sums [M, C] of C clips, n rankings of them -> [M, n]."""

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of every member on every answer; a ranking of K clips is one answer."""
        ...


@dataclass(frozen=True, slots=True)
class Pairs:
    """The K(K-1)/2 pairs of clips of each ranking, P of them."""

    lead: Tensor  # [M, n, P]  the first clip's sum minus the second's
    mu: Tensor  # [n, P]  P[the first is better]: 1, 0 or 1/2
    gap: Tensor  # [n, P]  by how many ranks they differ
    weight: Tensor  # [n, P]  1 / C(K, 2) of a question of K clips (Ouyang et al. 2022, section 3.5); 0 where there is no pair

    def mean(self, values: Tensor) -> Tensor:
        """The mean over each ranking's pairs: [M, n, P] -> [M, n]."""
        return (values * self.weight).sum(dim=-1)


def pairs(sums: Tensor, rankings: Rankings) -> Pairs:
    """Rankings taken apart: sums [M, C] of the clips that they name."""
    each, rank, there = (x.unbind(-1) for x in (rankings.of(sums), rankings.rank, rankings.there))
    both = list(combinations(range(len(rank)), 2))
    if not both:  # every question is about one clip
        none = sums.new_zeros(len(rankings.rank), 0)
        return Pairs(sums.new_zeros(len(sums), *none.shape), none, none, none)
    lead = torch.stack([each[i] - each[j] for i, j in both], dim=-1)
    ahead = torch.stack([rank[j] - rank[i] for i, j in both], dim=-1)
    known = torch.stack([there[i] & there[j] for i, j in both], dim=-1)
    weight = known.to(sums.dtype) / known.sum(dim=-1, keepdim=True).clamp(min=1)
    return Pairs(lead, ahead.sign().to(sums.dtype).mul(0.5).add(0.5), ahead.abs(), weight)


def agreement(sums: Tensor, rankings: Rankings) -> Tensor:
    """The share of each ranking's pairs that a member puts in the same order: [M, C] -> [M, n].

    A rated clip is paired with each of the other clips in the batch that the same annotator has rated. Ties of the teacher's are
    left out; NaN where there is nothing else. A member that finds a pair equal is wrong about it.
    """
    of = pairs(sums, rankings)
    decided = (of.weight > 0) & (of.mu != 0.5)
    right = decided & (of.lead * (of.mu - 0.5) > 0)
    share = right.sum(dim=-1) / decided.sum(dim=-1)
    return share if rankings.rating is None else torch.where(rankings.rating.isnan(), share, _rated_agreement(sums, rankings))


def _rated_agreement(sums: Tensor, rankings: Rankings) -> Tensor:
    """The same of the answers that rate, [M, n]; of the others it says nothing."""
    assert rankings.rating is not None and rankings.annotator is not None
    sum_of = rankings.of(sums)[..., 0]
    ahead = rankings.rating[:, None] - rankings.rating  # [n, n]; NaN beside one that ranks
    decided = (rankings.annotator[:, None] == rankings.annotator) & (ahead.abs() > 0)
    right = decided & ((sum_of[:, :, None] - sum_of[:, None]) * ahead > 0)
    return right.sum(dim=-1) / decided.sum(dim=-1)


def rated_loss(sums: Tensor, rankings: Rankings, error: float) -> Tensor:
    """Cross-entropy of ratings y as probabilities that a clip is better than a middling one, [M, C] -> [M, n]; 0 where ranked.

    That is -y log p - (1 - y) log(1 - p), with p = (1 - error) sigmoid(sum) + error / 2: what a comparison with a clip whose sum
    is 0 costs (section 2.2.3). It is least where p = y. A rating of 1 or 0 is an answer of good or bad.
    """
    if rankings.rating is None:
        return sums.new_zeros(len(sums), len(rankings.rank))
    rating = rankings.rating.to(sums.dtype)
    lead, y = rankings.of(sums)[..., 0], rating.nan_to_num(0.5)
    loss = -y * log_likelihood(lead, error) - (1 - y) * log_likelihood(-lead, error)
    return torch.where(rating.isnan(), 0.0, loss)


def log_likelihood(lead: Tensor, error: float) -> Tensor:
    """log((1 - error) sigmoid(lead) + error / 2), elementwise, from logits."""
    if error == 0:
        return logsigmoid(lead)
    guess = lead.new_tensor(log(error / 2))
    return torch.logaddexp(log(1 - error) + logsigmoid(lead), guess)


def check_ranked(setup: Setup, loss: str) -> None:
    """Raises UserError where this run's questions are about single clips, which the loss does not read."""
    if getattr(setup.query, "clips", 2) == 1:
        raise UserError(
            f"the loss {loss} reads comparisons and rankings alone; choose reward_model/loss=cross_entropy or ratings."
        )


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

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of every member on every answer, the mean over a ranking's pairs: [M, C] -> [M, n]; see also `rated_loss`."""
        of = pairs(sums, rankings)
        mu = (1 - self.smoothing) * of.mu + self.smoothing / 2
        ranked = of.mean(-mu * log_likelihood(of.lead, self.error) - (1 - mu) * log_likelihood(-of.lead, self.error))
        return ranked if rankings.rating is None else ranked + rated_loss(sums, rankings, self.error)


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

    def check(self, setup: Setup) -> None:
        """Raises UserError where this run's questions are about single clips."""
        check_ranked(setup, "adaptive_scale")

    def scale(self, delta: Tensor) -> Tensor:
        """tau of each comparison, given the difference of the sums, elementwise."""
        return (delta.detach().abs() / self.logit).clamp(self.low, self.high)

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of every member on every ranking, the mean over its pairs: [M, C] -> [M, n]."""
        of = pairs(sums, rankings)
        tau = self.scale(of.lead)
        misfit = -of.mu * logsigmoid(of.lead / tau) - (1 - of.mu) * logsigmoid(-of.lead / tau)
        return of.mean(tau * misfit + (log(2) - self.rho) * (self.high - tau))


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


class PlackettLuce:
    """The negative log-likelihood of a whole ranking (Luce 1959; Plackett 1975; Xia et al. 2008, the loss of ListMLE).

    The best clip is chosen among all, the next among those that are left, each with a probability in proportion to exp(sum):
    with s_(1) the sum of the best clip and so on,

        -log P = sum over i < K of log(exp s_(i) + ... + exp s_(K)) - s_(i).

    For two clips that is `CrossEntropy` without an error. For more it is no mean over pairs: the loss grows with the number of
    clips that are told apart, and the first choices weigh no more than the last.

    Ties are no choice between the clips: the loss is the mean over all orders that the ranks leave open. So a tie of two is
    log 2 at best, as for `CrossEntropy`. The mean is exact and has a term for every set of clips that may come last, up to
    2^K - 1 of them, which limits a question to `MOST` clips. There is no term for a teacher that errs: the paper's is about
    two clips.
    """

    MOST = 10

    def check(self, setup: Setup) -> None:
        """Raises UserError where this run's questions have too many clips, or a single one."""
        check_ranked(setup, "plackett_luce")
        self._check(getattr(setup.query, "clips", 2))

    def _check(self, clips: int) -> None:
        if clips > self.MOST:
            raise UserError(
                f"the Plackett-Luce loss ranks at most {self.MOST} clips at once, not {clips}; lower query.clips, or choose "
                "reward_model/loss=cross_entropy."
            )

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of every member on every ranking: [M, C] -> [M, n]. Raises UserError for more than `MOST` clips."""
        self._check(rankings.rank.shape[1])
        each, sets = rankings.of(sums), _subsets(rankings.rank.shape[1])
        chosen_from = each.unsqueeze(2).masked_fill(~sets, -torch.inf).logsumexp(dim=-1)  # [M, n, 2^K - 1]
        chosen = torch.where(rankings.there, each, 0.0)
        return (_share_of_orders(rankings, sets).to(each.dtype) * chosen_from).sum(dim=-1) - chosen.sum(dim=-1)


def _subsets(clips: int) -> Tensor:
    """All sets of one of K clips or more: [2^K - 1, K] bool."""
    return (torch.arange(1, 2**clips)[:, None] >> torch.arange(clips) & 1).bool()


def _share_of_orders(rankings: Rankings, sets: Tensor) -> Tensor:
    """In which share of the orders that a ranking leaves open these clips come last: sets [S, K] -> [n, S].

    Those are all clips of a worse rank than the best of the set, and t of the g clips of its rank: one of C(g, t) choices.
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
        """The loss of every member on every question, the mean over its clips: [M, C] -> [M, n]."""
        squares = (rankings.of(sums) - rankings.returns) ** 2
        return torch.where(rankings.there, squares, 0.0).sum(dim=-1) / rankings.there.sum(dim=-1)
