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


def init(members: int, sizes: Sequence[int], generator: torch.Generator) -> Weights:
    """Independent weights per member, uniform within 1 / sqrt(fan-in); `sizes` lists the widths from input to output."""
    layers: Weights = []
    for fan_in, fan_out in pairwise(sizes):
        bound = 1 / sqrt(fan_in)
        weight = (2 * torch.rand(members, fan_in, fan_out, generator=generator) - 1) * bound
        bias = (2 * torch.rand(members, 1, fan_out, generator=generator) - 1) * bound
        layers.append((weight, bias))
    return layers


def forward(layers: Weights, x: Tensor) -> Tensor:
    """x [rows, in] -> [M, rows]: every member on the same rows, in one batched product per layer."""
    h = x.expand(len(layers[0][0]), *x.shape)
    for weight, bias in layers[:-1]:
        h = leaky_relu(torch.baddbmm(bias, h, weight), SLOPE)
    weight, bias = layers[-1]
    return torch.baddbmm(bias, h, weight).squeeze(-1)


def number(precision: str) -> torch.dtype:
    """What hidden layers are computed in while they are fitted: `float32`, `bfloat16`, or `auto`.

    `auto` is bfloat16 where the processor has instructions for it, which are several times as fast; elsewhere it would be slower.
    Raises UserError for another name.
    """
    if precision == "auto":
        known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return torch.bfloat16 if known.get("avx512_bf16") or known.get("amx_bf16") else torch.float32
    if precision not in ("float32", "bfloat16"):
        raise UserError(f"there is no precision {precision!r}; choose auto, float32 or bfloat16.")
    return getattr(torch, precision)


class ClipSums:
    """What each member predicts of whole clips: `forward` added up over their steps, and its gradient, written out.

    The last layer is linear, so the sum is taken before it, which then works on one row per clip instead of L. The arrays
    between the layers are made once, for `clips` clips of up to `length` steps: to ask the system for megabytes at every
    gradient step takes longer than to fill them, and holds up other threads that ask as well.

    `number` is what hidden layers are computed in; weights, sums over steps and the last layer stay in single precision.
    """

    def __init__(self, layers: Weights, clips: int, length: int, number: torch.dtype = torch.float32) -> None:
        self.shape = (clips, length)
        self._layers, self._number = layers, number
        shapes = [(len(bias), clips * length, bias.shape[2]) for _, bias in layers[:-1]]
        # of each hidden layer: what it gives, and the loss's gradients for what it gives and for what it is given
        self._arrays = [[torch.empty(shape, dtype=number) for shape in shapes] for _ in range(3)]
        self._take(length)
        for parameter in (p for layer in layers for p in layer):
            parameter.grad = torch.zeros_like(parameter)

    def _take(self, length: int) -> None:
        """As much of each array as clips of this length need."""
        self._length = length
        self._given, self._after, self._before = ([x[:, : self.shape[0] * length] for x in kind] for kind in self._arrays)

    def __call__(self, clips: Tensor) -> Tensor:
        """clips [n, L, in] -> [M, n], L at most that of `shape`."""
        if clips.shape[1] != self._length:
            self._take(clips.shape[1])
        x = clips.flatten(0, 1).to(self._number)
        self._taken = [x.expand(len(self._layers[0][0]), *x.shape), *self._given]
        self._weights = [weight.to(self._number) for weight, _ in self._layers]
        for weight, (_, bias), taken, given in zip(self._weights, self._layers, self._taken, self._given, strict=False):
            leaky_relu_(torch.baddbmm(bias.to(self._number), taken, weight, out=given), SLOPE)
        self._summed = self._per_clip(self._taken[-1]).sum(dim=2, dtype=torch.float32)
        weight, bias = self._layers[-1]
        return torch.baddbmm(self._length * bias, self._summed, weight).squeeze(-1)

    def backward(self, grad: Tensor) -> None:
        """Put the weights' gradients in place, given that of the loss for the sums of the last call, [M, n]."""
        weight, bias = self._layers[-1]
        torch.bmm(self._summed.transpose(1, 2), grad.unsqueeze(2), out=weight.grad)
        torch.mul(grad.sum(dim=1)[:, None, None], self._length, out=bias.grad)
        each = (grad[:, :, None, None] * weight.transpose(1, 2).unsqueeze(1)).to(self._number)
        into = each.expand(-1, -1, self._length, -1)
        for i in reversed(range(len(self._given))):
            weight, bias = self._layers[i]
            before = self._before[i]
            _slopes(into, self._per_clip(self._given[i]), out=self._per_clip(before))
            weight.grad.copy_(torch.bmm(self._taken[i].transpose(1, 2), before))  # type: ignore[union-attr]
            torch.sum(before, dim=1, keepdim=True, dtype=torch.float32, out=bias.grad)
            if i > 0:
                into = self._per_clip(torch.bmm(before, self._weights[i].transpose(1, 2), out=self._after[i - 1]))

    def _per_clip(self, rows: Tensor) -> Tensor:
        """[M, n L, width] -> [M, n, L, width], a view."""
        return rows.unflatten(1, (self.shape[0], self._length))


def _slopes(grad: Tensor, given: Tensor, out: Tensor) -> None:
    """The gradient before a leaky ReLU, from that after it and what it gave."""
    torch.ops.aten.leaky_relu_backward.grad_input(grad, given, SLOPE, True, grad_input=out)


def decay(layers: Weights, share: Tensor) -> None:
    """Shrink the weights of each member by its share [M], biases apart."""
    for weight, _ in layers:
        weight.mul_(1 - share.reshape(-1, 1, 1))


def approach(layers: Weights, target: Weights, share: float) -> None:
    """Bring every weight and bias by this share of the way nearer to the target's."""
    for ours, theirs in zip(layers, target, strict=True):
        for p, aim in zip(ours, theirs, strict=True):
            p.lerp_(aim, share)
