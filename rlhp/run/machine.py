"""Describes the machine and the versions of packages."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rlhp import __version__

PACKAGES = ("gymnasium", "mujoco", "ale-py", "opencv-python-headless", "numpy", "stable-baselines3", "torch", "hydra-core")


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, str | int]:
    """Date, processor, cores, system and versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "rlhp": __version__,
        **{name: version(name) for name in PACKAGES},
    }


def _cpu() -> str:
    """The name of the processor, if the system reports it."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
