"""The runs below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CONFIG = "config.yaml"


def is_run(folder: Path) -> bool:
    """Whether this is a run directory."""
    return (folder / CONFIG).is_file()


def runs_below(folder: Path) -> dict[str, Path]:
    """Run directories by their paths below a folder, with slashes, in alphabetical order."""
    return {run.relative_to(folder).as_posix(): run for run in sorted(_walk(folder))}


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if CONFIG in files and Path(place) != folder:
            folders.clear()  # what lies in a run is its own
            yield Path(place)
