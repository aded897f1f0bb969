"""What a measurement was made on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlhp.run.machine import cores, describe

__all__ = ["cores", "write"]


def write(path: Path, command: Sequence[str], **more: Any) -> None:
    """Processor, cores, versions, date and the command as a file, with whatever else was set."""
    path.write_text(json.dumps({**describe(), "command": " ".join(command), **more}, indent=2) + "\n")
