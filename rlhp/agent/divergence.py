"""A policy whose parameters are no longer finite ends the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rlhp.finite import is_finite
from rlhp.types import UserError


def check_finite(agent: OnPolicyAlgorithm) -> None:
    """Raises UserError if a parameter of the policy is not finite."""
    if not all(is_finite(parameter.detach().cpu().numpy()) for parameter in agent.policy.parameters()):
        raise _diverged(agent)


@contextmanager
def diverging(agent: OnPolicyAlgorithm) -> Iterator[None]:
    """Convert the ValueError of torch's distributions for parameters that are not finite to a UserError."""
    try:
        yield
    except ValueError as error:
        if "to satisfy the constraint" not in str(error):
            raise
        raise _diverged(agent) from error


def _diverged(agent: OnPolicyAlgorithm) -> UserError:
    return UserError(
        f"the policy has diverged: by step {agent.num_timesteps:,} its parameters are not finite; "
        "lower agent.learning_rate.start and train again with name=..."
    )
