"""Find the run directories below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CONFIG = "config.yaml"


def is_run(folder: Path) -> bool:
    """Return whether a folder is a run directory."""
    return (folder / CONFIG).is_file()


def runs_below(folder: Path) -> dict[str, Path]:
    """Return the run directories below a folder in alphabetical order, keyed by their relative paths with slashes."""
    return {run.relative_to(folder).as_posix(): run for run in sorted(_walk(folder))}


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if CONFIG in files and Path(place) != folder:
            folders.clear()  # folders inside a run belong to that run
            yield Path(place)
