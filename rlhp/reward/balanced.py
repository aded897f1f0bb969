"""Inputs of a discriminator, normalised with equal weight over demonstrations and the policy's behaviour."""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rlhp.reward.features import CLIP, encode, width
from rlhp.types import Array, ImagesAndVector, Transitions, UserError

NEWEST_WEIGHT = 0.05  # weight of the newest rollout in the running moments of the policy


class Balanced:
    """Normalises each input by its mean and standard deviation, with the same weight for the expert's steps as for the policy's.

    With the statistics of one side, the other side's steps could be anywhere: an input may be constant in all of the expert's
    steps. The policy's moments are running means over its rollouts, starting with the first. Raises UserError for spaces that it
    does not support.
    """

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space) -> None:
        check_vectors(observation_space)
        self.width, self.observed = width(observation_space, action_space), prod(observation_space.shape or ())
        self._action_space = action_space
        self._expert: Array = np.zeros((2, self.width))  # mean and mean square of the demonstrations
        self._demonstrations: Transitions | None = None
        self._policy = np.full((2, self.width), np.nan)  # NaN before the first rollout
        self._mean, self._unit = torch.zeros(self.width), torch.ones(self.width)

    def observe(self, demonstrations: Transitions, behaviour: Transitions) -> None:
        """Update the statistics with the policy's newest rollout."""
        if demonstrations is not self._demonstrations:
            self._expert, self._demonstrations = self._moments(demonstrations), demonstrations
        newest = self._moments(behaviour)
        self._policy = newest if np.isnan(self._policy).any() else self._policy + NEWEST_WEIGHT * (newest - self._policy)
        mean, square = (self._expert + self._policy) / 2
        std = np.sqrt(np.maximum(square - mean**2, 0))
        self._mean = torch.from_numpy(mean).float()
        self._unit = torch.from_numpy(np.where(std > 1e-6, std, 1.0)).float()

    def _moments(self, steps: Transitions) -> Array:
        x = encode(steps.obs, steps.act, self._action_space).numpy().astype(np.float64)
        return np.stack([x.mean(axis=0), np.square(x).mean(axis=0)])

    def __call__(self, obs: Array, act: Array) -> Tensor:
        """Observations [n, *seen] and actions [n, *A] -> [n, width], the observation first."""
        return ((encode(obs, act, self._action_space) - self._mean) / self._unit).clamp_(-CLIP, CLIP)

    def states(self, obs: Array) -> Tensor:
        """Observations [n, *seen] without actions -> [n, observed], with the same normalisation."""
        flat = torch.from_numpy(np.ascontiguousarray(obs, dtype=np.float32)).reshape(len(obs), self.observed)
        return ((flat - self._mean[: self.observed]) / self._unit[: self.observed]).clamp_(-CLIP, CLIP)

    def snapshot(self) -> dict[str, Array]:
        """The running moments of the policy, and the normalisation of inputs."""
        scale = {"inputs/mean": self._mean.numpy(), "inputs/unit": self._unit.numpy()}
        return {**scale, "inputs/policy": self._policy}  # no copies: these arrays are replaced, never changed in place

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._policy, self._demonstrations = state["inputs/policy"].copy(), None
        self._mean, self._unit = (torch.from_numpy(state[f"inputs/{k}"].copy()) for k in ("mean", "unit"))


def check_vectors(space: spaces.Space) -> None:
    """Raise UserError if observations are images."""
    if isinstance(space, ImagesAndVector) or (space.dtype == np.uint8 and len(space.shape or ()) > 1):
        raise UserError(
            f"a discriminator reads vectors, and observations are images ({space.shape}); choose a task whose observations are "
            "numbers, or learn the reward from comparisons with condition=preferences."
        )
