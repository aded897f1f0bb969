"""The inputs of a reward model: observation and action side by side, normalised by their own statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn.functional import one_hot

from rlhp.types import Array, ImagesAndVector, UserError

CLIP = 10.0  # bound of normalised inputs: a spike of a contact force must not dominate a batch
MIN_SHARE = 1e-4  # lower bound of the share in `between_clip_variance`: inputs with the same mean in all clips keep some scale


def width(observation_space: spaces.Space, action_space: spaces.Space) -> int:
    """The number of inputs that `encode` returns for one step. Raises UserError for unsupported spaces."""
    if isinstance(observation_space, ImagesAndVector):
        raise UserError(
            "this reward model reads vectors only, and observations also have images; choose reward_model=by_observation, or "
            "remove the images with env.wrappers and gymnasium.wrappers.FilterObservation."
        )
    if not isinstance(observation_space, spaces.Box):
        raise UserError(f"the reward model reads Box observations, not {observation_space}; wrap the environment to give a Box.")
    return int(np.prod(observation_space.shape)) + action_width(action_space)


def action_width(space: spaces.Space) -> int:
    """The number of inputs that `encode_actions` returns for one action. Raises UserError for unsupported spaces."""
    match space:
        case spaces.Box() | spaces.MultiBinary():
            return int(np.prod(space.shape))
        case spaces.Discrete():
            return int(space.n)
        case spaces.MultiDiscrete():
            return int(space.nvec.sum())
    raise UserError(
        f"the reward model reads actions of a Box, Discrete, MultiDiscrete or MultiBinary, not {space}; wrap the environment so "
        "that its actions have one of these spaces."
    )


def encode(obs: Array, act: Array, action_space: spaces.Space) -> Tensor:
    """Observations [*B, *O] and actions [*B, *A] -> [*B, width]; discrete actions become one-hot."""
    action = encode_actions(act, action_space)
    return torch.cat([_flat(obs, action.ndim - 1), action], dim=-1)


def encode_actions(act: Array, space: spaces.Space) -> Tensor:
    """Actions [*B, *A] -> [*B, action width]; each discrete choice becomes one-hot."""
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
    """The array in single precision, with the axes after the first `lead` flattened.

    The width is explicit because reshape cannot infer -1 for an array without rows.
    """
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)).reshape(*x.shape[:lead], int(np.prod(x.shape[lead:])))


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Normalises each input by its mean over the steps of all labelled clips and a unit per input."""

    mean: Tensor  # [width]
    unit: Tensor  # [width]; 1 where an input never changes

    @classmethod
    def identity(cls, size: int) -> Normaliser:
        """The identity, used before there are labelled clips."""
        return cls(torch.zeros(size), torch.ones(size))

    def __call__(self, x: Tensor) -> Tensor:
        """x [*B, width], normalised and clipped."""
        return ((x - self.mean) / self.unit).clamp_(-CLIP, CLIP)


class InputScaling(Protocol):
    """Sets the scale of each input from its variances."""

    def __call__(self, between: Array, within: Array) -> Array:
        """The standard deviation to scale each input to [width].

        `between` is the variance of clips' means, `within` the mean variance within clips; both [width].
        """
        ...


def unit_variance(between: Array, within: Array) -> Array:
    """1 for every input."""
    return np.ones_like(between)


def between_clip_variance(between: Array, within: Array) -> Array:
    """The fraction of an input's variance that lies between clips rather than within them, divided by the largest of these.

    A comparison depends on sums over clips, so variation within a clip averages out, as the noise of a random policy's actions
    does. Labels then hardly determine how r-hat depends on such an input: a spurious pattern that a network learns there stays,
    and a policy can exploit it at every step. Inputs that vary mostly within clips are therefore scaled down.
    """
    share = np.maximum(between / np.maximum(between + within, 1e-12), MIN_SHARE)
    return share / share.max()


class Moments:
    """Running statistics of each input over clips; each clip is read once.

    The result is the same whether clips arrive one by one or all at once, so a resumed run computes the numbers of the first.
    """

    def __init__(self, size: int) -> None:
        self._clip_means, self._clip_variances = np.zeros((0, size)), np.zeros((0, size))

    def extend(self, clips: Array) -> None:
        """Add clips [n, L, width]."""
        means = clips.mean(axis=1, dtype=np.float64)
        squares = np.square(clips - means[:, np.newaxis]).mean(axis=1)
        self._clip_means, self._clip_variances = (
            np.concatenate([self._clip_means, means]),
            np.concatenate([self._clip_variances, squares]),
        )

    def normaliser(self, input_scaling: InputScaling) -> Normaliser:
        """The normaliser to mean 0 and the standard deviation that `input_scaling` returns.

        The variance of an input is the mean variance within clips plus the variance of their means.
        """
        between, within = self._clip_means.var(axis=0), self._clip_variances.mean(axis=0)
        std = np.sqrt(between + within)
        unit = np.where(std > 1e-6, std / input_scaling(between, within), 1.0)
        return Normaliser(torch.from_numpy(self._clip_means.mean(axis=0)).float(), torch.from_numpy(unit).float())
