"""Files that are replaced as a whole: a reader sees the old content or the new, never a part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"  # suffix of drafts; a process that is killed leaves one


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a draft in the same folder; it replaces `path` when the context ends without an error.

    The draft's name contains the process id, so that several processes may write the same file.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
