"""Description of the machine on which a measurement was made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlhp.run.machine import cores, describe

__all__ = ["cores", "write"]


def write(path: Path, command: Sequence[str], **more: Any) -> None:
    """Write processor, cores, versions, date, the command and `more` to a file."""
    path.write_text(json.dumps({**describe(), "command": " ".join(command), **more}, indent=2) + "\n")
