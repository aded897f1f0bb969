"""A rollout as samples for PPO's gradient steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from stable_baselines3.common.buffers import RolloutBuffer
from torch import Tensor

from rlhp.agent.flatten import swap_and_flatten
from rlhp.types import Array


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples for PPO, environment by environment: all [n, ...] float32, but images uint8."""

    obs: Tensor
    act: Tensor
    log_prob: Tensor  # of the actions under the policy that took them
    advantage: Tensor
    returns: Tensor

    @classmethod
    def of(cls, buffer: RolloutBuffer) -> Samples:
        """All steps of a rollout."""
        columns = (buffer.observations, buffer.actions, buffer.log_probs, buffer.advantages, buffer.returns)
        return cls(*map(swap_and_flatten, columns))

    @classmethod
    def of_images(cls, buffer: RolloutBuffer) -> Samples:
        """All steps of a rollout on images: the buffer's [T, N, C, H, W] becomes `obs` [n, H, W, C] uint8."""
        images = torch.from_numpy(buffer.observations).permute(1, 0, 3, 4, 2).contiguous().flatten(0, 1)
        return cls(images, *map(swap_and_flatten, (buffer.actions, buffer.log_probs, buffer.advantages, buffer.returns)))

    def __len__(self) -> int:
        return len(self.obs)

    def to(self, device: torch.device) -> Samples:
        """Move the samples to a device."""
        return Samples(*(each.to(device) for each in self._columns()))

    def take(self, rows: Array) -> Samples:
        """Select these rows, in this order."""
        index = torch.from_numpy(rows).to(self.obs.device)
        return Samples(*(each.index_select(0, index) for each in self._columns()))

    def split(self, size: int) -> Iterator[Samples]:
        """Split into minibatches."""
        return (Samples(*parts) for parts in zip(*(each.split(size) for each in self._columns()), strict=True))

    def _columns(self) -> tuple[Tensor, ...]:
        return self.obs, self.act, self.log_prob, self.advantage, self.returns
