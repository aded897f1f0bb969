"""A cache of what is read from a run's files, refreshed when they change."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from typing import Any


def changed(path: Path) -> tuple[int, int]:
    """Return the modification time in ns and the size in bytes, which change when a file is written; zeros if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def read_whole(path: Path) -> tuple[tuple[int, int], bytes] | None:
    """Return a file's `changed` and content, which belong together even if it is replaced meanwhile; None if it is missing."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            return (status.st_mtime_ns, status.st_size), file.read()
    except OSError:
        return None


class FileCache:
    """A thread-safe cache that keeps the last result of each `key` as long as its `version` is the same."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, Lock] = {}  # one per key: a slow `read` delays no other key
        self._results: dict[Hashable, tuple[object, Any]] = {}

    def __call__(self, key: Hashable, version: object, read: Callable[[], Any]) -> Any:
        """Return the cached result for `key` and `version`; call `read` if there is none."""
        with self._locks.setdefault(key, Lock()):
            known = self._results.get(key)
            if known is None or known[0] != version:
                known = self._results[key] = version, read()
            return known[1]
