"""PPO's clipped surrogate for a Gaussian policy, with its gradient written out."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
import torch
from torch import Tensor

from rlhp.types import Array

NORMALISER = np.float32(log(sqrt(2 * pi)))


class Gaussian:
    """n copies of the same independent normal distributions, computed bit for bit as by torch.distributions.

    The standard deviation is repeated for each of the n rows, [n, A]: arithmetic on contiguous memory is several times faster
    than on rows of A numbers. Simple arithmetic uses numpy: for so few numbers its calls cost a fraction of torch's, with the
    same rounding.
    """

    def __init__(self, parameter: Tensor, n: int) -> None:
        std = parameter.exp()
        self.row = std.numpy()  # [A]
        self.log_std = std.log()  # [A]; differs from the parameter by rounding
        self.std = np.repeat(self.row[np.newaxis], n, axis=0)
        self.twice_var = np.float32(2) * (self.std * self.std)

    def terms(self, deviation: Array) -> Array:
        """-deviation^2 / (2 std^2), for deviations from the mean [n, A]."""
        return -(deviation * deviation) / self.twice_var

    def log_prob(self, terms: Array) -> Tensor:
        """Log probabilities [n] of what `terms` returned."""
        each = terms - self.log_std.numpy() - NORMALISER
        return torch.from_numpy(each).sum(1)


@dataclass(frozen=True, slots=True)
class Surrogate:
    """-E[min(rho A, clip(rho, 1 - c, 1 + c) A)] - ent_coef E[entropy], where rho is the ratio of new to old probability.

    Schulman et al. (2017), equation 7.
    """

    clip: float
    ent_coef: float

    def gradient(
        self, policy: Gaussian, deviation: Tensor, old_log_prob: Tensor, advantage: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of the loss for the mean action [n, A] and the parameter log_std [A], and the log probabilities [n].

        `deviation` [n, A] is action minus mean. Sums are computed in autograd's order.
        """
        n, distance, gain = np.float32(len(deviation)), deviation.numpy(), advantage.numpy()
        terms = policy.terms(distance)
        log_prob = policy.log_prob(terms)
        ratio = torch.exp(log_prob - old_log_prob).numpy()
        high, low = np.float32(1 + self.clip), np.float32(1 - self.clip)
        free = np.where(gain > 0, ratio <= high, ratio >= low)  # the others are clipped and have no gradient
        into_log_prob = (gain * np.float32(-1 / n) * free * ratio)[:, np.newaxis]
        into_mean = into_log_prob / policy.twice_var * (2 * distance)
        into_std = np.float32(-self.ent_coef) / n / policy.std - into_log_prob / policy.std
        into_std += -into_log_prob * (terms / policy.twice_var) * np.float32(2) * (2 * policy.std)
        return torch.from_numpy(into_mean), torch.from_numpy(into_std).sum(0) * torch.from_numpy(policy.row), log_prob

    def losses(self, advantage: Tensor, log_prob: Tensor, old_log_prob: Tensor, log_std: Tensor) -> dict[str, Tensor]:
        """SB3's log entries, each [b], for b minibatches of n steps; arguments are [b, n], except log_std [b, A].

        The divergence from the old policy is Schulman's estimate (joschu.net/blog/kl-approx.html).
        """
        log_ratio = log_prob - old_log_prob
        ratio = log_ratio.exp()
        gain = torch.min(advantage * ratio, advantage * ratio.clamp(1 - self.clip, 1 + self.clip))
        entropy = (0.5 + 0.5 * log(2 * pi) + log_std).unsqueeze(1).expand(*log_prob.shape, -1).contiguous().sum(2)
        return {
            "policy_gradient_loss": -gain.mean(dim=1),
            "entropy_loss": -entropy.mean(dim=1),
            "clip_fraction": ((ratio - 1).abs() > self.clip).float().mean(dim=1),
            "approx_kl": ((ratio - 1) - log_ratio).mean(dim=1),
        }
