"""Reward predictors for images beside a vector: an encoder per image, then layers on the features, the vector and the action."""

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

SLOPE = 0.01  # negative slope of the leaky ReLU after each layer but the last
ROWS = 512  # steps per prediction batch


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
    """An ensemble of networks on images, a vector and the action; other settings are those of `RewardEnsemble`.

    Each image is encoded by `layers` (filters, kernel and stride of each convolution; smaller ones where the image is too small
    for them) and a layer of `units`. Layers of `hidden` units read these features, the vector and the action; `input_scaling`
    sets the scale of each number of the vector and the action. `precision` is the number format of all layers but the last;
    `device` is where they run. Raises UserError for invalid settings.
    """
    if units < 1 or not hidden or min(hidden) < 1:
        raise UserError(f"the reward model needs layers of at least one unit, not units={units} and hidden={list(hidden)}.")
    networks = Parts(
        observation_space, action_space, layers, units, hidden, input_scaling, members, precision, device, threads, seed
    )
    return RewardEnsemble(networks, seed=seed, **fitting)


class PartsNet(nn.Module):
    """One network without its last layer's output: it reads images [n, C, H, W], each in [0, 1], and numbers [n, width]."""

    def __init__(self, space: ImagesAndVector, width: int, layers: Layers, units: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(_encoder(image, space.stack, layers, units) for image in space.images)
        sizes = [units * len(space.images) + width, *hidden]
        steps = [[nn.Linear(a, b), nn.LeakyReLU(SLOPE)] for a, b in pairwise(sizes)]
        self.head = nn.Sequential(*(module for pair in steps for module in pair))
        self.last = nn.Linear(sizes[-1], 1)

    def forward(self, images: Sequence[Tensor], vector: Tensor) -> Tensor:
        """The inputs of the last layer, [n, hidden]."""
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
    """M such networks; a `Network`. `prepare` returns bytes: those of the observation, then those of the action's numbers.

    The bounds of the observation space scale images. The numbers of vector and action are normalised over all labelled clips.
    Without batch norm, predictions do not depend on the batch and equal what is fitted, apart from the running means of the
    weights.
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
        self._space, self._action_space, self._input_scaling = space, action_space, input_scaling
        self._number, self._device = number(precision, device), processor(device)
        self._pool = ThreadPool(max(threads, members) if threads > 1 else 1)
        self._action_width = action_width(action_space)
        width = space.stack * space.width + self._action_width
        net = PartsNet(space, width, layers, units, hidden)
        self.flat = _initial(net, members, make_rng(seed, "reward")).to(self._device)
        self.weights = self.flat[:, : sum(weight.numel() for weight in _ordered(net) if weight.ndim > 1)]
        self._averaged = self.flat.clone()
        self._learning, self._predicting = ([_on(deepcopy(net), flat) for flat in each] for each in (self.flat, self._averaged))
        self._normaliser, self._moments = Normaliser.identity(width), Moments(width)
        self._graph: list[Tensor] = []  # the sums computed for each member

    def prepare(self, obs: Array, act: Array) -> Tensor:
        """Observations [*B, *seen] and actions [*B, *A] -> bytes [*B, x]."""
        action = encode_actions(act, self._action_space).numpy()
        seen = np.ascontiguousarray(obs).reshape(*action.shape[:-1], -1)
        return torch.from_numpy(np.concatenate([seen, action.view(np.uint8)], axis=-1))

    def observe(self, clips: Callable[[], Tensor]) -> None:
        """Add labelled clips [n, L, x] to the statistics that normalise numbers."""
        x = clips()
        self._moments.extend(self._split(x.flatten(0, 1))[1].unflatten(0, x.shape[:2]).numpy())
        self._normaliser = self._moments.normaliser(self._input_scaling)

    def _split(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Bytes [n, x] -> images, and the numbers of vector and action [n, width]."""
        seen, action = x.split([x.shape[1] - 4 * self._action_width, 4 * self._action_width], dim=1)
        images, vector = apart(seen, self._space)
        return images, torch.cat([vector, floats(action)], dim=1)

    def _network_input(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """The inputs of a network, on its device, from bytes [n, x]."""
        images, vector = self._split(x)
        return [image.to(self._device) for image in images], self._normaliser(vector).to(self._device)

    def _run(self, net: PartsNet, inputs: tuple[list[Tensor], Tensor]) -> Tensor:
        """The predictions of a network, [n]; the last layer is in single precision."""
        # without autocast's cache, which threads would share
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._number == torch.bfloat16, cache_enabled=False):
            hidden = net(*inputs)
        return net.last(hidden.float()).squeeze(1)

    def clip_sums(self, clips: Tensor, step: int) -> Tensor:
        """clips [n, L, x] -> [M, n], without random draws."""
        inputs = self._network_input(clips.flatten(0, 1))

        def one(net: PartsNet) -> Tensor:
            with torch.enable_grad():
                return self._run(net, inputs).unflatten(0, clips.shape[:2]).sum(dim=1)

        self._graph = self._pool.map(one, self._learning)
        return torch.stack([sums.detach() for sums in self._graph]).cpu()

    def backward(self, grad: Tensor) -> None:
        """Compute `flat.grad` from the gradient of the loss with respect to the sums of the last call, [M, n]."""
        graphs, self._graph = self._graph, []
        each = list(zip(self._learning, graphs, grad.to(self._device), strict=True))
        rows = self._pool.map(lambda one: torch.autograd.grad(one[1], _ordered(one[0]), one[2]), each)
        self.flat.grad = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])

    def average(self, share: float) -> None:
        """Move the parameters that predict towards the learned ones by this fraction of the difference."""
        self._averaged.lerp_(self.flat, share)

    def settle(self, x: Tensor) -> None:
        """Nothing to do: `observe` normalises numbers."""

    def predict(self, x: Tensor) -> Tensor:
        """Steps [*B, x] -> [M, *B]."""

        inputs = [self._network_input(part) for part in x.reshape(-1, x.shape[-1]).split(ROWS)]

        def one(net: PartsNet) -> Tensor:
            with torch.no_grad():
                return torch.cat([self._run(net, part) for part in inputs]).cpu()

        return torch.stack(self._pool.map(one, self._predicting)).unflatten(1, x.shape[:-1])

    def snapshot(self) -> dict[str, Array]:
        """Weights, their running means, and the normalisation of numbers."""
        weights = {"weights": self.flat.cpu().numpy().copy(), "steady": self._averaged.cpu().numpy().copy()}
        return {**weights, "inputs/mean": self._normaliser.mean.numpy(), "inputs/unit": self._normaliser.unit.numpy()}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot; the next call of `observe` must bring all labelled clips."""
        self.flat.copy_(torch.from_numpy(state["weights"]))
        self._averaged.copy_(torch.from_numpy(state["steady"]))
        self._normaliser = Normaliser(*(torch.from_numpy(state[f"inputs/{k}"].copy()) for k in ("mean", "unit")))
        self._moments = Moments(len(self._normaliser.mean))


def _ordered(net: nn.Module) -> list[Tensor]:
    """The parameters of a network: all weights, then all biases."""
    return sorted(net.parameters(), key=lambda parameter: parameter.ndim == 1)


def _on(net: PartsNet, flat: Tensor) -> PartsNet:
    """Move the parameters of a network into this memory [P], in order; returns the network."""
    parameters = _ordered(net)
    for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        parameter.data = part.view(parameter.shape)
    return net


def _initial(net: PartsNet, members: int, rng: np.random.Generator) -> Tensor:
    """Independent parameters for each member [M, P]: uniform within 1 / sqrt(fan-in); biases and the last layer start at 0.

    Random initial predictions would remain wherever labels carry no information.
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
