"""Where a policy starts: at random, or from a policy that is there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rlhp.agent.frozen_policy import FrozenPolicy
from rlhp.agent.refit import ValueRefit, explained_by, of_value
from rlhp.agent.samples import swap_and_flatten
from rlhp.agent.state import part, restore_normaliser
from rlhp.types import Array, Metrics, Rollout, Setup, UserError


class Start(Protocol):
    """What the policy is before its first step, and what it waits for."""

    @property
    def waiting(self) -> bool:
        """Whether the policy waits for its value function."""
        ...

    def check(self, setup: Setup) -> None:
        """Raises UserError where the policy cannot start so."""
        ...

    def begin(self, agent: Any) -> None:
        """Set the agent's policy, before its first step."""
        ...

    def critic_alone(self, agent: OnPolicyAlgorithm, credit: Callable[[], None]) -> Metrics | None:
        """Improve the value function alone on the agent's rollout, and tell how; None where the policy may learn with it."""
        ...

    def log_ratio(self, agent: OnPolicyAlgorithm, rollout: Rollout) -> Array | None:
        """log pi(a|s) - log pi_0(a|s) [T, N] of the agent's rollout; None where no pi_0, the policy of the start, is kept."""
        ...

    def snapshot(self) -> dict[str, Array]:
        """What it has kept."""
        ...

    def restore(self, agent: Any, state: dict[str, Array]) -> None:
        """Go on from a snapshot, for an agent whose policy is restored."""
        ...


class RandomStart:
    """The policy is as it was initialised, and learns together with its value function."""

    waiting = False

    def check(self, setup: Setup) -> None:
        """Nothing to check."""

    def begin(self, agent: Any) -> None:
        """Nothing to set."""

    def critic_alone(self, agent: OnPolicyAlgorithm, credit: Callable[[], None]) -> None:
        """Nothing to wait for."""
        return None

    def log_ratio(self, agent: OnPolicyAlgorithm, rollout: Rollout) -> None:
        """No random policy is kept."""
        return None

    def snapshot(self) -> dict[str, Array]:
        """No state."""
        return {}

    def restore(self, agent: Any, state: dict[str, Array]) -> None:
        """No state."""


class Source(Protocol):
    """A policy that another one can start from."""

    def check(self, setup: Setup) -> None:
        """Raises UserError where there is none, or where it does not fit."""
        ...

    def __call__(self, agent: Any) -> None:
        """Make the agent's actor, and the moments that its observations are normalised by, those of this policy."""
        ...


class FromPolicy:
    """Starts from another policy's actor and the moments of its observations, which stay as they are; the critic learns first.

    The advantages of a random value function point anywhere and destroy a good policy within a few rollouts. So in the first
    `critic_first` rollouts that are rewarded the value function alone learns, by `ValueRefit`. `log_std` replaces the logarithm
    of the policy's spread; None leaves it. The policy is kept as pi_0, for a penalty, and is part of the snapshot: later changes
    of its source make no difference. Raises UserError for a negative `critic_first` and a `log_std` that is not finite.
    """

    def __init__(self, source: Source, *, seed: int, critic_first: int = 16, log_std: float | None = None) -> None:
        if critic_first < 0:
            raise UserError(f"agent.start.critic_first counts rollouts; set it to 0 or more, not {critic_first}.")
        if log_std is not None and not np.isfinite(log_std):
            raise UserError(f"agent.start.log_std is {log_std}; give a finite number, or null to leave the policy's spread.")
        self._source, self._left, self._log_std = source, critic_first, log_std
        self._critic = ValueRefit(seed, below=1.0)
        self.policy: FrozenPolicy | None = None

    def check(self, setup: Setup) -> None:
        """Raises UserError where the policy cannot be had, or does not fit."""
        if self._log_std is not None and not hasattr(setup.agent.policy, "log_std"):  # type: ignore[attr-defined]
            raise UserError("agent.start.log_std is the spread of continuous actions, and these are discrete; set it to null.")
        self._source.check(setup)

    def begin(self, agent: Any) -> None:
        """Set the agent's actor and its normaliser."""
        self._source(agent)
        if self._log_std is not None:
            with torch.no_grad():
                agent.policy.log_std.fill_(self._log_std)
        self.policy = agent.frozen_policy()

    def critic_alone(self, agent: OnPolicyAlgorithm, credit: Callable[[], None]) -> Metrics | None:
        """Fit the value function in the first rollouts: the entropy of the policy as it is, and what the values explain."""
        if self._left < 1:
            return None
        self._left -= 1
        self._critic(agent, credit)
        explained = explained_by(agent.rollout_buffer)
        with torch.no_grad():
            obs = swap_and_flatten(agent.rollout_buffer.observations).to(agent.device)
            entropy = agent.policy.get_distribution(obs).entropy()
        told = {"entropy": entropy if entropy is None else float(entropy.mean()), "explained_variance": explained}
        return {name: value for name, value in told.items() if value is not None and np.isfinite(value)}

    @property
    def waiting(self) -> bool:
        """Whether the policy is still the one that it started from, for the value function alone learns."""
        return self._left > 0

    def log_ratio(self, agent: OnPolicyAlgorithm, rollout: Rollout) -> Array:
        """log pi(a|s) - log pi_0(a|s) [T, N], of the actions as they were drawn, before they are clipped."""
        assert self.policy is not None, "asked for after `begin` or `restore`"
        buffer, seen, space = agent.rollout_buffer, rollout.seen(), agent.action_space
        steps = buffer.log_probs.shape
        act = buffer.actions.reshape(-1, *(space.shape or ()))
        before = self.policy.log_prob_of_chosen(seen.reshape(-1, *seen.shape[2:]), act)
        return buffer.log_probs - before.reshape(steps)

    def snapshot(self) -> dict[str, Array]:
        """How many rollouts the policy still waits, and pi_0."""
        kept = {} if self.policy is None else self.policy.snapshot()
        return {"critic_left": np.array(self._left), **{f"policy/{name}": value for name, value in kept.items()}}

    def restore(self, agent: Any, state: dict[str, Array]) -> None:
        """Go on from a snapshot."""
        self._left, kept = int(state["critic_left"]), part(state, "policy")
        self.policy = agent.frozen_policy() if kept else None
        if self.policy is not None:
            self.policy.restore(kept)


def copy_actor(agent: Any, state: Mapping[str, Array]) -> None:
    """Make an agent's actor and the moments of its observations those of another agent's snapshot, which fits."""
    theirs = {name: torch.from_numpy(value.copy()) for name, value in part(state, "policy").items() if not of_value(name)}
    agent.policy.load_state_dict({**agent.policy.state_dict(), **theirs})
    restore_normaliser(agent.get_vec_normalize_env(), part(state, "normalise"))


def check_fit(agent: Any, state: Mapping[str, Array], source: str) -> None:
    """Raises UserError where an agent cannot take over the actor in a snapshot, which is that of `source`."""
    if part(state, "mixture"):
        raise UserError(f"the policy of {source} is a mixture of several; start from a run whose policy is a single network.")
    if ("normalise/mean" in state) != (agent.get_vec_normalize_env() is not None):
        raise UserError(
            f"of the policy of {source} and this agent one normalises its observations and one does not; "
            "set agent.normalise_observations as that run did."
        )
    theirs, mine = part(state, "policy"), agent.policy.state_dict()
    for name in (name for name in {**mine, **theirs} if not of_value(name)):
        a, b = (f"of shape {tuple(x[name].shape)}" if name in x else "not there" for x in (theirs, mine))
        if a != b:
            raise UserError(
                f"the policy of {source} is another network than this agent's ({name} is {a}, and here {b}); choose "
                "agent.policy_kwargs as that run did."
            )
