"""COACH: an actor-critic agent whose critic is a human trainer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import VecEnv

from rlhp.adam import Adam
from rlhp.agent.blind import Blind
from rlhp.agent.build import make
from rlhp.agent.divergence import check_finite
from rlhp.agent.trace import Traces
from rlhp.types import Array, Metrics


class Coach(Blind, A2C):
    """Convergent actor-critic by humans (MacGlashan et al. 2017): feedback replaces the advantage of the agent's actions.

    It uses the policy and the rollouts of A2C, but not the value function. The policy is updated after each rollout of T steps,
    by all feedback received in it: with n_steps=1 after every step, as in the paper.
    """

    traces: Traces
    signals: int  # number of feedback signals other than 0 so far

    def set_traces(self, traces: Traces) -> None:
        """Set the eligibility traces. Call it once, before training."""
        self.traces, self.signals = traces, 0

    def update(self, reward: Array) -> Metrics:
        """Apply theta <- theta + alpha sum_t f_t e_t for the feedback f [T, N], summed over environments (algorithm 1).

        Raises UserError if the policy is not finite then.
        """
        self._unrewarded = []
        self._update_learning_rate(self.policy.optimizer)
        rate, buffer = self.lr_schedule(self._current_progress_remaining), self.rollout_buffer
        steps = self.traces.follow(buffer.observations, buffer.actions, reward)
        with torch.no_grad():
            for parameter, step in zip(self.traces.parameters, steps, strict=True):
                parameter.add_(step, alpha=rate)
        check_finite(self)
        return self._feedback_metrics(reward)

    def _feedback_metrics(self, feedback: Array) -> Metrics:
        """Signals so far, the fraction of praise among those of the last rollout, and the policy's entropy."""
        signals = int(np.count_nonzero(feedback))
        self.signals += signals
        with torch.no_grad():
            last = torch.from_numpy(self.rollout_buffer.observations[-1]).to(self.device)
            entropy = self.policy.get_distribution(last).entropy()
        praise = {"praise": float((feedback > 0).sum() / signals)} if signals else {}
        return {"signals": float(self.signals), **praise, "entropy": float(entropy.mean())}  # type: ignore[union-attr]

    def snapshot(self) -> dict[str, Array]:
        """The snapshot of a blind agent, and the traces."""
        traces = {f"traces/{k}": v for k, v in self.traces.snapshot().items()}
        return {**super().snapshot(), **traces, "signals": np.array(self.signals)}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        super().restore(state)
        self.signals = int(state["signals"])
        self.traces.restore({k.removeprefix("traces/"): v for k, v in state.items() if k.startswith("traces/")})


def coach(env: VecEnv, *, decay: float, delay: int, **settings: Any) -> Coach:
    """Build a COACH agent for this environment.

    `decay` is the lambda of the traces (0.95 in the paper). `delay` is the number of environment steps between an action and
    the feedback on it (6, a fifth of a second at the paper's 33 ms per step). `learning_rate` is alpha. The other settings are
    those of `rlhp.agent.a2c`. Raises UserError for values out of range.
    """
    kwargs = {**settings.pop("policy_kwargs", {}), "optimizer_class": Adam, "optimizer_kwargs": {}}  # unused, but cheap to build
    # no discounting and no scaling: feedback is the advantage itself
    agent = make(Coach, env, gamma=1.0, normalise_reward=False, policy_kwargs=kwargs, use_rms_prop=False, **settings)
    assert isinstance(agent, Coach)
    agent.set_traces(Traces(agent.policy, env.num_envs, decay, delay))
    return agent
