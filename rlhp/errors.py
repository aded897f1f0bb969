"""What an error means to the user, in one sentence, whatever library raised it or wrapped it."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from rlhp.types import UserError

LONG = "{error}: a name is longer than this disk takes; give a shorter one"
FULL = "the disk is full: {error}; free some space and run the same command again, it goes on from the last checkpoint"
CLOSED = "no access: {error}; change the permissions of that file or folder, or work on a copy of the run in a folder of yours"
FULL_MARKS = ("No space left on device", "database or disk is full")
CLOSED_MARKS = ("(os error 1)", "(os error 13)", "(os error 30)", "attempt to write a readonly database")


def sentence(error: BaseException) -> str | None:
    """What to tell the user; None where the fault is ours. Looks through what libraries wrap around an error."""
    return next((told for link in _chain(error) if (told := _told(link))), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it, each once: other people's code may close the chain to a circle."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__


def _told(error: BaseException) -> str | None:
    """The sentence that one error stands for, if it is the user's to mend."""
    text = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else str(error)
    code = error.errno if isinstance(error, OSError) else None
    # SQLite and safetensors report these in errors of their own
    if code in (errno.ENOSPC, errno.EDQUOT) or any(mark in text for mark in FULL_MARKS):
        return FULL.format(error=text)
    if code in (errno.EACCES, errno.EPERM, errno.EROFS) or any(mark in text for mark in CLOSED_MARKS):
        return CLOSED.format(error=text)
    if code == errno.ENAMETOOLONG:
        return LONG.format(error=text)
    return text if isinstance(error, UserError) else None
