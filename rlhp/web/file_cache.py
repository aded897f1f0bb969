"""What was read of a run, to be read again when it has changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from typing import Any


def changed(path: Path) -> tuple[int, int]:
    """What differs from an earlier one if a file was written since; zeros where there is none."""
    try:
        there = path.stat()
    except OSError:
        return 0, 0
    return there.st_mtime_ns, there.st_size


class FileCache:
    """Remembers the last result by `key`, as long as its `version` is the same; threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._there: dict[Hashable, tuple[object, Any]] = {}

    def __call__(self, key: Hashable, version: object, read: Callable[[], Any]) -> Any:
        """What `read` returns, or did at this version."""
        with self._lock:
            known = self._there.get(key)
            if known is None or known[0] != version:
                known = self._there[key] = version, read()
            return known[1]
