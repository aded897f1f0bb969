"""User messages for errors, in one sentence, whichever library raised or wrapped the error."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from rlhp.types import UserError

LONG = "{error}: a name is too long for this file system; give a shorter one"
FULL = "the disk is full: {error}; free some space and run the same command again: it resumes from the last checkpoint"
CLOSED = "no access: {error}; change the permissions of that file or folder, or work on a copy of the run in a folder of yours"
FULL_MARKS = ("No space left on device", "database or disk is full")
CLOSED_MARKS = ("(os error 1)", "(os error 13)", "(os error 30)", "attempt to write a readonly database")


def sentence(error: BaseException) -> str | None:
    """The message for the user, or None for a bug. Also looks at the causes, since libraries wrap errors."""
    return next((message for link in _chain(error) if (message := _message(link))), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes, each once, since other code may create a cyclic chain."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__


def _message(error: BaseException) -> str | None:
    """The message for a single error, if the user can fix it."""
    text = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else str(error)
    code = error.errno if isinstance(error, OSError) else None
    # SQLite and safetensors report these with their own error classes
    if code in (errno.ENOSPC, errno.EDQUOT) or any(mark in text for mark in FULL_MARKS):
        return FULL.format(error=text)
    if code in (errno.EACCES, errno.EPERM, errno.EROFS) or any(mark in text for mark in CLOSED_MARKS):
        return CLOSED.format(error=text)
    if code == errno.ENAMETOOLONG:
        return LONG.format(error=text)
    return text if isinstance(error, UserError) else None
