"""Reward predictors for images beside a vector: an encoder for each image, then layers on all of it and the action."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlhp.pixels import Layers, apart, fitting, floats
from rlhp.precision import number, processor
from rlhp.reward.ensemble import RewardEnsemble
from rlhp.reward.features import InputScaling, Moments, Normaliser, action_width, between_clip_variance, encode_actions
from rlhp.reward.network import check_members
from rlhp.thread_pool import ThreadPool
from rlhp.types import Array, ImagesAndVector, UserError, make_rng

SLOPE = 0.01  # of the leaky ReLU after each layer but the last
ROWS = 512  # steps predicted at once


def parts_ensemble(
    observation_space: ImagesAndVector,
    action_space: spaces.Space,
    *,
    layers: Layers,
    members: int = 3,
    units: int = 64,
    hidden: Sequence[int] = (64,),
    input_scaling: InputScaling = between_clip_variance,
    precision: str = "float32",
    device: str = "cpu",
    threads: int = 1,
    seed: int = 0,
    **fitting: Any,
) -> RewardEnsemble:
    """Networks on images, vector and action, fitted as `RewardEnsemble` says, which takes all other settings.

    Of each image, `layers` (filters, kernel and stride of each convolution; smaller ones where it is too small for them) and a
    layer of `units` make features. Layers of `hidden` units read these, the vector and the action, each number of which
    `inputs` gives a size. `precision` is what all but the last layer is computed in, `device` where. Raises UserError for
    settings that make no sense.
    """
    if units < 1 or not hidden or min(hidden) < 1:
        raise UserError(f"the reward model wants layers of at least one unit, not units={units} and hidden={list(hidden)}.")
    networks = Parts(
        observation_space, action_space, layers, units, hidden, input_scaling, members, precision, device, threads, seed
    )
    return RewardEnsemble(networks, seed=seed, **fitting)


class PartsNet(nn.Module):
    """One network, but for what its last layer makes of it: images [n, C, H, W] each in [0, 1], and numbers [n, width]."""

    def __init__(self, space: ImagesAndVector, width: int, layers: Layers, units: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(_encoder(image, space.stack, layers, units) for image in space.images)
        sizes = [units * len(space.images) + width, *hidden]
        steps = [[nn.Linear(a, b), nn.LeakyReLU(SLOPE)] for a, b in pairwise(sizes)]
        self.head = nn.Sequential(*(module for pair in steps for module in pair))
        self.last = nn.Linear(sizes[-1], 1)

    def forward(self, images: Sequence[Tensor], vector: Tensor) -> Tensor:
        """What the last layer reads, [n, hidden]."""
        features = [encoder(image) for encoder, image in zip(self.encoders, images, strict=True)]
        return self.head(torch.cat([*features, vector.to(features[0].dtype)], dim=1))


def _encoder(image: spaces.Box, stack: int, layers: Layers, units: int) -> nn.Sequential:
    channels, height, width = image.shape
    channels, modules = stack * channels, list[nn.Module]()
    for filters, kernel, stride in fitting(layers, height, width):
        modules += [nn.Conv2d(channels, filters, kernel, stride), nn.LeakyReLU(SLOPE)]
        channels, height, width = filters, (height - kernel) // stride + 1, (width - kernel) // stride + 1
    return nn.Sequential(*modules, nn.Flatten(), nn.Linear(channels * height * width, units), nn.LeakyReLU(SLOPE))


class Parts:
    """M such networks; a `Network`. What `prepare` gives are bytes: the observation's, then the action's numbers.

    Images are scaled by their bounds; the vector's and the action's numbers are normalised over all labelled clips. There is
    no batch norm: nothing hangs on the batch, and what is fitted is what predicts, but for the running means of the weights.
    """

    def __init__(
        self,
        space: ImagesAndVector,
        action_space: spaces.Space,
        layers: Layers,
        units: int,
        hidden: Sequence[int],
        input_scaling: InputScaling,
        members: int,
        precision: str,
        device: str,
        threads: int,
        seed: int,
    ) -> None:
        check_members(members)
        self._space, self._action_space, self._weigh = space, action_space, input_scaling
        self._number, self._device = number(precision, device), processor(device)
        self._crew = ThreadPool(max(threads, members) if threads > 1 else 1)
        self._acting = action_width(action_space)
        width = space.stack * space.width + self._acting
        net = PartsNet(space, width, layers, units, hidden)
        self.flat = _initial(net, members, make_rng(seed, "reward")).to(self._device)
        self.weights = self.flat[:, : sum(weight.numel() for weight in _ordered(net) if weight.ndim > 1)]
        self._steady = self.flat.clone()
        self._learned, self._predicting = ([_on(deepcopy(net), flat) for flat in each] for each in (self.flat, self._steady))
        self._normaliser, self._moments = Normaliser.identity(width), Moments(width)
        self._graph: list[Tensor] = []  # what came of each member

    def prepare(self, obs: Array, act: Array) -> Tensor:
        """Observations [*B, *seen] and actions [*B, *A] -> bytes [*B, x]."""
        done = encode_actions(act, self._action_space).numpy()
        seen = np.ascontiguousarray(obs).reshape(*done.shape[:-1], -1)
        return torch.from_numpy(np.concatenate([seen, done.view(np.uint8)], axis=-1))

    def observe(self, clips: Callable[[], Tensor]) -> None:
        """Add labelled clips [n, L, x] to those that numbers are normalised over."""
        x = clips()
        self._moments.extend(self._split(x.flatten(0, 1))[1].unflatten(0, x.shape[:2]).numpy())
        self._normaliser = self._moments.normaliser(self._weigh)

    def _split(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Bytes [n, x] -> images, and the numbers of vector and action [n, width]."""
        seen, done = x.split([x.shape[1] - 4 * self._acting, 4 * self._acting], dim=1)
        images, vector = apart(seen, self._space)
        return images, torch.cat([vector, floats(done)], dim=1)

    def _taken(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """What a network reads of bytes [n, x], where it is computed."""
        images, vector = self._split(x)
        return [image.to(self._device) for image in images], self._normaliser(vector).to(self._device)

    def _run(self, net: PartsNet, taken: tuple[list[Tensor], Tensor]) -> Tensor:
        """A network's predictions [n]; the last layer is computed in single precision."""
        # no cache: threads would share it
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._number == torch.bfloat16, cache_enabled=False):
            hidden = net(*taken)
        return net.last(hidden.float()).squeeze(1)

    def clip_sums(self, clips: Tensor, step: int) -> Tensor:
        """clips [n, L, x] -> [M, n]; nothing is drawn at random."""
        taken = self._taken(clips.flatten(0, 1))

        def one(net: PartsNet) -> Tensor:
            with torch.enable_grad():
                return self._run(net, taken).unflatten(0, clips.shape[:2]).sum(dim=1)

        self._graph = self._crew.map(one, self._learned)
        return torch.stack([sums.detach() for sums in self._graph]).cpu()

    def backward(self, grad: Tensor) -> None:
        """Compute `flat.grad`, given the loss's gradient for the sums of the last call, [M, n]."""
        graphs, self._graph = self._graph, []
        each = list(zip(self._learned, graphs, grad.to(self._device), strict=True))
        rows = self._crew.map(lambda one: torch.autograd.grad(one[1], _ordered(one[0]), one[2]), each)
        self.flat.grad = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])

    def average(self, share: float) -> None:
        """Move what predicts towards what is learned by this share of the distance."""
        self._steady.lerp_(self.flat, share)

    def settle(self, x: Tensor) -> None:
        """Nothing to do: numbers are normalised when clips come."""

    def predict(self, x: Tensor) -> Tensor:
        """Steps [*B, x] -> [M, *B]."""

        taken = [self._taken(part) for part in x.reshape(-1, x.shape[-1]).split(ROWS)]

        def one(net: PartsNet) -> Tensor:
            with torch.no_grad():
                return torch.cat([self._run(net, part) for part in taken]).cpu()

        return torch.stack(self._crew.map(one, self._predicting)).unflatten(1, x.shape[:-1])

    def snapshot(self) -> dict[str, Array]:
        """Weights, their running means, and how numbers are normalised."""
        weights = {"weights": self.flat.cpu().numpy().copy(), "steady": self._steady.cpu().numpy().copy()}
        return {**weights, "inputs/mean": self._normaliser.mean.numpy(), "inputs/unit": self._normaliser.unit.numpy()}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot; all labelled clips will be new then."""
        self.flat.copy_(torch.from_numpy(state["weights"]))
        self._steady.copy_(torch.from_numpy(state["steady"]))
        self._normaliser = Normaliser(*(torch.from_numpy(state[f"inputs/{k}"].copy()) for k in ("mean", "unit")))
        self._moments = Moments(len(self._normaliser.mean))


def _ordered(net: nn.Module) -> list[Tensor]:
    """Its parameters: all weights, then all biases."""
    return sorted(net.parameters(), key=lambda parameter: parameter.ndim == 1)


def _on(net: PartsNet, flat: Tensor) -> PartsNet:
    """The network with its parameters in this memory [P], in order."""
    parameters = _ordered(net)
    for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        parameter.data = part.view(parameter.shape)
    return net


def _initial(net: PartsNet, members: int, rng: np.random.Generator) -> Tensor:
    """Independent parameters of each member [M, P]: uniform within 1 / sqrt(fan-in), biases 0, and so the last layer.

    What an untrained network says of a step would stay wherever the labels say nothing.
    """
    rows = []
    for _ in range(members):
        for parameter in _ordered(net):
            if parameter.ndim == 1 or parameter is net.last.weight:
                values = np.zeros(parameter.shape)
            else:
                values = rng.uniform(-1, 1, parameter.shape) / sqrt(parameter[0].numel())
            rows.append(torch.from_numpy(values).float().flatten())
    return torch.cat(rows).view(members, -1)
