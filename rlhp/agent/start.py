"""The initial policy: random, or copied from another policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rlhp.agent.flatten import swap_and_flatten
from rlhp.agent.frozen_policy import FrozenPolicy
from rlhp.agent.refit import ValueRefit, explained_by, of_value
from rlhp.agent.state import part, restore_normaliser
from rlhp.types import Array, Metrics, Rollout, Setup, UserError


class Start(Protocol):
    """Sets the initial policy, and decides how long it waits for its value function."""

    @property
    def waiting(self) -> bool:
        """Whether the policy waits for its value function."""
        ...

    def check(self, setup: Setup) -> None:
        """Raises UserError if the policy cannot start in this way."""
        ...

    def begin(self, agent: Any) -> None:
        """Set the agent's policy, before its first step."""
        ...

    def critic_alone(self, agent: OnPolicyAlgorithm, compute_advantages: Callable[[], None]) -> Metrics | None:
        """Update only the value function on the agent's rollout, and return metrics; None if the policy learns too."""
        ...

    def log_ratio(self, agent: OnPolicyAlgorithm, rollout: Rollout) -> Array | None:
        """log pi(a|s) - log pi_0(a|s) [T, N] of the agent's rollout; None if the initial policy pi_0 is not kept."""
        ...

    def snapshot(self) -> dict[str, Array]:
        """Its state."""
        ...

    def restore(self, agent: Any, state: dict[str, Array]) -> None:
        """Continue from a snapshot, after the agent's policy has been restored."""
        ...


class RandomStart:
    """Keeps the randomly initialised policy, which learns together with its value function."""

    waiting = False

    def check(self, setup: Setup) -> None:
        """Nothing to check."""

    def begin(self, agent: Any) -> None:
        """Nothing to set."""

    def critic_alone(self, agent: OnPolicyAlgorithm, compute_advantages: Callable[[], None]) -> None:
        """Nothing to wait for."""
        return None

    def log_ratio(self, agent: OnPolicyAlgorithm, rollout: Rollout) -> None:
        """The random initial policy is not kept."""
        return None

    def snapshot(self) -> dict[str, Array]:
        """No state."""
        return {}

    def restore(self, agent: Any, state: dict[str, Array]) -> None:
        """No state."""


class Source(Protocol):
    """A policy that another one can start from."""

    def check(self, setup: Setup) -> None:
        """Raises UserError if there is no such policy, or if it does not fit the agent."""
        ...

    def __call__(self, agent: Any) -> None:
        """Copy the actor and the observation statistics of this policy to the agent."""
        ...


class FromPolicy:
    """Starts from another policy's actor and its observation statistics, which stay fixed; the value function learns first.

    The advantages of a random value function point in arbitrary directions and destroy a good policy within a few rollouts. So
    in the first `critic_first` rewarded rollouts only the value function learns, by `ValueRefit`. `log_std` replaces the
    policy's log standard deviation; None keeps it. The initial policy is kept as pi_0 for a penalty, and is part of the
    snapshot, so later changes of its source have no effect. Raises UserError if `critic_first` is negative or `log_std` is not
    finite.
    """

    def __init__(self, source: Source, *, seed: int, critic_first: int = 16, log_std: float | None = None) -> None:
        if critic_first < 0:
            raise UserError(f"agent.start.critic_first counts rollouts; set it to 0 or more, not {critic_first}.")
        if log_std is not None and not np.isfinite(log_std):
            raise UserError(f"agent.start.log_std is {log_std}; give a finite number, or null to keep that of the policy.")
        self._source, self._remaining, self._log_std = source, critic_first, log_std
        self._critic = ValueRefit(seed, below=1.0)
        self.policy: FrozenPolicy | None = None

    def check(self, setup: Setup) -> None:
        """Raises UserError if the policy is not available, or does not fit the agent."""
        if self._log_std is not None and not hasattr(setup.agent.policy, "log_std"):  # type: ignore[attr-defined]
            raise UserError("agent.start.log_std is for continuous actions, and these are discrete; set it to null.")
        self._source.check(setup)

    def begin(self, agent: Any) -> None:
        """Copy the actor and the observation statistics to the agent."""
        self._source(agent)
        if self._log_std is not None:
            with torch.no_grad():
                agent.policy.log_std.fill_(self._log_std)
        self.policy = agent.frozen_policy()

    def critic_alone(self, agent: OnPolicyAlgorithm, compute_advantages: Callable[[], None]) -> Metrics | None:
        """Fit only the value function in the first rollouts; returns the policy's entropy and the explained variance."""
        if self._remaining < 1:
            return None
        self._remaining -= 1
        self._critic(agent, compute_advantages)
        explained = explained_by(agent.rollout_buffer)
        with torch.no_grad():
            obs = swap_and_flatten(agent.rollout_buffer.observations).to(agent.device)
            entropy = agent.policy.get_distribution(obs).entropy()
        metrics = {"entropy": entropy if entropy is None else float(entropy.mean()), "explained_variance": explained}
        return {name: value for name, value in metrics.items() if value is not None and np.isfinite(value)}

    @property
    def waiting(self) -> bool:
        """Whether the policy is still the initial one, while only the value function learns."""
        return self._remaining > 0

    def log_ratio(self, agent: OnPolicyAlgorithm, rollout: Rollout) -> Array:
        """log pi(a|s) - log pi_0(a|s) [T, N], of the actions as they were sampled, before they are clipped."""
        assert self.policy is not None, "call `begin` or `restore` first"
        buffer, seen, space = agent.rollout_buffer, rollout.seen(), agent.action_space
        steps = buffer.log_probs.shape
        act = buffer.actions.reshape(-1, *(space.shape or ()))
        before = self.policy.log_prob_of_chosen(seen.reshape(-1, *seen.shape[2:]), act)
        return buffer.log_probs - before.reshape(steps)

    def snapshot(self) -> dict[str, Array]:
        """The number of rollouts that the policy still waits, and pi_0."""
        kept = {} if self.policy is None else self.policy.snapshot()
        return {"critic_left": np.array(self._remaining), **{f"policy/{name}": value for name, value in kept.items()}}

    def restore(self, agent: Any, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._remaining, kept = int(state["critic_left"]), part(state, "policy")
        self.policy = agent.frozen_policy() if kept else None
        if self.policy is not None:
            self.policy.restore(kept)


def copy_actor(agent: Any, state: Mapping[str, Array]) -> None:
    """Copy the actor and the observation statistics of another agent's snapshot, which must fit, to an agent."""
    theirs = {name: torch.from_numpy(value.copy()) for name, value in part(state, "policy").items() if not of_value(name)}
    agent.policy.load_state_dict({**agent.policy.state_dict(), **theirs})
    restore_normaliser(agent.get_vec_normalize_env(), part(state, "normalise"))


def check_fit(agent: Any, state: Mapping[str, Array], source: str) -> None:
    """Raises UserError if an agent cannot use the actor of a snapshot; `source` names it in the message."""
    if part(state, "mixture"):
        raise UserError(f"the policy of {source} is a mixture of several; start from a run whose policy is a single network.")
    if ("normalise/mean" in state) != (agent.get_vec_normalize_env() is not None):
        raise UserError(
            f"either the policy of {source} or this agent normalises its observations, and the other does not; "
            "set agent.normalise_observations as in that run."
        )
    theirs, mine = part(state, "policy"), agent.policy.state_dict()
    for name in (name for name in {**mine, **theirs} if not of_value(name)):
        a, b = (f"of shape {tuple(x[name].shape)}" if name in x else "missing" for x in (theirs, mine))
        if a != b:
            raise UserError(
                f"the policy of {source} has another network than this agent ({name} is {a}, and here {b}); set "
                "agent.policy_kwargs as in that run."
            )
