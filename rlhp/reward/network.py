"""A stack of multi-layer perceptrons that run as one: every weight carries a leading axis of members."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, leaky_relu_

from rlhp.types import UserError

SLOPE = 0.01  # of the leaky ReLU between layers
Weights = list[tuple[Tensor, Tensor]]  # per layer: [M, in, out], [M, 1, out]


class Networks:
    """M networks of one shape in one array, so that what is done to all of their parameters takes one call.

    `flat` [M, P] holds of each network all weights and then all biases; `layers` and `weights` are views of it.
    """

    def __init__(self, flat: Tensor, sizes: Sequence[int]) -> None:
        shapes = list(pairwise(sizes))
        parts = flat.split([i * o for i, o in shapes] + [o for _, o in shapes], dim=1)
        weights = [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=False)]
        self.flat, self.sizes = flat, tuple(sizes)
        self.layers: Weights = [(w, bias.unsqueeze(1)) for w, bias in zip(weights, parts[len(shapes) :], strict=True)]
        self.weights = flat[:, : sum(i * o for i, o in shapes)]

    def like(self, dtype: torch.dtype = torch.float32) -> Networks:
        """Others of the same shape, all zero."""
        return Networks(torch.zeros_like(self.flat, dtype=dtype), self.sizes)


def init(members: int, sizes: Sequence[int], generator: torch.Generator) -> Networks:
    """Independent weights per member, uniform within 1 / sqrt(fan-in); `sizes` lists the widths from input to output.

    Those of the last layer are 0: what an untrained network says of a step would stay wherever the labels say nothing.
    """
    networks = Networks(torch.zeros(members, sum((i + 1) * o for i, o in pairwise(sizes))), sizes)
    for (weight, bias), fan_in in zip(networks.layers[:-1], sizes, strict=False):
        for part in (weight, bias):
            part.copy_((2 * torch.rand(part.shape, generator=generator) - 1) / sqrt(fan_in))
    return networks


def forward(networks: Networks, x: Tensor) -> Tensor:
    """x [rows, in] -> [M, rows]: every member on the same rows, in one batched product per layer."""
    h = x.expand(len(networks.flat), *x.shape)
    for weight, bias in networks.layers[:-1]:
        h = leaky_relu(torch.baddbmm(bias, h, weight), SLOPE)
    weight, bias = networks.layers[-1]
    return torch.baddbmm(bias, h, weight).squeeze(-1)


def best_precision() -> str:
    """`bfloat16` where the processor has instructions for it, which are several times as fast; elsewhere `float32`."""
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return "bfloat16" if known.get("avx512_bf16") or known.get("amx_bf16") else "float32"


def number(precision: str) -> torch.dtype:
    """What hidden layers are computed in while they are fitted: `float32`, `bfloat16`, or `auto`, the better one here.

    Raises UserError for another name.
    """
    name = best_precision() if precision == "auto" else precision
    if name not in ("float32", "bfloat16"):
        raise UserError(f"there is no precision {name!r}; choose auto, float32 or bfloat16.")
    return getattr(torch, name)


class ClipSums:
    """What each member predicts of whole clips: `forward` added up over their steps, and its gradient, written out.

    The last layer is linear, so the sum is taken before it, which then works on one row per clip instead of L. The arrays
    between the layers are made once, for `clips` clips of up to `length` steps: to ask the system for megabytes at every
    gradient step takes longer than to fill them, and holds up other threads that ask as well.

    `number` is what hidden layers and their sums over steps are computed in; the last layer stays in single precision.
    """

    def __init__(self, networks: Networks, clips: int, length: int, number: torch.dtype = torch.float32) -> None:
        self.shape = (clips, length)
        self._networks, self._used, self.grad = networks, networks.like(number), networks.like()
        shapes = [(len(networks.flat), clips * length, size) for size in networks.sizes[1:-1]]
        # of each hidden layer: what it gives, and the loss's gradients for what it gives and for what it is given
        self._arrays = [[torch.empty(shape, dtype=number) for shape in shapes] for _ in range(3)]
        self._take(length)

    def _take(self, length: int) -> None:
        """As much of each array as clips of this length need."""
        self._length = length
        self._given, self._after, self._before = ([x[:, : self.shape[0] * length] for x in kind] for kind in self._arrays)

    def __call__(self, clips: Tensor) -> Tensor:
        """clips [n, L, in] -> [M, n], L at most that of `shape`."""
        if clips.shape[1] != self._length:
            self._take(clips.shape[1])
        self._used.flat.copy_(self._networks.flat)
        x = clips.flatten(0, 1).to(self._used.flat.dtype)
        self._taken = [x.expand(len(self._used.flat), *x.shape), *self._given]
        for (weight, bias), taken, given in zip(self._used.layers, self._taken, self._given, strict=False):
            leaky_relu_(torch.baddbmm(bias, taken, weight, out=given), SLOPE)
        self._summed = self._per_clip(self._taken[-1]).sum(dim=2).float()
        weight, bias = self._networks.layers[-1]
        return torch.baddbmm(self._length * bias, self._summed, weight).squeeze(-1)

    def backward(self, grad: Tensor) -> None:
        """Put the gradients for the weights into `self.grad`, given that of the loss for the sums of the last call, [M, n]."""
        into_weight, into_bias = self.grad.layers[-1]
        into_weight.copy_(torch.bmm(self._summed.transpose(1, 2), grad.unsqueeze(2)))
        into_bias.copy_(self._length * grad.sum(dim=1)[:, None, None])
        last, _ = self._networks.layers[-1]
        each = (grad[:, :, None, None] * last.transpose(1, 2).unsqueeze(1)).to(self._used.flat.dtype)
        into = each.expand(-1, -1, self._length, -1)
        for i in reversed(range(len(self._given))):
            before, (into_weight, into_bias) = self._before[i], self.grad.layers[i]
            _slopes(into, self._per_clip(self._given[i]), out=self._per_clip(before))
            into_weight.copy_(torch.bmm(self._taken[i].transpose(1, 2), before))
            into_bias.copy_(before.sum(dim=1, keepdim=True))
            if i > 0:
                weight, _ = self._used.layers[i]
                into = self._per_clip(torch.bmm(before, weight.transpose(1, 2), out=self._after[i - 1]))

    def _per_clip(self, rows: Tensor) -> Tensor:
        """[M, n L, width] -> [M, n, L, width], a view."""
        return rows.unflatten(1, (self.shape[0], self._length))


def _slopes(grad: Tensor, given: Tensor, out: Tensor) -> None:
    """The gradient before a leaky ReLU, from that after it and what it gave."""
    torch.ops.aten.leaky_relu_backward.grad_input(grad, given, SLOPE, True, grad_input=out)
