"""Reward predictors for images (appendix A.2): convolutional networks on stacks of frames that do not read the action."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod, sqrt
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, leaky_relu_, linear

from rlhp.precision import number, processor
from rlhp.reward.dropout import Drop, Dropout
from rlhp.reward.ensemble import RewardEnsemble
from rlhp.reward.images import Images
from rlhp.reward.network import check_members
from rlhp.thread_pool import ThreadPool
from rlhp.types import Array, UserError, make_rng

SLOPE = 0.01  # negative slope of the leaky ReLU after each layer
PAPER = ((16, 7, 3), (16, 5, 2), (16, 3, 1), (16, 3, 1))  # filters, kernel and stride of each convolution
EPSILON = 1e-5  # added to variances before division
ROWS = 128  # stacks per prediction batch: activations then fit in the CPU's cache


def cnn_ensemble(
    observation_space: spaces.Space,
    action_space: spaces.Space,
    *,
    members: int = 3,
    layers: Sequence[Sequence[int]] = PAPER,
    units: int = 64,
    dropout: float = 0.5,
    dropout_after: int = 0,
    precision: str = "float32",
    device: str = "cpu",
    threads: int = 1,
    seed: int = 0,
    **fitting: Any,
) -> RewardEnsemble:
    """An ensemble of convolutional networks on images; other settings are those of `RewardEnsemble`.

    `observation_space` is the space of a stack of frames; `Images` finds its axes. `layers` lists filters, kernel and stride of
    each convolution. `units` is the size of the layer after them. `dropout` is the fraction of each convolution's outputs that a
    gradient step drops, after the first `dropout_after` gradient steps (`Dropout`). `precision` is the number format of all
    layers but the last. `device` is cpu, cuda, or auto, which is cuda if it is available. Raises UserError for settings and
    spaces that it does not support.
    """
    shape = Shape(Images(observation_space), _checked(layers), units)
    dropped = Dropout(dropout, dropout_after)
    networks = CNN(shape, members, dropped, number(precision, device), processor(device), seed, threads)
    return RewardEnsemble(networks, seed=seed, **fitting)


@dataclass(frozen=True, slots=True)
class Shape:
    """The layer sizes of a network. Raises UserError if the images are too small for the convolutions."""

    images: Images
    layers: tuple[tuple[int, int, int], ...]  # filters, kernel, stride
    units: int

    def __post_init__(self) -> None:
        if not self.layers or min(min(layer) for layer in self.layers) < 1 or self.units < 1:
            raise UserError(
                "reward_model.layers lists filters, kernel and stride of at least one convolution, such as [[16, 7, 3]]."
            )
        if min(self.sizes()[-1]) < 1:
            raise UserError(
                f"images of {self.images.height} x {self.images.width} are too small for the reward model's convolutions; choose "
                "larger ones, fewer or smaller reward_model.layers, or reward_model=ensemble_mlp."
            )

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width after each convolution."""
        sizes = [(self.images.height, self.images.width)]
        for _, kernel, stride in self.layers:
            height, width = sizes[-1]
            sizes.append(((height - kernel) // stride + 1, (width - kernel) // stride + 1))
        return sizes[1:]

    def filters(self) -> list[int]:
        """The number of filters of each convolution."""
        return [filters for filters, _, _ in self.layers]

    def weights(self) -> list[tuple[int, ...]]:
        """The shapes of the weights of each layer: kernels, the hidden layer, the last layer."""
        channels = [self.images.channels, *self.filters()]
        kernels = [(out, into, k, k) for (into, out), (_, k, _) in zip(pairwise(channels), self.layers, strict=True)]
        return [*kernels, (self.units, channels[-1] * prod(self.sizes()[-1])), (1, self.units)]

    def biases(self) -> list[tuple[int, ...]]:
        """The shapes of all other parameters: batch norm's scales, its shifts, the biases of the two layers after it."""
        each = [(filters,) for filters in self.filters()]
        return [*each, *each, (self.units,), (1,)]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one network, as views."""

    kernels: Sequence[Tensor]
    scales: Sequence[Tensor]
    shifts: Sequence[Tensor]
    hidden: tuple[Tensor, Tensor]  # weight, bias
    last: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, flat: Tensor, shape: Shape) -> Parameters:
        """Views of `flat` [P], weights first."""
        shapes, n = [*shape.weights(), *shape.biases()], len(shape.layers)
        parts = [part.view(size) for part, size in zip(flat.split([prod(size) for size in shapes]), shapes, strict=True)]
        kernels, (hidden, last), rest = parts[:n], parts[n : n + 2], parts[n + 2 :]
        return cls(kernels, rest[:n], rest[n : 2 * n], (hidden, rest[-2]), (last, rest[-1]))


class CNN:
    """M convolutional networks with batch norm and dropout; a `Network`.

    During a fit, batch norm uses the statistics of a batch that holds both clips of each pair. Predictions use the statistics of
    labelled clips, measured without dropout after each fit (`settle`): dropout increases the variance of activations, so running
    means of the statistics during a fit would shrink r-hat to a fraction of what was fitted.
    """

    def __init__(
        self,
        shape: Shape,
        members: int,
        dropout: Dropout,
        number: torch.dtype,
        device: torch.device,
        seed: int,
        threads: int = 1,
    ) -> None:
        check_members(members)
        # one thread per member: with three members on two threads, one thread would be idle for half of the time
        self._pool = ThreadPool(max(threads, members) if threads > 1 else 1)
        self._shape, self._dropout, self._number, self._device, self._seed = shape, dropout, number, device, seed
        self.flat = _initial(shape, members, make_rng(seed, "reward")).to(device)
        self.weights = self.flat[:, : sum(map(prod, shape.weights()))]
        self._averaged = self.flat.clone()  # the parameters that predict
        self._statistics = torch.zeros(
            members, 2, sum(shape.filters()), device=device
        )  # batch norm's means and variances for predictions
        self._statistics[:, 1] = 1
        self._graph: list[tuple[Tensor, Tensor]] = []  # for each member: its parameters and the sums computed from them

    def prepare(self, obs: Array, act: Array) -> Tensor:
        """Observations [*B, *O] -> [*B, channels, height, width], a view where possible."""
        return self._shape.images.tensor(obs)

    def observe(self, clips: Callable[[], Tensor]) -> None:
        """Nothing to do: the bounds of the observation space scale images."""

    def clip_sums(self, clips: Tensor, step: int) -> Tensor:
        """clips [n, L, channels, height, width] -> [M, n], in one pass per member."""
        x = self._network_input(clips.flatten(0, 1))

        def one(member: int) -> tuple[Tensor, Tensor]:
            drop = self._dropout.at(step, make_rng(self._seed, "dropout", step, member))
            with torch.enable_grad():
                flat = self.flat[member].detach().requires_grad_()
                predicted = self._train(x, Parameters.of(flat, self._shape), drop)
                return flat, predicted.unflatten(0, clips.shape[:2]).sum(dim=1)

        self._graph = self._pool.map(one, range(len(self.flat)))
        return torch.stack([sums.detach() for _, sums in self._graph]).cpu()

    def _train(self, x: Tensor, of: Parameters, drop: Drop, statistics: Tensor | None = None) -> Tensor:
        """One network's predictions in training mode [rows]; overwrites `statistics` [2, filters] with those of the batch."""
        filters = self._shape.filters()
        means, variances = ([None] * len(filters),) * 2 if statistics is None else (part.split(filters) for part in statistics)
        for i, (_, _, stride) in enumerate(self._shape.layers):
            x = conv2d(x, self._kernel(of.kernels[i], first=i == 0), stride=stride)
            x = batch_norm(x, means[i], variances[i], of.scales[i], of.shifts[i], True, 1.0, EPSILON)
            x = drop(leaky_relu_(x, SLOPE))
        return self._head(x, of)

    def backward(self, grad: Tensor) -> None:
        """Compute `flat.grad` from the gradient of the loss with respect to the sums of the last call, [M, n]."""
        graphs, self._graph = self._graph, []
        each = list(zip(graphs, grad.to(self._device), strict=True))
        gradients = self._pool.map(lambda one: torch.autograd.grad(one[0][1], one[0][0], one[1])[0], each)
        self.flat.grad = torch.stack(gradients)

    def average(self, share: float) -> None:
        """Move the parameters that predict towards the learned ones by this fraction of the difference."""
        self._averaged.lerp_(self.flat, share)

    def settle(self, x: Tensor) -> None:
        """Measure the statistics that normalise predictions on these stacks [n, channels, height, width].

        Averaged weights need statistics of their own (Izmailov et al. 2018, section 3.2).
        """
        taken = self._network_input(x)

        def one(member: int) -> None:
            of = Parameters.of(self._averaged[member], self._shape)
            self._train(taken, of, lambda activations: activations, self._statistics[member])

        self._pool.map(one, range(len(self.flat)))

    def predict(self, x: Tensor) -> Tensor:
        """Stacks [*B, channels, height, width] -> [M, *B]."""
        folded = [self._folded(*each) for each in zip(self._averaged, self._statistics, strict=True)]

        def evaluate(part: Tensor) -> Tensor:
            taken = self._network_input(part.flatten(0, -4))
            return torch.stack([self._evaluate(taken, of) for of in folded]).cpu()

        parts = self._pool.map(evaluate, x.split(max(1, ROWS // max(1, prod(x.shape[1:-3])))))
        return torch.cat(parts, dim=1).unflatten(1, x.shape[:-3])

    def _folded(self, flat: Tensor, statistics: Tensor) -> Parameters:
        """A network whose batch norms, with fixed statistics, are folded into its convolutions: their shifts become biases."""
        of, filters = Parameters.of(flat, self._shape), self._shape.filters()
        means, variances = (part.split(filters) for part in statistics)
        scales = [scale * (variance + EPSILON).rsqrt() for scale, variance in zip(of.scales, variances, strict=True)]
        kernels = [kernel * scale[:, None, None, None] for kernel, scale in zip(of.kernels, scales, strict=True)]
        shifts = [shift - mean * scale for shift, mean, scale in zip(of.shifts, means, scales, strict=True)]
        return Parameters(kernels, scales, shifts, of.hidden, of.last)

    def _evaluate(self, x: Tensor, of: Parameters) -> Tensor:
        """The predictions of a folded network, [rows]."""
        for i, (_, _, stride) in enumerate(self._shape.layers):
            kernel, bias = self._kernel(of.kernels[i], first=i == 0), of.shifts[i].to(self._number)
            x = leaky_relu_(conv2d(x, kernel, bias, stride=stride), SLOPE)
        return self._head(x, of)

    def _kernel(self, kernel: Tensor, first: bool) -> Tensor:
        """A kernel in the number format of the convolutions.

        The first one also scales images to [0, 1], so that images stay integers until then.
        """
        scaled = kernel * self._shape.images.scale if first else kernel
        return scaled.to(self._number).contiguous(memory_format=torch.channels_last)

    def _head(self, x: Tensor, of: Parameters) -> Tensor:
        """The layers after the convolutions, [rows]; the last one is in single precision."""
        weight, bias = (part.to(self._number) for part in of.hidden)
        return linear(leaky_relu_(linear(x.flatten(1), weight, bias), SLOPE).float(), *of.last).squeeze(-1)

    def _network_input(self, x: Tensor) -> Tensor:
        """Convert stacks [rows, channels, height, width] to the networks' device and number format, minus their lowest value."""
        if self._device.type == "cuda":
            x = x.contiguous().pin_memory().to(self._device, non_blocking=True)
        low = self._shape.images.low
        return (x.to(self._number) - low if low else x.to(self._number)).contiguous(memory_format=torch.channels_last)

    def snapshot(self) -> dict[str, Array]:
        """Weights, their running means, and the statistics that normalise predictions."""
        return {name: value.cpu().numpy().copy() for name, value in self._state().items()}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        for name, value in self._state().items():
            value.copy_(torch.from_numpy(state[name]))

    def _state(self) -> dict[str, Tensor]:
        return {"weights": self.flat, "steady": self._averaged, "statistics": self._statistics}


def _checked(layers: Sequence[Sequence[int]]) -> tuple[tuple[int, int, int], ...]:
    """The convolutions as tuples. Raises UserError unless each is three integers of at least 1."""
    message = (
        "reward_model.layers lists filters, kernel and stride of each convolution of the reward model, such as [[16, 7, 3]], "
        f"not {layers}."
    )
    try:
        rows = tuple((filters, kernel, stride) for filters, kernel, stride in layers)
    except (TypeError, ValueError) as error:
        raise UserError(message) from error
    if not rows or not all(isinstance(n, int) and n >= 1 for row in rows for n in row):
        raise UserError(message)
    return rows


def _initial(shape: Shape, members: int, rng: np.random.Generator) -> Tensor:
    """Independent parameters for each member [M, P]: uniform within 1 / sqrt(fan-in); batch norm starts as the identity.

    The last layer starts at 0: random initial predictions would remain wherever labels carry no information.
    """
    flat = torch.zeros(members, sum(map(prod, [*shape.weights(), *shape.biases()])))
    for one in flat:
        of = Parameters.of(one, shape)
        for weight in (*of.kernels, of.hidden[0]):
            bound = 1 / sqrt(prod(weight.shape[1:]))
            weight.copy_(torch.from_numpy(rng.uniform(-bound, bound, weight.shape)))
        for scale in of.scales:
            scale.fill_(1)
    return flat
