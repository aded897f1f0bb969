"""What the reward model sees of a step: observation and action side by side, normalised by its own statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn.functional import one_hot

from rlhp.types import Array, ImagesAndVector, UserError

CLIP = 10.0  # of what the network is given: a contact force's spike must not drown the rest of a batch
LEAST = 1e-4  # of its spread is left to an input that is the same in all clips on average


def width(observation_space: spaces.Space, action_space: spaces.Space) -> int:
    """How many numbers `encode` makes of one step."""
    if isinstance(observation_space, ImagesAndVector):
        raise UserError(
            "this reward model reads vectors, and observations are images beside one; choose reward_model=by_observation, or "
            "leave the images out with env.wrappers and gymnasium.wrappers.FilterObservation."
        )
    if not isinstance(observation_space, spaces.Box):
        raise UserError(f"the reward model reads Box observations, not {observation_space}; wrap the environment to give a Box.")
    return int(np.prod(observation_space.shape)) + action_width(action_space)


def action_width(space: spaces.Space) -> int:
    """How many numbers `encode_actions` makes of one action. Raises UserError for a space that it cannot read."""
    match space:
        case spaces.Box() | spaces.MultiBinary():
            return int(np.prod(space.shape))
        case spaces.Discrete():
            return int(space.n)
        case spaces.MultiDiscrete():
            return int(space.nvec.sum())
    raise UserError(
        f"the reward model reads actions of a Box, Discrete, MultiDiscrete or MultiBinary, not {space}; wrap the environment so "
        "that it takes one of them."
    )


def encode(obs: Array, act: Array, action_space: spaces.Space) -> Tensor:
    """Observations [*B, *O] and actions [*B, *A] -> [*B, width]; discrete actions become one-hot."""
    done = encode_actions(act, action_space)
    return torch.cat([_flat(obs, done.ndim - 1), done], dim=-1)


def encode_actions(act: Array, space: spaces.Space) -> Tensor:
    """Actions [*B, *A] -> [*B, action width]: one-hot for each choice of a discrete one."""
    lead = act.shape[: act.ndim - len(space.shape or ())]
    match space:
        case spaces.Discrete():
            choice = torch.from_numpy(np.ascontiguousarray(act)).long() - int(space.start)
            return one_hot(choice, int(space.n)).float()
        case spaces.MultiDiscrete():
            choices = torch.from_numpy(np.ascontiguousarray(act - space.start)).long().reshape(*lead, space.nvec.size)
            return torch.cat(
                [one_hot(c, n) for c, n in zip(choices.unbind(-1), space.nvec.ravel().tolist(), strict=True)], -1
            ).float()
        case _:
            return _flat(act, len(lead))


def _flat(x: Array, lead: int) -> Tensor:
    """In single precision, the axes after the first `lead` made one; of no rows at all, too, whose width -1 could not tell."""
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).reshape(*x.shape[:lead], int(np.prod(x.shape[lead:])))


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Each input about its mean over the steps of all labelled clips, in a unit of its own."""

    mean: Tensor  # [width]
    unit: Tensor  # [width]; 1 where an input never changes

    @classmethod
    def identity(cls, size: int) -> Normaliser:
        """Before there is anything to measure."""
        return cls(torch.zeros(size), torch.ones(size))

    def __call__(self, x: Tensor) -> Tensor:
        """x [*B, width], normalised and clipped."""
        return ((x - self.mean) / self.unit).clamp_(-CLIP, CLIP)


class InputScaling(Protocol):
    """How large each input is made, from its variances."""

    def __call__(self, between: Array, within: Array) -> Array:
        """The variance between clips' means and the mean variance within clips [width] -> the spread to give each [width]."""
        ...


def unit_variance(between: Array, within: Array) -> Array:
    """1 for every input."""
    return np.ones_like(between)


def between_clip_variance(between: Array, within: Array) -> Array:
    """The share of an input's variance that lies between clips rather than within them, and the largest of these 1.

    A comparison tells of sums over clips, and what comes and goes within a clip averages out of them, as the noise in a random
    policy's actions does. Labels then hardly say how r-hat depends on it: what a network takes for a pattern there stays, and a
    policy can exploit it at every step. So such an input is made small beside those that last.
    """
    share = np.maximum(between / np.maximum(between + within, 1e-12), LEAST)
    return share / share.max()


class Moments:
    """Means and spreads per input of clips, to which clips are added: each is looked at once.

    The numbers are the same whether the clips came one by one or all at once, so that a resumed run has those of the first.
    """

    def __init__(self, size: int) -> None:
        self._means, self._squares = np.zeros((0, size)), np.zeros((0, size))

    def extend(self, clips: Array) -> None:
        """Add clips [n, L, width]."""
        means = clips.mean(axis=1, dtype=np.float64)
        squares = np.square(clips - means[:, np.newaxis]).mean(axis=1)
        self._means, self._squares = np.concatenate([self._means, means]), np.concatenate([self._squares, squares])

    def normaliser(self, weigh: InputScaling) -> Normaliser:
        """Zero mean and the spread that `weigh` gives; the variance is the mean one within clips plus that of their means."""
        between, within = self._means.var(axis=0), self._squares.mean(axis=0)
        std = np.sqrt(between + within)
        unit = np.where(std > 1e-6, std / weigh(between, within), 1.0)
        return Normaliser(torch.from_numpy(self._means.mean(axis=0)).float(), torch.from_numpy(unit).float())
