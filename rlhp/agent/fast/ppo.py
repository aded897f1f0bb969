"""Stable-Baselines3's PPO without its overhead on small networks: bit for bit the same results in less time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from rlhp.adam import SETTINGS, Adam
from rlhp.agent.fast.flat_parameters import FlatParameters
from rlhp.agent.fast.gaussian import Gaussian, Surrogate
from rlhp.agent.fast.manual_mlp import ManualMLP
from rlhp.agent.fast.rollouts import FastRollouts
from rlhp.agent.fast.samples import Samples
from rlhp.agent.flatten import swap_and_flatten
from rlhp.types import Array, ImagesAndVector, seen_space

KWARGS = {"net_arch", "activation_fn", "log_std_init", "ortho_init", "optimizer_kwargs"}  # supported policy keywords
SB3_ADAM = {"eps": 1e-5}  # SB3's default settings of torch's Adam
LEFT_OUT = ("clip_range_vf", "target_kl", "use_sde", "rollout_buffer_class")  # unsupported settings


def supports(env: VecEnv, settings: Mapping[str, Any]) -> bool:
    """Whether FastPPO can replace PPO for these settings: vector observations and actions, tanh layers, whole minibatches."""
    size, batch = env.num_envs * settings.get("n_steps", 2048), settings.get("batch_size", 64)
    policy_kwargs = settings.get("policy_kwargs") or {}
    return (
        settings.get("policy", "MlpPolicy") == "MlpPolicy"
        and _is_vector(seen_space(env.observation_space, getattr(env, "stack", 1)))
        and _is_vector(env.action_space)
        and settings.get("device", "cpu") == "cpu"
        and policy_kwargs.keys() <= KWARGS
        and policy_kwargs.get("optimizer_kwargs", {}).keys() <= SETTINGS
        and policy_kwargs.get("activation_fn", "Tanh") in ("Tanh", nn.Tanh)
        and not any(settings.get(name) for name in LEFT_OUT)
        and settings.get("normalize_advantage", True)
        and batch > 1
        and size % batch == 0
    )


def _is_vector(space: spaces.Space) -> bool:
    return isinstance(space, spaces.Box) and len(space.shape) == 1 and not isinstance(space, ImagesAndVector)


class FastPPO(FastRollouts):
    """A fast BlindPPO for the settings that `supports` accepts.

    A step of acting and a minibatch of learning consist of a few dozen small operations, and most of their time is overhead:
    distribution objects, autograd's graph, one call per parameter. Here the operations are written out.
    """

    def _setup_model(self) -> None:
        self.policy_kwargs = {"optimizer_kwargs": SB3_ADAM, **self.policy_kwargs, "optimizer_class": Adam}
        super()._setup_model()
        policy: Any = self.policy
        self._flat = FlatParameters(policy)
        policy.optimizer = policy.optimizer_class(self._flat.parameters, lr=self.lr_schedule(1), **policy.optimizer_kwargs)
        extractor = policy.mlp_extractor
        self._actor = ManualMLP([*_linear(extractor.policy_net), policy.action_net])
        self._critic = ManualMLP([*_linear(extractor.value_net), policy.value_net])
        self._log_std, self._log_std_grad = policy.log_std.detach(), policy.log_std.grad

    def _act(self, env: VecEnv, buffer: RolloutBuffer, n_steps: int) -> Array:
        obs, space = torch.from_numpy(self._last_obs).float(), self.action_space
        mean = self._actor(obs)
        chosen = mean + torch.randn(mean.shape) * self._std
        env.step_async(np.clip(chosen.numpy(), space.low, space.high))  # type: ignore[attr-defined]
        self._deviations.append(chosen - mean)  # from here on the physics runs at the same time
        buffer.values[n_steps] = self._values(obs).numpy()
        return chosen.numpy()

    def _values(self, obs: Tensor) -> Tensor:
        return self._critic(obs.float())[:, 0]

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int) -> bool:
        """Collect a rollout as `FastRollouts`, with log probabilities computed for all steps at once."""
        self._std, self._deviations = self._log_std.exp(), []
        return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)

    def _complete(self, buffer: RolloutBuffer) -> None:
        super()._complete(buffer)
        deviations = torch.cat(self._deviations).numpy()  # [T N, A], actions minus their means
        policy = Gaussian(self._log_std, len(deviations))
        buffer.log_probs[:] = policy.log_prob(policy.terms(deviations)).numpy().reshape(buffer.log_probs.shape)

    def train(self) -> None:
        """Update the policy on the rollout in the buffer, and log what SB3 logs."""
        self._update_learning_rate(self.policy.optimizer)
        surrogate = Surrogate(self.clip_range(self._current_progress_remaining), self.ent_coef)  # type: ignore[operator]
        samples = Samples.of(self.rollout_buffer)
        epochs = []
        for _ in range(self.n_epochs):
            epochs.append(self._epoch(samples.take(np.random.permutation(len(samples))), surrogate))
            self._n_updates += 1
        self._record(epochs, surrogate.clip)

    def _epoch(self, samples: Samples, surrogate: Surrogate) -> dict[str, Tensor]:
        """Make one pass over the shuffled samples with a gradient step per minibatch; returns SB3's log, each [minibatches]."""
        rows = samples.advantage.view(-1, self.batch_size)
        advantages = (rows - rows.mean(dim=1, keepdim=True)) / (rows.std(dim=1, keepdim=True) + 1e-8)
        seen = []
        for batch, advantage in zip(samples.split(self.batch_size), advantages.unbind(), strict=True):
            seen.append(self._gradient(batch, advantage, surrogate))
            self._flat.clip(self.max_grad_norm)
            self.policy.optimizer.step()
        log_prob, log_std, values = (torch.stack(column) for column in zip(*seen, strict=True))
        losses = surrogate.losses(advantages, log_prob, samples.log_prob.view_as(rows), log_std)
        return {**losses, "value_loss": (samples.returns.view_as(rows) - values).square().mean(dim=1)}

    def _gradient(self, batch: Samples, advantage: Tensor, surrogate: Surrogate) -> tuple[Tensor, Tensor, Tensor]:
        """Set the gradient of the whole loss; returns log probabilities, log_std and values before the step."""
        policy = Gaussian(self._log_std, len(batch))
        actor = self._actor.forward(batch.obs)
        into_mean, into_log_std, log_prob = surrogate.gradient(policy, batch.act - actor[-1], batch.log_prob, advantage)
        self._actor.backward(actor, into_mean)
        self._log_std_grad.copy_(into_log_std)
        critic = self._critic.forward(batch.obs)
        values = critic[-1].flatten()
        into_value = np.float32(2 / len(batch)) * (values.numpy() - batch.returns.numpy()) * np.float32(self.vf_coef)
        self._critic.backward(critic, torch.from_numpy(into_value).unsqueeze(1))
        return log_prob, policy.log_std, values

    def _record(self, epochs: list[dict[str, Tensor]], clip: float) -> None:
        """Log an update as SB3 does: the Kullback-Leibler divergence of the last epoch, the loss of the last gradient step."""
        losses = {name: torch.cat([epoch[name] for epoch in epochs]) for name in epochs[0]}
        for name in ("entropy_loss", "policy_gradient_loss", "value_loss", "clip_fraction"):
            self.logger.record(f"train/{name}", float(losses[name].double().mean()))
        self.logger.record("train/approx_kl", float(np.mean(epochs[-1]["approx_kl"].numpy())))
        policy, entropy, value = (losses[name][-1] for name in ("policy_gradient_loss", "entropy_loss", "value_loss"))
        self.logger.record("train/loss", float(policy + self.ent_coef * entropy + self.vf_coef * value))
        values, returns = (swap_and_flatten(x).numpy() for x in (self.rollout_buffer.values, self.rollout_buffer.returns))
        self.logger.record("train/explained_variance", explained_variance(values, returns))
        self.logger.record("train/std", float(self._log_std.exp().mean()))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip)


def _linear(net: nn.Sequential) -> Iterator[nn.Linear]:
    return (layer for layer in net if isinstance(layer, nn.Linear))
