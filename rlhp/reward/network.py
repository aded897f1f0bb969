"""A stack of multi-layer perceptrons that run as one: every weight carries a leading axis of members."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

SLOPE = 0.01  # of the leaky ReLU
Weights = list[tuple[Tensor, Tensor]]  # per layer: [M, in, out], [M, 1, out]


def init(members: int, sizes: Sequence[int], generator: torch.Generator) -> Weights:
    """Independent weights per member, uniform within 1 / sqrt(fan-in); `sizes` lists the widths from input to output."""
    layers: Weights = []
    for fan_in, fan_out in pairwise(sizes):
        bound = 1 / sqrt(fan_in)
        weight = (2 * torch.rand(members, fan_in, fan_out, generator=generator) - 1) * bound
        bias = (2 * torch.rand(members, 1, fan_out, generator=generator) - 1) * bound
        layers.append((weight.requires_grad_(), bias.requires_grad_()))
    return layers


def forward(layers: Weights, x: Tensor) -> Tensor:
    """x [rows, in] -> [M, rows]: every member on the same rows, in one batched product per layer (leaky ReLU between)."""
    weight, bias = layers[-1]
    return torch.baddbmm(bias, _hidden(layers, x), weight).squeeze(-1)


def sums(layers: Weights, clips: Tensor) -> Tensor:
    """clips [n, L, in] -> [M, n]: `forward` added up over each clip.

    The last layer is linear, so the sum is taken before it: it then works on one row per clip instead of L.
    """
    n, length, _ = clips.shape
    hidden = _hidden(layers, clips.flatten(0, 1))
    weight, bias = layers[-1]
    return torch.baddbmm(length * bias, hidden.unflatten(1, (n, length)).sum(dim=2), weight).squeeze(-1)


def _hidden(layers: Weights, x: Tensor) -> Tensor:
    """What the last layer is given, [M, rows, width]."""
    h = x.expand(len(layers[0][0]), *x.shape)
    for weight, bias in layers[:-1]:
        h = leaky_relu(torch.baddbmm(bias, h, weight), SLOPE)
    return h


@torch.no_grad()
def decay(layers: Weights, share: Tensor) -> None:
    """Shrink the weights of each member by its share [M], biases apart."""
    for weight, _ in layers:
        weight.mul_(1 - share.reshape(-1, 1, 1))
