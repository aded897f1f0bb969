"""What a measurement was made on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("gymnasium", "mujoco", "numpy", "stable-baselines3", "torch")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def describe(command: Sequence[str]) -> dict[str, Any]:
    """Processor, cores, versions, date and the command."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(command),
        "cpu": _cpu(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def write(path: Path, command: Sequence[str], **more: Any) -> None:
    """The description as a file, with whatever else was set."""
    path.write_text(json.dumps({**describe(command), **more}, indent=2) + "\n")


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
