"""A loss with a scale for each comparison."""

from __future__ import annotations

from math import exp, log, log1p

from torch import Tensor
from torch.nn.functional import logsigmoid

from rlhp.preference.rankings import Rankings, check_ranked, pairs
from rlhp.types import Setup, UserError


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
