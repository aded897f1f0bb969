"""A network's parameters in contiguous memory."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import torch
from torch import Tensor, nn

LANES = 16  # maximum number of float32 in one vector operation of a processor


class FlatParameters:
    """Combines parameters into one vector: they become views of it, and their gradients views of its gradient.

    An element-wise optimiser then makes one call instead of one per parameter, with bit for bit the same results. For that,
    parameters whose length is not a multiple of LANES stay separate: an optimiser's kernel may round the elements after the
    last whole vector differently.
    """

    def __init__(self, module: nn.Module) -> None:
        whole = [p for p in module.parameters() if p.numel() % LANES == 0]
        apart = [p for p in module.parameters() if p.numel() % LANES]
        vector = nn.Parameter(torch.cat([torch.zeros(0), *(p.data.flatten() for p in whole)]))
        vector.grad = torch.zeros_like(vector)
        for p, start in zip(whole, accumulate((p.numel() for p in whole), initial=0), strict=False):
            part = slice(start, start + p.numel())
            p.data, p.grad = vector.data[part].view_as(p), vector.grad[part].view_as(p)
        for p in apart:
            p.grad = torch.zeros_like(p)
        self.parameters = [vector, *apart]
        self._grads = [grad(p) for p in self.parameters]
        self._each = [grad(p) for p in module.parameters()]

    def clip(self, norm: float) -> None:
        """Clip the gradient to this norm: torch's `clip_grad_norm_`, bit for bit."""
        total = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self._each))).numpy()  # pyright: ignore[reportPrivateImportUsage]
        share = np.float32(1) / (total + np.float32(1e-6)) * np.float32(norm)  # rounded as torch does it
        if share < 1:
            torch._foreach_mul_(self._grads, float(share))  # pyright: ignore[reportPrivateImportUsage]


def grad(parameter: Tensor) -> Tensor:
    """The gradient tensor of a parameter, which must exist."""
    assert parameter.grad is not None
    return parameter.grad
