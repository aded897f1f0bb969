"""The loss of whole rankings."""

from __future__ import annotations

from math import comb

import torch
from torch import Tensor

from rlhp.preference.rankings import Rankings, check_ranked
from rlhp.types import Setup, UserError


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
