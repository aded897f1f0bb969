"""The value function fitted again where the reward has changed."""

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
from rlhp.agent.samples import swap_and_flatten
from rlhp.types import Metrics, UserError, make_rng


class Refit(Protocol):
    """What happens to the value function between the reward of a rollout and the policy's step on it.

    `credit` computes the rollout's returns and advantages from the values in the buffer.
    """

    def __call__(self, agent: OnPolicyAlgorithm, credit: Callable[[], None]) -> Metrics:
        """Values, returns and advantages in the agent's buffer may be others afterwards; what there is to log of it."""
        ...


def no_refit(agent: OnPolicyAlgorithm, credit: Callable[[], None]) -> Metrics:
    """Nothing: the value function learns as the policy does, and together with it."""
    return {}


@dataclass(frozen=True, slots=True)
class ValueRefit:
    """Gradient steps of the value function alone, while it explains little of the returns.

    r-hat changes under the value function's feet: at once when the first labels are fitted, later with every fit. Advantages by
    values of another reward point anywhere. So, as long as the values explain less than `below` of the variance of the
    returns, and for at most `epochs` passes over the rollout, the value function is fitted to the returns, and values,
    returns and advantages are computed again after each pass. (B-Pref and PEBBLE, Lee et al. 2021, begin with a fresh value
    function when the reward becomes another one, for the same reason.)

    The optimiser, Adam at the agent's learning rate, is a new one each time; only layers that the policy does not use
    are moved. What the buffer holds of gamma V where a time limit cut an episode stays as it was acted with. Raises UserError
    for fewer than 1 epoch or sample of a minibatch, or a `below` over 1.
    """

    seed: int
    epochs: int = 10
    below: float = 0.5
    batch_size: int = 256

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not self.below <= 1:
            raise UserError(
                "agent.refit wants epochs and batch_size of at least 1, and below, a share of the variance, at most 1."
            )

    def __call__(self, agent: OnPolicyAlgorithm, credit: Callable[[], None]) -> Metrics:
        """Returns how many passes were made, and what the values explained before the first of them."""
        critic, buffer = _Critic(agent), agent.rollout_buffer
        epoch, before = 0, explained_by(buffer)
        explained = before
        while epoch < self.epochs and explained < self.below:
            returns = swap_and_flatten(buffer.returns).to(agent.device)
            for rows in self._minibatches(agent.num_timesteps, epoch, len(returns)):
                critic.step(rows, returns)
            evaluate(agent)
            credit()
            explained = explained_by(buffer)
            epoch += 1
        explained_before = {"explained_before": before} if before == before else {}  # NaN: all returns are the same
        return {"refit_epochs": float(epoch), **explained_before}

    def _minibatches(self, step: int, epoch: int, n: int) -> Iterator[Tensor]:
        order = torch.from_numpy(make_rng(self.seed, "refit", step, epoch).permutation(n))
        return iter(order.split(self.batch_size))


class _Critic:
    """The value function of an agent over its last rollout."""

    def __init__(self, agent: OnPolicyAlgorithm) -> None:
        self._policy, self._obs = agent.policy, swap_and_flatten(agent.rollout_buffer.observations).to(agent.device)
        self._parameters = value_parameters(self._policy)
        # the same memory under other names: gradients here leave those that the policy's optimiser works with alone
        self._leaves = [p.detach() for p in self._parameters]
        rate = agent.lr_schedule(agent._current_progress_remaining)
        self._optimiser = Adam(self._leaves, lr=rate)

    def step(self, rows: Tensor, returns: Tensor) -> None:
        """One gradient step on the squared error of these rows."""
        values = self._policy.predict_values(self._obs[rows]).flatten()
        grads = torch.autograd.grad((values - returns[rows]).square().mean(), self._parameters)
        for leaf, grad in zip(self._leaves, grads, strict=True):
            leaf.grad = grad
        self._optimiser.step()


def explained_by(buffer: RolloutBuffer) -> float:
    """The share of the variance of a rollout's returns that its values explain; NaN where all returns are the same."""
    return float(explained_variance(buffer.values.flatten(), buffer.returns.flatten()))


def evaluate(agent: OnPolicyAlgorithm) -> None:
    """Put the values of the last rollout in the buffer, by the value function as it is now."""
    buffer = agent.rollout_buffer
    with torch.no_grad():
        values = agent.policy.predict_values(swap_and_flatten(buffer.observations).to(agent.device))
    steps, envs = buffer.values.shape
    buffer.values[:] = values.cpu().numpy().reshape(envs, steps).T


def value_parameters(policy: Any) -> list[nn.Parameter]:
    """The parameters of a policy's value function that its actor does not use."""
    return [parameter for name, parameter in policy.named_parameters() if of_value(name)]


def acting_parameters(policy: Any) -> list[nn.Parameter]:
    """The parameters that the likeliest action depends on: neither those of the value function alone, nor a Gaussian's spread."""
    return [parameter for name, parameter in policy.named_parameters() if name != "log_std" and not of_value(name)]


def of_value(name: str) -> bool:
    """Whether the parameter of this name belongs to the value function alone."""
    return "value_net." in name
