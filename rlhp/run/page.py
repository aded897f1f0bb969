"""The address of a run's page, its token, and its lock; they let the training print links and open tabs survive a restart."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from rlhp.atomic import replacing
from rlhp.run.keys import key_of
from rlhp.run.lock import lock, locked
from rlhp.types import UserError

SERVED, LOCK = "page.json", "page.lock"
OWNER = "(owner)"  # label of the owner's link; not a valid annotator name


@dataclass(frozen=True, slots=True)
class Served:
    """A page, and the token that opens it for the run's owner; `beside`: whether a training started it."""

    host: str
    port: int
    token: str
    pid: int
    beside: bool
    root: str = ""  # path of the page below its host, such as /runs/NAME
    public: str = ""  # address of a proxy in front of it, without a trailing slash
    wanted: int = 0  # the port that was asked for; `port` is another one if it was taken, or if any free one was wanted (0)

    def address(self, annotator: str | None = None, path: str = "/") -> str:
        """The address to open in a browser: the owner's, or an annotator's, whose key opens the page only under their name."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else f"[{self.host}]" if ":" in self.host else self.host
        query = (
            f"annotator={quote(annotator)}&token={quote(key_of(self.token, annotator))}" if annotator else f"token={self.token}"
        )
        return f"{self.public or f'http://{host}:{self.port}'}{quote(self.root)}{path}?{query}"


def links(page: Served, annotators: Sequence[str]) -> list[str]:
    """The addresses to open in a browser, one per line: the owner's, then each annotator's."""
    width = max(map(len, (OWNER, *annotators))) + 1
    whose = {OWNER: page.address(), **{name: page.address(name) for name in annotators}}
    return [f"{name + ':':<{width}} {address}" for name, address in whose.items()] if annotators else [page.address()]


def served(run: Path) -> Served | None:
    """The page of this run; None if no process serves it now, or the process has not announced it yet."""
    if not locked(run / LOCK):
        return None
    page, holder = last_served(run), (run / LOCK).read_text()
    return page if page is not None and holder == str(page.pid) else None  # otherwise an earlier process announced the page


def last_served(run: Path) -> Served | None:
    """The page as last announced, by a process that may have ended; None if there is none."""
    try:
        return Served(**json.loads((run / SERVED).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def new_token() -> str:
    """A random secret."""
    return secrets.token_urlsafe(24)


@contextmanager
def serving(run: Path) -> Iterator[bool]:
    """Hold the lock of the page; yields whether this process got it, that is, whether no other process serves the run.

    The system releases the lock however the process ends. Raises UserError if the directory is not writable.
    """
    try:
        file = (run / LOCK).open("a")
    except OSError as error:
        raise UserError(
            f"{run} is not writable ({error.strerror}), and answers are stored there: make it writable, or annotate a copy."
        ) from error
    with file:
        acquired = lock(file)
        if acquired:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield acquired


def held(run: Path) -> bool:
    """Whether a process serves this run, is starting to, or is ending: a page that starts now finds the lock taken."""
    return locked(run / LOCK)


def dismiss(run: Path) -> None:
    """Record, while `serving`, that a user ended the page, so that it is not restarted as after a crash."""
    (run / LOCK).write_text("")


def dismissed(run: Path) -> bool:
    """Whether no page is served because a user ended the last one."""
    return not locked(run / LOCK) and (run / LOCK).is_file() and (run / LOCK).read_text() == ""


def recall(run: Path) -> None:
    """Clear the record that a user ended the page, so that pages started from now on are restarted after a crash."""
    if dismissed(run):
        with serving(run):
            pass  # now this process is the last one that held the lock


def announce(run: Path, page: Served) -> None:
    """Write the address of the page, readable only by its owner, because the token lets anyone answer."""
    with replacing(run / SERVED) as draft:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(page)) + "\n")
