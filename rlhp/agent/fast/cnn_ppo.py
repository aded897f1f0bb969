"""Stable-Baselines3's PPO on images in a fraction of the time: channels last, and bfloat16 if the processor supports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.nn.utils import clip_grad_norm_

from rlhp.adam import SETTINGS, Adam
from rlhp.agent.fast.ppo import LEFT_OUT, SB3_ADAM
from rlhp.agent.fast.rollouts import FastRollouts
from rlhp.agent.fast.samples import Samples
from rlhp.agent.flatten import swap_and_flatten
from rlhp.precision import number
from rlhp.thread_pool import ThreadPool
from rlhp.types import Array
from rlhp.types.frames import seen_space

ROWS = 128  # images of a minibatch in one forward pass
ACTING = 4  # environments in one forward pass
ALL = 2**31
KWARGS = {"net_arch", "activation_fn", "ortho_init", "optimizer_kwargs", "features_extractor_class", "features_extractor_kwargs"}


def supports(env: VecEnv, settings: Mapping[str, Any]) -> bool:
    """Whether FastCnnPPO can replace PPO for these settings: image observations, discrete actions, shared convolutions."""
    policy_kwargs = settings.get("policy_kwargs") or {}
    return (
        settings.get("policy") == "CnnPolicy"
        and not settings.get("normalise_observations", True)
        and is_image_space(seen_space(env.observation_space, getattr(env, "stack", 1)))
        and isinstance(env.action_space, spaces.Discrete)
        and policy_kwargs.keys() <= KWARGS
        and policy_kwargs.get("optimizer_kwargs", {}).keys() <= SETTINGS
        and not any(settings.get(name) for name in LEFT_OUT)
        and settings.get("normalize_advantage", True)
        and env.num_envs * settings.get("n_steps", 2048) % settings.get("batch_size", 64) != 1  # one sample has no deviation
    )


class FastCnnPPO(FastRollouts):
    """A fast BlindPPO for the settings that `supports` accepts.

    The convolutions are computed in `precision` (float32, bfloat16, or auto: the better one on this device), the layers after
    them in float32. In float32 the results equal those of SB3 up to rounding, since sums over channels have another order.

    On the CPU a minibatch goes through the network in parts of `ROWS` images, distributed over `threads` threads. The number of
    threads does not change the results. Unlike torch's own threads they do not wait for each other inside an operation; on cores
    that are busy with other work, torch's threads are many times slower than a single thread.
    """

    def __init__(self, *args: Any, precision: str = "auto", threads: int = 1, **kwargs: Any) -> None:
        self._precision, self._pool = precision, ThreadPool(threads)
        super().__init__(*args, **kwargs)

    def _setup_model(self) -> None:
        self.policy_kwargs = {"optimizer_kwargs": SB3_ADAM, **self.policy_kwargs, "optimizer_class": Adam}
        super()._setup_model()
        self._dtype = number(self._precision, self.device.type)
        policy: Any = self.policy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # the parameters have moved in memory, so the optimiser is rebuilt
        policy.optimizer = Adam(policy.parameters(), lr=self.lr_schedule(1), **policy.optimizer_kwargs)

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int) -> bool:
        """Collect a rollout as `FastRollouts`, with weights converted to the convolutions' precision once."""
        self.policy.set_training_mode(False)  # for layers such as dropout, as in SB3
        self._acting = converted(self.policy.features_extractor, self._dtype)  # type: ignore[union-attr]
        return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)

    def _act(self, env: VecEnv, buffer: RolloutBuffer, n_steps: int) -> Array:
        images = torch.from_numpy(np.asarray(self._last_obs)).to(self.device)
        parts = self._pool.map(self._predicted, images.split(self._rows(ACTING)))
        log_probs, values = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
        actions = torch.multinomial(log_probs.softmax(1), 1)
        env.step_async(actions[:, 0].numpy())
        buffer.log_probs[n_steps], buffer.values[n_steps] = log_probs.gather(1, actions)[:, 0].numpy(), values.numpy()
        return actions.numpy()

    def _values(self, obs: Tensor) -> Tensor:
        return self._predicted(obs.to(self.device))[1].cpu()

    def _predicted(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """`_forward` during a rollout, without gradients."""
        with torch.no_grad():
            return self._forward(obs, self._acting)

    def _forward(self, obs: Tensor, extractor: nn.Module | None = None) -> tuple[Tensor, Tensor]:
        """Images [n, C, H, W] uint8 -> log probabilities [n, A] and values [n]; `extractor` defaults to the policy's."""
        policy: Any = self.policy
        seen = obs.to(self._dtype, memory_format=torch.channels_last).div_(255)
        # no cache, since threads would share it
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._dtype == torch.bfloat16, cache_enabled=False):
            features = (extractor or policy.features_extractor)(seen)
        actor, critic = policy.mlp_extractor(features.float())
        return policy.action_net(actor).log_softmax(1), policy.value_net(critic)[:, 0]

    def _rows(self, most: int) -> int:
        """The number of images in one forward pass; on a GPU, all of them."""
        return most if self.device.type == "cpu" else ALL

    def train(self) -> None:
        """Update the policy on the rollout in the buffer, and log what SB3 logs."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        clip = self.clip_range(self._current_progress_remaining)  # type: ignore[operator]
        samples = Samples.of_images(self.rollout_buffer).to(self.device)
        epochs = []
        for _ in range(self.n_epochs):
            epochs.append(self._epoch(samples, clip))
            self._n_updates += 1
        self._record(epochs, clip)

    def _epoch(self, samples: Samples, clip: float) -> dict[str, Tensor]:
        """Make one pass over the shuffled samples with a gradient step per minibatch; returns SB3's log, each [minibatches]."""
        order = np.random.permutation(len(samples))
        starts = range(0, len(order), self.batch_size)
        seen = [self._gradient_step(samples.take(order[i : i + self.batch_size]), clip) for i in starts]
        return {name: torch.stack([each[name] for each in seen]) for name in seen[0]}

    def _gradient_step(self, batch: Samples, clip: float) -> dict[str, Tensor]:
        """Make one optimiser step; returns what SB3 logs about it."""
        images = batch.obs.permute(0, 3, 1, 2)
        parts = self._pool.map(self._forward, images.split(self._rows(ROWS)))
        log_probs, values = (torch.cat(column).detach().requires_grad_() for column in zip(*parts, strict=True))
        losses = surrogate(log_probs, batch, clip)
        losses["value_loss"] = mse_loss(values, batch.returns)
        loss = losses["policy_gradient_loss"] + self.ent_coef * losses["entropy_loss"] + self.vf_coef * losses["value_loss"]
        self._backward(parts, *torch.autograd.grad(loss, (log_probs, values)))
        clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()
        return {"loss": loss.detach(), **{name: value.detach() for name, value in losses.items()}}

    def _backward(self, parts: Sequence[tuple[Tensor, Tensor]], *into: Tensor) -> None:
        """Set all parameters' gradients, given the loss's gradients for log probabilities [n, A] and values [n] of all parts."""
        sizes, parameters = [len(values) for _, values in parts], list(self.policy.parameters())
        each = list(zip(parts, *(gradient.split(sizes) for gradient in into), strict=True))
        gradients = self._pool.map(lambda part: torch.autograd.grad(part[0], parameters, part[1:]), each)
        for parameter, *shares in zip(parameters, *gradients, strict=True):
            parameter.grad = sum(shares[1:], start=shares[0])

    def _record(self, epochs: list[dict[str, Tensor]], clip: float) -> None:
        """Log an update as SB3 does: the Kullback-Leibler divergence of the last epoch, the loss of the last gradient step."""
        for name in ("entropy_loss", "policy_gradient_loss", "value_loss", "clip_fraction"):
            self.logger.record(f"train/{name}", float(torch.cat([epoch[name] for epoch in epochs]).double().mean()))
        self.logger.record("train/approx_kl", float(epochs[-1]["approx_kl"].mean()))
        self.logger.record("train/loss", float(epochs[-1]["loss"][-1]))
        values, returns = (swap_and_flatten(x).numpy() for x in (self.rollout_buffer.values, self.rollout_buffer.returns))
        self.logger.record("train/explained_variance", explained_variance(values, returns))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip)


def converted(extractor: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Copy an extractor with its convolutions and linear layers in this type, which autocast would convert at every call."""
    acting = deepcopy(extractor).requires_grad_(False)
    for layer in acting.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.to(dtype)
    return acting


def surrogate(log_probs: Tensor, batch: Samples, clip: float) -> dict[str, Tensor]:
    """PPO's clipped surrogate (Schulman et al. 2017, equation 7), the negative entropy, and what else SB3 logs.

    `log_probs` [n, A] are those of all actions in the batch's n states.
    """
    advantage = (batch.advantage - batch.advantage.mean()) / (batch.advantage.std() + 1e-8)
    log_ratio = log_probs.gather(1, batch.act.long())[:, 0] - batch.log_prob
    ratio = log_ratio.exp()
    gain = torch.min(advantage * ratio, advantage * ratio.clamp(1 - clip, 1 + clip))
    return {
        "policy_gradient_loss": -gain.mean(),
        "entropy_loss": (log_probs.exp() * log_probs).sum(1).mean(),
        "clip_fraction": ((ratio - 1).abs() > clip).float().mean(),
        "approx_kl": ((ratio - 1) - log_ratio).mean(),
    }
