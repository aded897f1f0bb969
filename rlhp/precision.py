"""The floating-point format that a network's hidden layers are computed in."""

from __future__ import annotations

import torch

from rlhp.types import UserError


def best_precision(device: str = "cpu") -> str:
    """`bfloat16` where the device has instructions for it, which are several times as fast; elsewhere `float32`.

    `device` is a name of torch's, or `auto`: a GPU where there is one.
    """
    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return "bfloat16" if known.get("avx512_bf16") or known.get("amx_bf16") else "float32"


def number(precision: str, device: str = "cpu") -> torch.dtype:
    """The type of a precision's name: `float32`, `bfloat16`, or `auto`, the better one on this device.

    Raises UserError for another name.
    """
    name = best_precision(device) if precision == "auto" else precision
    if name not in ("float32", "bfloat16"):
        raise UserError(f"there is no precision {name!r}; choose auto, float32 or bfloat16.")
    return getattr(torch, name)
