"""Where the page of a run is served: what the training says to people, and what lets open tabs live through a restart."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from rlhp.run.keys import key_of
from rlhp.run.lock import lock, locked
from rlhp.types import UserError

SERVED, LOCK = "page.json", "page.lock"
OWNER = "(owner)"  # where names of annotators stand: it is none of them


@dataclass(frozen=True, slots=True)
class Served:
    """A page, and the token that opens it to the run's owner; `beside`: a training has started it."""

    host: str
    port: int
    token: str
    pid: int
    beside: bool
    root: str = ""  # where the page lies below its host, as /runs/NAME
    public: str = ""  # the address of a proxy in front of it, without a slash at its end

    def address(self, annotator: str | None = None, path: str = "/") -> str:
        """What to open in a browser: the owner's link, or an annotator's, whose key opens the page under their name alone."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else f"[{self.host}]" if ":" in self.host else self.host
        query = (
            f"annotator={quote(annotator)}&token={quote(key_of(self.token, annotator))}" if annotator else f"token={self.token}"
        )
        return f"{self.public or f'http://{host}:{self.port}'}{quote(self.root)}{path}?{query}"


def links(page: Served, annotators: Sequence[str]) -> list[str]:
    """What to open in a browser, a line each: the owner's link, then each annotator's."""
    width = max(map(len, (OWNER, *annotators))) + 1
    whose = {OWNER: page.address(), **{name: page.address(name) for name in annotators}}
    return [f"{name + ':':<{width}} {address}" for name, address in whose.items()] if annotators else [page.address()]


def served(run: Path) -> Served | None:
    """The page of this run; None if no process serves it now, or the one that will has not come as far."""
    if not locked(run / LOCK):
        return None
    page, holder = last_served(run), (run / LOCK).read_text()
    return page if page is not None and holder == str(page.pid) else None  # else the page is an earlier process's


def last_served(run: Path) -> Served | None:
    """The page as it was served last, by a process that may have ended; None if it never was."""
    try:
        return Served(**json.loads((run / SERVED).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def new_token() -> str:
    """A secret that nobody guesses."""
    return secrets.token_urlsafe(24)


@contextmanager
def serving(run: Path) -> Iterator[bool]:
    """Hold the page's lock meanwhile; yields whether this process got it, that is, whether nobody else serves the run.

    The system releases the lock however the process ends. Raises UserError if the directory cannot be written to.
    """
    try:
        file = (run / LOCK).open("a")
    except OSError as error:
        raise UserError(
            f"{run} cannot be written to ({error.strerror}), and answers are stored there: make it writable, or label a copy."
        ) from error
    with file:
        alone = lock(file)
        if alone:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield alone


def held(run: Path) -> bool:
    """Whether some process serves this run, is about to, or is about to end: a page that starts now finds the lock taken."""
    return locked(run / LOCK)


def dismiss(run: Path) -> None:
    """Record, while `serving`, that somebody told the page to end, as opposed to a page that died: it is not started again."""
    (run / LOCK).write_text("")


def dismissed(run: Path) -> bool:
    """Whether no page is served because somebody told the last one to end."""
    return not locked(run / LOCK) and (run / LOCK).is_file() and (run / LOCK).read_text() == ""


def recall(run: Path) -> None:
    """Forget that somebody told the last page to end: a page that is started from now on is started again when it dies."""
    if dismissed(run):
        with serving(run):
            pass  # which leaves this process as the last one to have held the lock


def announce(run: Path, page: Served) -> None:
    """Write down where the page is; for its owner's eyes alone, as the token lets anyone answer."""
    draft = run / f"{SERVED}.draft"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps(asdict(page)) + "\n")
    draft.replace(run / SERVED)
