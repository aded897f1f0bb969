"""Penalties that keep a policy near the one that it started from."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rlhp.types import Array, Metrics, Stateful, UserError

MOST = 0.2  # limit of the relative error in one correction of beta (Ziegler et al. 2019, section 2.2)


class KLPenalty(Stateful, Protocol):
    """A penalty per step for the divergence of a policy pi from pi_0, the policy that it started from.

    The penalty is in units of the reward that the agent receives. It is subtracted before the reward is shifted and scaled
    (`reward_shift`, `normalise_reward`), so the policy that maximises r - beta (log pi - log pi_0) does not depend on that
    scale, which changes during training. r-hat has a standard deviation of 1: with a beta of 0.05, a nat of divergence per step
    costs a twentieth of it. On the true reward, beta is in the task's units.
    """

    def __call__(self, log_ratio: Array) -> tuple[Array, Metrics]:
        """The penalty [T, N] and metrics, given log pi(a|s) - log pi_0(a|s) [T, N], whose mean is KL(pi || pi_0) per step."""
        ...


class Unpenalised:
    """No penalty."""

    def __call__(self, log_ratio: Array) -> tuple[Array, Metrics]:
        """Zeros, and the divergence."""
        return np.zeros_like(log_ratio), {"kl_to_reference": float(log_ratio.mean())}

    def snapshot(self) -> dict[str, Array]:
        """No state."""
        return {}

    def restore(self, state: dict[str, Array]) -> None:
        """No state."""


class FixedKL:
    """beta times the log ratio: per step r - beta (log pi(a|s) - log pi_0(a|s)) (Ziegler et al. 2019, equation 2).

    Raises UserError for a negative beta.
    """

    def __init__(self, beta: float) -> None:
        self._beta = _checked_beta(beta)

    def __call__(self, log_ratio: Array) -> tuple[Array, Metrics]:
        """The penalty [T, N]; logs its mean, the divergence and beta."""
        return _penalty(self._beta, log_ratio)

    def snapshot(self) -> dict[str, Array]:
        """No state."""
        return {}

    def restore(self, state: dict[str, Array]) -> None:
        """No state."""


class AdaptiveKL:
    """Adapts beta so that the divergence reaches a target (Ziegler et al. 2019, section 2.2).

    After a rollout of n steps with divergence KL, beta <- beta (1 + clip(KL / target - 1, -0.2, 0.2) n / horizon), with
    n / horizon at most 1. `target` is in nats per step, `horizon` in environment steps; a larger horizon adapts more slowly.
    Raises UserError for a number that is not above 0.
    """

    def __init__(self, beta: float, target: float, horizon: float) -> None:
        if not (beta > 0 and target > 0 and horizon > 0):
            raise UserError(
                f"agent.kl_penalty needs beta, target and horizon above 0, not {beta}, {target} and {horizon}; "
                "for no penalty, set agent.kl_penalty=null."
            )
        self._beta, self._target, self._horizon = _checked_beta(beta), target, horizon

    def __call__(self, log_ratio: Array) -> tuple[Array, Metrics]:
        """The penalty [T, N] by the current beta, which is then adapted."""
        penalty, metrics = _penalty(self._beta, log_ratio)
        error = np.clip(metrics["kl_to_reference"] / self._target - 1, -MOST, MOST)
        self._beta *= float(1 + error * min(1.0, log_ratio.size / self._horizon))
        return penalty, metrics

    def snapshot(self) -> dict[str, Array]:
        """The current beta."""
        return {"beta": np.array(self._beta)}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._beta = float(state["beta"])


def _checked_beta(beta: float) -> float:
    if not 0 <= beta < np.inf:
        raise UserError(
            f"agent.kl_penalty.beta is {beta}, but it is the cost of a nat of divergence: give a number of at least 0."
        )
    return float(beta)


def _penalty(beta: float, log_ratio: Array) -> tuple[Array, Metrics]:
    divergence = float(log_ratio.mean())
    return np.float32(beta) * log_ratio, {"kl_to_reference": divergence, "kl_penalty": beta * divergence, "kl_beta": beta}
