"""Eligibility traces, which assign feedback to earlier actions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rlhp.agent.refit import acting_parameters
from rlhp.types import Array, UserError


class Traces:
    """N traces e over a policy's parameters: e <- decay e + grad log pi(a | s), for the action `delay` steps ago.

    MacGlashan et al. (2017), algorithm 1: feedback comes late and is about more than one action. `delay` counts steps of one
    environment. A Gaussian's standard deviation is not learned: when it shrinks, grad log pi grows without bound and destroys
    the policy. Raises UserError for values out of range.
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
        """Add T steps of N environments; returns sum_{t, i} f_{t, i} e_{t, i} for each parameter.

        obs [T, N, *O] as the policy sees them, act [T, N, *A], and the feedback [T, N] received at each step. Gradients are
        those of the current policy, and the sums are computed for the whole rollout: the gradient of a step is weighted by the
        later feedback that reaches back to it, sum_k decay^k f_{t + k}, and so is the trace of earlier rollouts.
        """
        obs, act = self._delayed(obs, act)
        received = feedback[len(feedback) - len(obs) :]  # before the first step of all, traces are 0
        if not len(obs):
            return [torch.zeros_like(p) for p in self.parameters]
        log_prob = self._log_prob(obs, act)
        credit = credited(received, self._decay)
        moved = self._gradients(log_prob, credit)
        if self._decay:
            before = torch.as_tensor(self._decay * credit[0], dtype=torch.float32, device=log_prob.device)
            moved = [new + torch.tensordot(before, old, dims=1) for new, old in zip(moved, self._traces, strict=True)]
            self._update_traces(log_prob)
        return moved

    def _update_traces(self, log_prob: Tensor) -> None:
        """Update the traces by these steps."""
        steps, envs = log_prob.shape
        for i in range(envs):
            weight = np.zeros((steps, envs))
            weight[:, i] = self._decay ** np.arange(steps - 1, -1, -1.0)
            for trace, new in zip(self._traces, self._gradients(log_prob, weight), strict=True):
                trace[i].mul_(self._decay**steps).add_(new)

    def _gradients(self, log_prob: Tensor, weight: Array) -> list[Tensor]:
        """The gradient of sum_{t, i} weight log pi for each parameter."""
        into = torch.as_tensor(weight, dtype=torch.float32, device=log_prob.device)
        return list(torch.autograd.grad((into * log_prob).sum(), self.parameters, retain_graph=True))

    def _log_prob(self, obs: Array, act: Array) -> Tensor:
        """log pi of the actions, [T, N]."""
        device, shape = self.parameters[0].device, obs.shape[:2]
        seen, done = (torch.from_numpy(np.ascontiguousarray(x)).flatten(0, 1).to(device) for x in (obs, act))
        return self._policy.get_distribution(seen).log_prob(done.long().flatten() if self._discrete else done.float()).view(shape)

    def _delayed(self, obs: Array, act: Array) -> tuple[Array, Array]:
        """The steps that are `delay` steps old when each of these ends, at first fewer; newer ones wait."""
        if self._waiting is not None:
            obs, act = (np.concatenate(pair) for pair in zip(self._waiting, (obs, act), strict=True))
        due = max(len(obs) - self._delay, 0)
        self._waiting = obs[due:].copy(), act[due:].copy()
        return obs[:due], act[:due]

    def snapshot(self) -> dict[str, Array]:
        """The traces, and the steps that are not part of them yet."""
        traces = {f"trace/{i}": trace.cpu().numpy().copy() for i, trace in enumerate(self._traces)}
        return traces if self._waiting is None else {**traces, "obs": self._waiting[0], "act": self._waiting[1]}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        for i, trace in enumerate(self._traces):
            trace.copy_(torch.from_numpy(state[f"trace/{i}"].copy()))
        self._waiting = (state["obs"].copy(), state["act"].copy()) if "obs" in state else None


def credited(feedback: Array, decay: float) -> Array:
    """The discounted feedback that follows each step, sum_k decay^k f_{t + k}, [T, N]."""
    credit = np.array(feedback, dtype=float)
    for t in range(len(credit) - 2, -1, -1):
        credit[t] += decay * credit[t + 1]
    return credit
