"""A multi-layer perceptron with its forward and backward pass written out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Linear

from rlhp.agent.fast.flat_parameters import grad


class ManualMLP:
    """Linear layers with tanh between them, which uses the layers' parameters.

    The products are those of autograd, in the same order and layout, so outputs and gradients are equal bit for bit; it saves
    recording a graph for every call. Gradients overwrite the parameters' `grad`, which must exist.
    """

    def __init__(self, layers: Sequence[Linear]) -> None:
        self._layers = [(layer.weight.detach(), layer.weight.detach().t(), layer.bias.detach()) for layer in layers]
        self._grads = [(grad(layer.weight), grad(layer.bias)) for layer in layers]

    def __call__(self, x: Tensor) -> Tensor:
        """The output [n, out] for x [n, in]."""
        return self.forward(x)[-1]

    def forward(self, x: Tensor) -> list[Tensor]:
        """What `backward` needs, for x [n, in]: x, the output of each hidden layer and the network's output [n, out]."""
        seen = [x]
        for _, weight, bias in self._layers[:-1]:
            seen.append(torch.addmm(bias, seen[-1], weight).tanh_())
        _, weight, bias = self._layers[-1]
        seen.append(torch.addmm(bias, seen[-1], weight))
        return seen

    def backward(self, seen: Sequence[Tensor], into: Tensor) -> None:
        """Set the parameters' gradients, given `forward`'s result `seen` and the loss's gradient for the output [n, out]."""
        for i in reversed(range(len(self._layers))):
            into_weight, into_bias = self._grads[i]
            torch.mm(into.t(), seen[i], out=into_weight)
            torch.sum(into, 0, out=into_bias)
            if i > 0:
                into = torch.ops.aten.tanh_backward.default(torch.mm(into, self._layers[i][0]), seen[i])
