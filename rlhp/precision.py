"""The device and the floating-point format of networks."""

from __future__ import annotations

import torch

from rlhp.types import UserError


def processor(device: str) -> torch.device:
    """The device of this name: `cpu`, `cuda`, or `auto`, which is a GPU if there is one.

    Raises UserError for another name, and for `cuda` without a GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"there is no device {device!r}; choose auto, cpu or cuda.")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise UserError("no CUDA device is available here; set device to auto or cpu.")
    return torch.device("cuda" if there and device != "cpu" else "cpu")


def best_precision(device: str = "cpu") -> str:
    """`bfloat16` if the device has instructions for it, which are several times faster; otherwise `float32`."""
    if processor(device).type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return "bfloat16" if known.get("avx512_bf16") or known.get("amx_bf16") else "float32"


def number(precision: str, device: str = "cpu") -> torch.dtype:
    """The torch type for a precision: `float32`, `bfloat16`, or `auto`, the better one on this device.

    Raises UserError for another name.
    """
    name = best_precision(device) if precision == "auto" else precision
    if name not in ("float32", "bfloat16"):
        raise UserError(f"there is no precision {name!r}; choose auto, float32 or bfloat16.")
    return getattr(torch, name)
