"""A multi-layer perceptron with a scalar output, with hand-written gradients of first and second order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor

from rlhp.types import UserError


def check_hidden(hidden: object) -> None:
    """Raise UserError unless `hidden` lists the units of at least one layer."""
    if not isinstance(hidden, Sequence) or not hidden or any(not isinstance(units, int) or units < 1 for units in hidden):
        raise UserError(f"reward_model.hidden lists the units of each layer, such as [64, 64], not {hidden}.")


def parameters(sizes: Sequence[int]) -> int:
    """The number of parameters of a network with these layer widths, from the input to the last hidden layer."""
    return sum((into + 1) * out for into, out in pairwise([*sizes, 1]))


class TanhMLP:
    """Linear layers with tanh between them, and one output.

    `flat` [P] holds the parameters and `grad` [P] their gradients; every backward pass adds to `grad`. Both are views of an
    optimiser's arrays. `sizes` lists the widths from the input to the last hidden layer. Gradients are written by hand because
    autograd records a graph, and a second one for a penalty on gradients; on networks of this size that takes several times as
    long as the arithmetic.
    """

    def __init__(self, flat: Tensor, grad: Tensor, sizes: Sequence[int]) -> None:
        shapes = list(pairwise([*sizes, 1]))
        lengths = [n for into, out in shapes for n in (into * out, out)]
        self.layers, self.grads = (_views(vector.split(lengths), shapes) for vector in (flat, grad))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw parameters uniformly within 1 / sqrt(fan-in); the last layer is 0, so all inputs start with the same value."""
        for weight, bias in self.layers[:-1]:
            for part in (weight, bias):
                part.copy_((2 * torch.rand(part.shape, generator=generator) - 1) / sqrt(weight.shape[1]))
        for part in self.layers[-1]:
            part.zero_()

    def value(self, x: Tensor) -> Tensor:
        """x [n, in] -> [n], without the intermediate results that a backward pass needs."""
        for weight, bias in self.layers[:-1]:
            x = torch.addmm(bias, x, weight.t()).tanh_()
        weight, bias = self.layers[-1]
        return torch.addmm(bias, x, weight.t()).squeeze(1)

    def run(self, x: Tensor) -> Pass:
        """x [n, in] -> the outputs and the intermediate results that backward passes need."""
        given = [x]
        for weight, bias in self.layers[:-1]:
            given.append(torch.addmm(bias, given[-1], weight.t()).tanh_())
        last, bias = self.layers[-1]
        values = torch.addmm(bias, given[-1], last.t()).squeeze(1)
        slopes = [torch.addcmul(last, given[-1] * last, given[-1], value=-1)]  # (1 - a^2) v
        for (weight, _), a in zip(reversed(self.layers[1:-1]), reversed(given[1:-1]), strict=True):
            slopes.append(torch.ops.aten.tanh_backward.default(torch.mm(slopes[-1], weight), a))
        return Pass(self, given, slopes[::-1], values)


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass over n rows through L hidden layers."""

    net: TanhMLP
    given: list[Tensor]  # [n, width] each: the input, and the output of each hidden layer
    slopes: list[Tensor]  # [n, width] each: the gradient of the output with respect to each hidden layer before tanh
    values: Tensor  # [n]

    def backward(self, into: Tensor) -> None:
        """Add the parameters' gradient of the sum of `into` [n] times the outputs."""
        for (weight, bias), slope, given in zip(self.net.grads, self.slopes, self.given, strict=False):
            back = into.unsqueeze(1) * slope
            weight.addmm_(back.t(), given)
            bias.add_(back.sum(0))
        weight, bias = self.net.grads[-1]
        weight.addmm_(into.unsqueeze(0), self.given[-1])
        bias.add_(into.sum())

    def input_gradient(self) -> Tensor:
        """The gradient of each output with respect to its own input, [n, in]."""
        return torch.mm(self.slopes[0], self.net.layers[0][0])

    def backward_gradient(self, direction: Tensor) -> None:
        """Add the parameters' gradient of the sum of `direction` [n, in] times the input gradients.

        That sum is the directional derivative of the outputs: it is computed forwards, then differentiated backwards.
        """
        pushed, before = [direction], []
        for (weight, _), given in zip(self.net.layers, self.given[1:], strict=False):
            before.append(torch.mm(pushed[-1], weight.t()))
            pushed.append(torch.ops.aten.tanh_backward.default(before[-1], given))
        self.net.grads[-1][0].add_(pushed[-1].sum(0))
        into = torch.zeros_like(self.given[-1])
        for i in reversed(range(len(before))):
            given, slope = self.given[i + 1], self.slopes[i]
            sums = torch.ops.aten.tanh_backward.default(into, given) - 2 * given * before[i] * slope
            weight, bias = self.net.grads[i]
            weight.addmm_(slope.t(), pushed[i]).addmm_(sums.t(), self.given[i])
            bias.add_(sums.sum(0))
            if i > 0:
                into = torch.mm(sums, self.net.layers[i][0])


def _views(parts: Sequence[Tensor], shapes: Sequence[tuple[int, int]]) -> list[tuple[Tensor, Tensor]]:
    """Weight [out, in] and bias [out] of each layer."""
    weights = [part.view(out, into) for part, (into, out) in zip(parts[::2], shapes, strict=True)]
    return list(zip(weights, parts[1::2], strict=True))
