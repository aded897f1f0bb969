"""Eligibility traces: which parameters a signal that comes now is about."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rlhp.agent.refit import acting_parameters
from rlhp.types import Array, UserError


class Traces:
    """N traces e over the parameters that a policy acts by: e <- decay e + grad log pi(a | s), of the action `delay` steps ago.

    MacGlashan et al. (2017), algorithm 1: who gives feedback speaks late, and means more than one action. `delay` counts steps of
    one environment. A Gaussian's spread is left alone: where it shrinks, grad log pi grows without bound, and the policy is lost.
    Raises UserError for values out of range.
    """

    def __init__(self, policy: Any, n_envs: int, decay: float, delay: int) -> None:
        if not 0 <= decay < 1 or delay < 0:
            raise UserError(f"agent.decay={decay}, agent.delay={delay}: give a decay from 0 to below 1, and 0 or more steps.")
        self._policy, self._decay, self._delay = policy, decay, delay
        self._discrete = isinstance(policy.action_space, spaces.Discrete)
        self.parameters = acting_parameters(policy)
        self._traces = [torch.zeros(n_envs, *p.shape, device=p.device) for p in self.parameters]
        self._waiting: tuple[Array, Array] | None = None  # observations and actions of the last steps, [delay, N, ...]

    def follow(self, obs: Array, act: Array, feedback: Array) -> list[Tensor]:
        """Take T steps of N environments in: sum_{t, i} f_{t, i} e_{t, i}, for each parameter.

        obs [T, N, *O] as the policy sees them, act [T, N, *A], feedback [T, N] as it is heard at each step. The gradients are
        those of the policy as it is now, and the sums are worked out for the whole rollout: a step's gradient counts as often as
        later feedback reaches back to it, sum_k decay^k f_{t + k}, and so does the trace that there was.
        """
        obs, act = self._delayed(obs, act)
        heard = feedback[len(feedback) - len(obs) :]  # before the first of all steps, traces are 0
        if not len(obs):
            return [torch.zeros_like(p) for p in self.parameters]
        log_prob = self._log_prob(obs, act)
        credit = credited(heard, self._decay)
        moved = self._gradients(log_prob, credit)
        if self._decay:
            before = torch.as_tensor(self._decay * credit[0], dtype=torch.float32, device=log_prob.device)
            moved = [new + torch.tensordot(before, old, dims=1) for new, old in zip(moved, self._traces, strict=True)]
            self._move_on(log_prob)
        return moved

    def _move_on(self, log_prob: Tensor) -> None:
        """The traces after these steps."""
        steps, envs = log_prob.shape
        for i in range(envs):
            weight = np.zeros((steps, envs))
            weight[:, i] = self._decay ** np.arange(steps - 1, -1, -1.0)
            for trace, new in zip(self._traces, self._gradients(log_prob, weight), strict=True):
                trace[i].mul_(self._decay**steps).add_(new)

    def _gradients(self, log_prob: Tensor, weight: Array) -> list[Tensor]:
        """Of sum_{t, i} weight log pi."""
        into = torch.as_tensor(weight, dtype=torch.float32, device=log_prob.device)
        return list(torch.autograd.grad((into * log_prob).sum(), self.parameters, retain_graph=True))

    def _log_prob(self, obs: Array, act: Array) -> Tensor:
        """[T, N]"""
        device, shape = self.parameters[0].device, obs.shape[:2]
        seen, done = (torch.from_numpy(np.ascontiguousarray(x)).flatten(0, 1).to(device) for x in (obs, act))
        return self._policy.get_distribution(seen).log_prob(done.long().flatten() if self._discrete else done.float()).view(shape)

    def _delayed(self, obs: Array, act: Array) -> tuple[Array, Array]:
        """The steps that are `delay` old by the end of each of these; at first fewer. Those that are younger wait."""
        if self._waiting is not None:
            obs, act = (np.concatenate(pair) for pair in zip(self._waiting, (obs, act), strict=True))
        due = max(len(obs) - self._delay, 0)
        self._waiting = obs[due:].copy(), act[due:].copy()
        return obs[:due], act[:due]

    def snapshot(self) -> dict[str, Array]:
        """The traces, and the steps that are not in them yet."""
        traces = {f"trace/{i}": trace.cpu().numpy().copy() for i, trace in enumerate(self._traces)}
        return traces if self._waiting is None else {**traces, "obs": self._waiting[0], "act": self._waiting[1]}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot."""
        for i, trace in enumerate(self._traces):
            trace.copy_(torch.from_numpy(state[f"trace/{i}"].copy()))
        self._waiting = (state["obs"].copy(), state["act"].copy()) if "obs" in state else None


def credited(feedback: Array, decay: float) -> Array:
    """[T, N]: what each step gets of the feedback that follows, sum_k decay^k f_{t + k}."""
    credit = np.array(feedback, dtype=float)
    for t in range(len(credit) - 2, -1, -1):
        credit[t] += decay * credit[t + 1]
    return credit
