"""Reward predictors for vectors (appendix A.1): perceptrons that run as one batch, each weight with an axis of members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn.functional import leaky_relu, leaky_relu_

from rlhp.precision import number
from rlhp.reward.ensemble import RewardEnsemble
from rlhp.reward.features import InputScaling, Moments, Normaliser, between_clip_variance, encode, width
from rlhp.reward.network import check_members
from rlhp.types import Array, UserError, make_rng

SLOPE = 0.01  # negative slope of the leaky ReLU between layers
Weights = list[tuple[Tensor, Tensor]]  # per layer: [M, in, out], [M, 1, out]


def mlp_ensemble(
    observation_space: spaces.Space,
    action_space: spaces.Space,
    *,
    members: int = 3,
    hidden: Sequence[int] = (64, 64),
    input_scaling: InputScaling = between_clip_variance,
    precision: str = "float32",
    seed: int = 0,
    **fitting: Any,
) -> RewardEnsemble:
    """An ensemble of multi-layer perceptrons that read observation and action; other settings are those of `RewardEnsemble`.

    `hidden` lists the units of each hidden layer. `input_scaling` sets the scale of each input. `precision` is the number format
    of the hidden layers during a fit. Raises UserError for settings and spaces that it does not support.
    """
    networks = MLP(observation_space, action_space, members, hidden, input_scaling, precision, seed)
    return RewardEnsemble(networks, seed=seed, **fitting)


class MLP:
    """M perceptrons that read observation and action side by side, normalised over all labelled clips; a `Network`."""

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        members: int,
        hidden: Sequence[int],
        input_scaling: InputScaling,
        precision: str,
        seed: int,
    ) -> None:
        check_members(members)
        if not isinstance(hidden, Sequence) or any(not isinstance(units, int) or units < 1 for units in hidden):
            raise UserError(
                f"reward_model.hidden lists the units of each hidden layer, such as [64, 64], or [] for none, not {hidden}."
            )
        self._action_space, self._input_scaling, self._number = action_space, input_scaling, number(precision)
        size = width(observation_space, action_space)
        generator = torch.Generator().manual_seed(int(make_rng(seed, "reward").integers(2**31)))
        self._learned = init(members, (size, *hidden, 1), generator)
        self._averaged = self._learned.like()
        self._averaged.flat.copy_(self._learned.flat)
        self.flat, self.weights = self._learned.flat, self._learned.weights
        self._normaliser, self._moments = Normaliser.identity(size), Moments(size)
        self._sums: ClipSums | None = None

    def prepare(self, obs: Array, act: Array) -> Tensor:
        """Observations [*B, *O] and actions [*B, *A] -> [*B, width]."""
        return encode(obs, act, self._action_space)

    def observe(self, clips: Callable[[], Tensor]) -> None:
        """Add labelled clips [n, L, width] to the statistics that normalise inputs."""
        self._moments.extend(clips().numpy())
        self._normaliser = self._moments.normaliser(self._input_scaling)

    def clip_sums(self, clips: Tensor, step: int) -> Tensor:
        """clips [n, L, width] -> [M, n], without random draws."""
        n, length = clips.shape[:2]
        if self._sums is None or self._sums.shape[0] < n or self._sums.shape[1] < length:
            self._sums = ClipSums(self._learned, n, length, self._number)
            self.flat.grad = self._sums.grad.flat
        return self._sums(self._normaliser(clips))

    def backward(self, grad: Tensor) -> None:
        """Compute `flat.grad` from the gradient of the loss with respect to the sums of the last call, [M, n]."""
        assert self._sums is not None
        self._sums.backward(grad)

    def average(self, share: float) -> None:
        """Move the parameters that predict towards the learned ones by this fraction of the difference."""
        self._averaged.flat.lerp_(self.flat, share)

    def settle(self, x: Tensor) -> None:
        """Nothing to do: `observe` normalises inputs."""

    def predict(self, x: Tensor) -> Tensor:
        """Steps [*B, width] -> [M, *B]."""
        raw = forward(self._averaged, self._normaliser(x.reshape(-1, x.shape[-1])))
        return raw.reshape(len(raw), *x.shape[:-1])

    def snapshot(self) -> dict[str, Array]:
        """Weights, their running means, and the normalisation of inputs."""
        weights = {"weights": self.flat.numpy().copy(), "steady": self._averaged.flat.numpy().copy()}
        return {**weights, "inputs/mean": self._normaliser.mean.numpy(), "inputs/unit": self._normaliser.unit.numpy()}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot; the next call of `observe` must bring all labelled clips."""
        self.flat.copy_(torch.from_numpy(state["weights"]))
        self._averaged.flat.copy_(torch.from_numpy(state["steady"]))
        self._normaliser = Normaliser(*(torch.from_numpy(state[f"inputs/{k}"].copy()) for k in ("mean", "unit")))
        self._moments = Moments(len(self._normaliser.mean))


class Networks:
    """M networks of one shape in one array, so that one call updates all their parameters.

    `flat` [M, P] holds all weights of each network, then all biases; `layers` and `weights` are views of it.
    """

    def __init__(self, flat: Tensor, sizes: Sequence[int]) -> None:
        shapes = list(pairwise(sizes))
        parts = flat.split([i * o for i, o in shapes] + [o for _, o in shapes], dim=1)
        weights = [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=False)]
        self.flat, self.sizes = flat, tuple(sizes)
        self.layers: Weights = [(w, bias.unsqueeze(1)) for w, bias in zip(weights, parts[len(shapes) :], strict=True)]
        self.weights = flat[:, : sum(i * o for i, o in shapes)]

    def like(self, dtype: torch.dtype = torch.float32) -> Networks:
        """Networks of the same shape, all zero."""
        return Networks(torch.zeros_like(self.flat, dtype=dtype), self.sizes)


def init(members: int, sizes: Sequence[int], generator: torch.Generator) -> Networks:
    """Independent weights for each member, uniform within 1 / sqrt(fan-in); `sizes` lists the widths from input to output.

    The last layer starts at 0: random initial predictions would remain wherever labels carry no information.
    """
    networks = Networks(torch.zeros(members, sum((i + 1) * o for i, o in pairwise(sizes))), sizes)
    for (weight, bias), fan_in in zip(networks.layers[:-1], sizes, strict=False):
        for part in (weight, bias):
            part.copy_((2 * torch.rand(part.shape, generator=generator) - 1) / sqrt(fan_in))
    return networks


def forward(networks: Networks, x: Tensor) -> Tensor:
    """x [rows, in] -> [M, rows]: every member reads the same rows, with one batched product per layer."""
    h = x.expand(len(networks.flat), *x.shape)
    for weight, bias in networks.layers[:-1]:
        h = leaky_relu(torch.baddbmm(bias, h, weight), SLOPE)
    weight, bias = networks.layers[-1]
    return torch.baddbmm(bias, h, weight).squeeze(-1)


class ClipSums:
    """Each member's predictions for whole clips: `forward` summed over their steps, with a hand-written gradient.

    The last layer is linear, so the sum is taken before it, and the layer then works on one row per clip instead of L. The arrays
    between layers are allocated once, for up to `clips` clips of up to `length` steps: allocating megabytes at every gradient
    step takes longer than filling them, and blocks other threads that allocate as well.

    `number` is the type of hidden layers and of their sums over steps; the last layer stays in single precision.
    """

    def __init__(self, networks: Networks, clips: int, length: int, number: torch.dtype = torch.float32) -> None:
        self.shape = (clips, length)
        self._networks, self._used, self.grad = networks, networks.like(number), networks.like()
        shapes = [(len(networks.flat), clips * length, size) for size in networks.sizes[1:-1]]
        # for each hidden layer: its output, and the gradients of the loss with respect to its output and its pre-activation
        self._arrays = [[torch.empty(shape, dtype=number) for shape in shapes] for _ in range(3)]
        self._slice(clips, length)

    def _slice(self, clips: int, length: int) -> None:
        """Use the part of each array that this number of clips of this length needs."""
        self._clips, self._length = clips, length
        self._outputs, self._output_grads, self._input_grads = ([x[:, : clips * length] for x in kind] for kind in self._arrays)

    def __call__(self, clips: Tensor) -> Tensor:
        """clips [n, L, in] -> [M, n]; n and L are at most those of `shape`."""
        if clips.shape[:2] != (self._clips, self._length):
            self._slice(*clips.shape[:2])
        self._used.flat.copy_(self._networks.flat)
        x = clips.flatten(0, 1).to(self._used.flat.dtype)
        self._layer_inputs = [x.expand(len(self._used.flat), *x.shape), *self._outputs]
        for (weight, bias), taken, given in zip(self._used.layers, self._layer_inputs, self._outputs, strict=False):
            leaky_relu_(torch.baddbmm(bias, taken, weight, out=given), SLOPE)
        self._summed = self._per_clip(self._layer_inputs[-1]).sum(dim=2).float()
        weight, bias = self._networks.layers[-1]
        return torch.baddbmm(self._length * bias, self._summed, weight).squeeze(-1)

    def backward(self, grad: Tensor) -> None:
        """Write the weights' gradients to `self.grad`, from the loss's gradient with respect to the last call's sums, [M, n]."""
        into_weight, into_bias = self.grad.layers[-1]
        into_weight.copy_(torch.bmm(self._summed.transpose(1, 2), grad.unsqueeze(2)))
        into_bias.copy_(self._length * grad.sum(dim=1)[:, None, None])
        last, _ = self._networks.layers[-1]
        each = (grad[:, :, None, None] * last.transpose(1, 2).unsqueeze(1)).to(self._used.flat.dtype)
        into = each.expand(-1, -1, self._length, -1)
        for i in reversed(range(len(self._outputs))):
            before, (into_weight, into_bias) = self._input_grads[i], self.grad.layers[i]
            _slopes(into, self._per_clip(self._outputs[i]), out=self._per_clip(before))
            into_weight.copy_(torch.bmm(self._layer_inputs[i].transpose(1, 2), before))
            into_bias.copy_(before.sum(dim=1, keepdim=True))
            if i > 0:
                weight, _ = self._used.layers[i]
                into = self._per_clip(torch.bmm(before, weight.transpose(1, 2), out=self._output_grads[i - 1]))

    def _per_clip(self, rows: Tensor) -> Tensor:
        """[M, n L, width] -> [M, n, L, width], a view."""
        return rows.unflatten(1, (self._clips, self._length))


def _slopes(grad: Tensor, given: Tensor, out: Tensor) -> None:
    """Write the gradient with respect to a leaky ReLU's input to `out`, from the gradient of its output and that output."""
    torch.ops.aten.leaky_relu_backward.grad_input(grad, given, SLOPE, True, grad_input=out)
