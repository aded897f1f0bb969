"""Regression on true returns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rlhp.preference.rankings import Rankings


@dataclass(frozen=True, slots=True)
class ReturnError:
    """Squared error against the segments' true returns: the ablation `target` (section 3.3)."""

    def __call__(self, sums: Tensor, rankings: Rankings) -> Tensor:
        """The loss of each member on each query, the mean over its segments: [M, C] -> [M, n]."""
        squares = (rankings.of(sums) - rankings.returns) ** 2
        return torch.where(rankings.there, squares, 0.0).sum(dim=-1) / rankings.there.sum(dim=-1)
