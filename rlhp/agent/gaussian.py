"""PPO's clipped surrogate for a Gaussian policy, and its gradient, written out."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
import torch
from torch import Tensor

from rlhp.types import Array

NORMALISER = np.float32(log(sqrt(2 * pi)))


class Gaussian:
    """n times the same independent normal distributions; as torch.distributions computes them, bit for bit.

    The spread is spelt out for each of the n rows, [n, A]: arithmetic on one stretch of memory is several times as fast as on
    rows of A numbers. Plain arithmetic is numpy's: on so few numbers its calls cost a fraction of torch's, and round alike.
    """

    def __init__(self, parameter: Tensor, n: int) -> None:
        std = parameter.exp()
        self.row = std.numpy()  # [A]
        self.log_std = std.log()  # [A]; rounding sets it apart from the parameter
        self.std = np.repeat(self.row[np.newaxis], n, axis=0)
        self.twice_var = np.float32(2) * (self.std * self.std)

    def terms(self, off: Array) -> Array:
        """Distances from the mean [n, A] -> -off^2 / (2 std^2), [n, A]."""
        return -(off * off) / self.twice_var

    def log_prob(self, terms: Array) -> Tensor:
        """Log probabilities [n]."""
        each = terms - self.log_std.numpy() - NORMALISER
        return torch.from_numpy(each).sum(1)


@dataclass(frozen=True, slots=True)
class Surrogate:
    """-E[min(rho A, clip(rho, 1 - c, 1 + c) A)] - ent_coef E[entropy], rho the ratio of new to old probability.

    Schulman et al. (2017), equation 7.
    """

    clip: float
    ent_coef: float

    def gradient(self, policy: Gaussian, off: Tensor, old_log_prob: Tensor, advantage: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of the loss for the mean action [n, A] and for the parameter log_std [A]; last the log probabilities [n].

        `off` [n, A] is action minus mean. The sums are made in the order in which autograd makes them.
        """
        n, distance, gain = np.float32(len(off)), off.numpy(), advantage.numpy()
        terms = policy.terms(distance)
        log_prob = policy.log_prob(terms)
        ratio = torch.exp(log_prob - old_log_prob).numpy()
        high, low = np.float32(1 + self.clip), np.float32(1 - self.clip)
        free = np.where(gain > 0, ratio <= high, ratio >= low)  # the others are clipped: no gradient
        into_log_prob = (gain * np.float32(-1 / n) * free * ratio)[:, np.newaxis]
        into_mean = into_log_prob / policy.twice_var * (2 * distance)
        into_std = np.float32(-self.ent_coef) / n / policy.std - into_log_prob / policy.std
        into_std += -into_log_prob * (terms / policy.twice_var) * np.float32(2) * (2 * policy.std)
        return torch.from_numpy(into_mean), torch.from_numpy(into_std).sum(0) * torch.from_numpy(policy.row), log_prob

    def losses(self, advantage: Tensor, log_prob: Tensor, old_log_prob: Tensor, log_std: Tensor) -> dict[str, Tensor]:
        """What SB3 logs of b minibatches of n steps, under its names: all arguments [b, n], but log_std [b, A]; all values [b].

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
