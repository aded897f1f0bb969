"""A network's parameters in one stretch of memory."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import torch
from torch import Tensor, nn

LANES = 16  # single-precision numbers that a processor works on at once, at most


class FlatParameters:
    """One vector in place of many parameters, which become views into it, and their gradients into the vector's gradient.

    An optimiser that works element by element then does in one call what it did in one per parameter, with the same results
    bit for bit. So that they are the same, parameters whose length is no multiple of LANES stay apart: an optimiser's kernel
    may round the numbers that are left over from whole lanes differently.
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
        """Shrink the gradient to this norm if it is longer: torch's `clip_grad_norm_`, bit for bit."""
        total = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self._each))).numpy()  # pyright: ignore[reportPrivateImportUsage]
        share = np.float32(1) / (total + np.float32(1e-6)) * np.float32(norm)  # rounded as torch does it
        if share < 1:
            torch._foreach_mul_(self._grads, float(share))  # pyright: ignore[reportPrivateImportUsage]


def grad(parameter: Tensor) -> Tensor:
    """The gradient's place."""
    assert parameter.grad is not None
    return parameter.grad
