"""PPO's clipped surrogate for a Gaussian policy, and its gradient, written out."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
import torch
from torch import Tensor

NORMALISER = log(sqrt(2 * pi))


class Gaussian:
    """n times the same independent normal distributions; as torch.distributions computes them, bit for bit.

    Its numbers are spelt out for each of the n rows, [n, A]: arithmetic on whole stretches of memory is several times as fast
    as on rows of A numbers.
    """

    def __init__(self, log_std: Tensor, n: int) -> None:
        self.std = log_std.exp().expand(n, -1).contiguous()
        self.log_std = self.std.log()  # rounding sets it apart from the parameter
        self.twice_var = 2 * self.std.square()

    def terms(self, off: Tensor) -> Tensor:
        """Distances from the mean [n, A] -> -off^2 / (2 std^2), [n, A]."""
        return -off.square() / self.twice_var

    def log_prob(self, off: Tensor) -> Tensor:
        """Log probabilities [n]."""
        return (self.terms(off) - self.log_std - NORMALISER).sum(1)


@dataclass(frozen=True, slots=True)
class Surrogate:
    """-E[min(rho A, clip(rho, 1 - c, 1 + c) A)] - ent_coef E[entropy], rho the ratio of new to old probability.

    Schulman et al. (2017), equation 7.
    """

    clip: float
    ent_coef: float

    def gradient(self, policy: Gaussian, off: Tensor, old_log_prob: Tensor, advantage: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of the loss for the mean action [n, A] and for the parameter log_std [A]; last the log probabilities [n].

        `off` [n, A] is action minus mean. The sums are made in the order in which autograd makes them. Plain arithmetic is
        numpy's: on so few numbers its calls cost a fraction of torch's, and round alike.
        """
        n, std, twice_var = len(off), policy.std.numpy(), policy.twice_var.numpy()
        terms = policy.terms(off)
        log_prob = (terms - policy.log_std - NORMALISER).sum(1)
        ratio, gain = torch.exp(log_prob - old_log_prob).numpy(), advantage.numpy()
        clipped = np.where(gain > 0, ratio > np.float32(1 + self.clip), ratio < np.float32(1 - self.clip))
        into_log_prob = (gain * np.float32(-1 / n) * ~clipped * ratio)[:, np.newaxis]
        into_mean = into_log_prob / twice_var * (2 * off.numpy())
        into_std = np.float32(-self.ent_coef) / np.float32(n) / std - into_log_prob / std
        into_std += -into_log_prob * (terms.numpy() / twice_var) * np.float32(2) * (2 * std)
        return torch.from_numpy(into_mean), torch.from_numpy(into_std).sum(0).mul_(policy.std[0]), log_prob

    def losses(self, advantage: Tensor, log_prob: Tensor, old_log_prob: Tensor, log_std: Tensor) -> dict[str, Tensor]:
        """What SB3 logs of b minibatches of n steps, under its names: all arguments [b, n], but log_std [b, n, A]; all values [b].

        The divergence from the old policy is Schulman's estimate (joschu.net/blog/kl-approx.html).
        """
        log_ratio = log_prob - old_log_prob
        ratio = log_ratio.exp()
        gain = torch.min(advantage * ratio, advantage * ratio.clamp(1 - self.clip, 1 + self.clip))
        entropy = (0.5 + 0.5 * log(2 * pi) + log_std).sum(2)
        return {
            "policy_gradient_loss": -gain.mean(dim=1),
            "entropy_loss": -entropy.mean(dim=1),
            "clip_fraction": ((ratio - 1).abs() > self.clip).float().mean(dim=1),
            "approx_kl": ((ratio - 1) - log_ratio).mean(dim=1),
        }
