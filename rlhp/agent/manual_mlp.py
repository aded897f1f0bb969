"""A multi-layer perceptron forwards and backwards, written out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Linear

from rlhp.agent.flat_parameters import grad


class ManualMLP:
    """Linear layers with tanh between them, on the layers' own parameters.

    The products are those that autograd would make, in the same order and layout, so that results and gradients are equal to
    its own bit for bit; what is saved is the recording of a graph for every call. Gradients are written over the parameters'
    `grad`, which must be there.
    """

    def __init__(self, layers: Sequence[Linear]) -> None:
        self._layers = [(layer.weight.detach(), layer.weight.detach().t(), layer.bias.detach()) for layer in layers]
        self._grads = [(grad(layer.weight), grad(layer.bias)) for layer in layers]

    def __call__(self, x: Tensor) -> Tensor:
        """x [n, in] -> [n, out]."""
        return self.forward(x)[-1]

    def forward(self, x: Tensor) -> list[Tensor]:
        """x [n, in] -> what `backward` needs: x, the output of each hidden layer, and last the tower's own [n, out]."""
        seen = [x]
        for _, weight, bias in self._layers[:-1]:
            seen.append(torch.addmm(bias, seen[-1], weight).tanh_())
        _, weight, bias = self._layers[-1]
        seen.append(torch.addmm(bias, seen[-1], weight))
        return seen

    def backward(self, seen: Sequence[Tensor], into: Tensor) -> None:
        """Put the gradients in place: `seen` from `forward`, and the gradient of the loss for the tower's output [n, out]."""
        for i in reversed(range(len(self._layers))):
            into_weight, into_bias = self._grads[i]
            torch.mm(into.t(), seen[i], out=into_weight)
            torch.sum(into, 0, out=into_bias)
            if i > 0:
                into = torch.ops.aten.tanh_backward.default(torch.mm(into, self._layers[i][0]), seen[i])
