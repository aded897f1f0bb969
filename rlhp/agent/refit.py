"""Refitting the value function when the reward has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import explained_variance
from torch import Tensor, nn

from rlhp.adam import Adam
from rlhp.agent.flatten import swap_and_flatten
from rlhp.types import Metrics, UserError, make_rng


class Refit(Protocol):
    """Changes the value function after a rollout has its reward and before the policy is updated.

    `compute_advantages` computes the rollout's returns and advantages from the values in the buffer.
    """

    def __call__(self, agent: OnPolicyAlgorithm, compute_advantages: Callable[[], None]) -> Metrics:
        """May change values, returns and advantages in the agent's buffer; returns metrics."""
        ...


def no_refit(agent: OnPolicyAlgorithm, compute_advantages: Callable[[], None]) -> Metrics:
    """Do nothing: the value function learns only together with the policy."""
    return {}


@dataclass(frozen=True, slots=True)
class ValueRefit:
    """Gradient steps of the value function alone, while it explains little of the returns.

    r-hat changes during training: abruptly when it is first fitted, and later with every fit. Advantages computed from the
    values of another reward point in arbitrary directions. So, while the values explain less than `below` of the variance of
    the returns, and for at most `epochs` passes over the rollout, the value function is fitted to the returns, and values,
    returns and advantages are recomputed after each pass. (B-Pref and PEBBLE, Lee et al. 2021, start with a new value function
    when the reward is replaced, for the same reason.)

    Each call uses a new optimiser, Adam at the agent's learning rate, and changes only layers that the policy does not use. At
    time limits the buffer keeps the gamma V of the value function that acted. Raises UserError if `epochs` or `batch_size` is
    less than 1 or `below` is more than 1.
    """

    seed: int
    epochs: int = 10
    below: float = 0.5
    batch_size: int = 256

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not self.below <= 1:
            raise UserError(
                "agent.refit needs epochs and batch_size of at least 1, and below, a fraction of the variance, of at most 1."
            )

    def __call__(self, agent: OnPolicyAlgorithm, compute_advantages: Callable[[], None]) -> Metrics:
        """Returns the number of passes made, and the explained variance before the first one."""
        critic, buffer = _Critic(agent), agent.rollout_buffer
        epoch, before = 0, explained_by(buffer)
        explained = before
        while epoch < self.epochs and explained < self.below:
            returns = swap_and_flatten(buffer.returns).to(agent.device)
            for rows in self._minibatches(agent.num_timesteps, epoch, len(returns)):
                critic.step(rows, returns)
            evaluate(agent)
            compute_advantages()
            explained = explained_by(buffer)
            epoch += 1
        explained_before = {"explained_before": before} if before == before else {}  # NaN if all returns are equal
        return {"refit_epochs": float(epoch), **explained_before}

    def _minibatches(self, step: int, epoch: int, n: int) -> Iterator[Tensor]:
        order = torch.from_numpy(make_rng(self.seed, "refit", step, epoch).permutation(n))
        return iter(order.split(self.batch_size))


class _Critic:
    """Fits the value function of an agent on its last rollout."""

    def __init__(self, agent: OnPolicyAlgorithm) -> None:
        self._policy, self._obs = agent.policy, swap_and_flatten(agent.rollout_buffer.observations).to(agent.device)
        self._parameters = value_parameters(self._policy)
        # separate tensors on the same memory, so that the gradients of the policy's optimiser do not change
        self._leaves = [p.detach() for p in self._parameters]
        rate = agent.lr_schedule(agent._current_progress_remaining)
        self._optimiser = Adam(self._leaves, lr=rate)

    def step(self, rows: Tensor, returns: Tensor) -> None:
        """Make one gradient step on the squared error of these rows."""
        values = self._policy.predict_values(self._obs[rows]).flatten()
        grads = torch.autograd.grad((values - returns[rows]).square().mean(), self._parameters)
        for leaf, grad in zip(self._leaves, grads, strict=True):
            leaf.grad = grad
        self._optimiser.step()


def explained_by(buffer: RolloutBuffer) -> float:
    """The fraction of the variance of a rollout's returns that its values explain; NaN if all returns are equal."""
    return float(explained_variance(buffer.values.flatten(), buffer.returns.flatten()))


def evaluate(agent: OnPolicyAlgorithm) -> None:
    """Recompute the values of the last rollout in the buffer by the current value function."""
    buffer = agent.rollout_buffer
    with torch.no_grad():
        values = agent.policy.predict_values(swap_and_flatten(buffer.observations).to(agent.device))
    steps, envs = buffer.values.shape
    buffer.values[:] = values.cpu().numpy().reshape(envs, steps).T


def value_parameters(policy: Any) -> list[nn.Parameter]:
    """The parameters of a policy's value function that the actor does not use."""
    return [parameter for name, parameter in policy.named_parameters() if of_value(name)]


def acting_parameters(policy: Any) -> list[nn.Parameter]:
    """The parameters that the mode of the policy depends on: without those of the value function alone and without log_std."""
    return [parameter for name, parameter in policy.named_parameters() if name != "log_std" and not of_value(name)]


def of_value(name: str) -> bool:
    """Whether only the value function uses the parameter of this name."""
    return "value_net." in name
