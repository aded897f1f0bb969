"""One SQLite connection, and what its errors mean to the user."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rlhp.types import UserError

VERSION = 1
SCHEMA = Path(__file__).with_name("schema.sql")


@contextmanager
def explained(path: Path) -> Generator[None, None, None]:
    """Errors that the user can mend as UserError; others are our own mistakes and pass."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise UserError(_explanation(path, str(error))) from error
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.InterfaceError):
        raise
    except sqlite3.DatabaseError as error:
        raise UserError(damaged(path)) from error


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """A connection to the store at `path`, made if it is not there; locks are waited for `timeout` seconds.

    WAL lets the page read while the loop writes. Raises UserError if the file is anything but an intact store.
    """
    with explained(path):
        db = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA foreign_keys = ON")
            _prepare(db, path)
        except BaseException:
            db.close()
            raise
        return db


@contextmanager
def reading(path: Path) -> Generator[sqlite3.Connection, None, None]:
    """A connection that cannot write, to the store of another run."""
    if not path.is_file():
        raise UserError(f"There is no preference store at {path}: give the path of a run's preferences.sqlite.")
    with explained(path):
        db = _open_readonly(path)
        try:
            _check(db, path)
            yield db
        finally:
            db.close()


@contextmanager
def writing(db: sqlite3.Connection) -> Generator[None, None, None]:
    """A transaction that holds the write lock from its start, so that what it has read still holds when it writes."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled back already
            db.execute("ROLLBACK")
        raise


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Check what the file holds before anything is written to it; a foreign file is left as it is."""
    if _number(db, "PRAGMA user_version") == 0 and _number(db, "SELECT COUNT(*) FROM sqlite_master") == 0:
        db.execute("PRAGMA journal_mode = WAL")
        # safe to run twice, should another process have come first
        db.executescript(f"BEGIN IMMEDIATE; {SCHEMA.read_text('utf-8')}; PRAGMA user_version = {VERSION}; COMMIT;")
    _check(db, path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")  # with WAL: a killed process loses nothing


def _check(db: sqlite3.Connection, path: Path) -> None:
    version = _number(db, "PRAGMA user_version")
    if version > VERSION:
        raise UserError(f"{path} was written by a newer rlhp (store version {version}, here {VERSION}): update rlhp to open it.")
    tables = _number(db, "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('segment', 'query', 'answer')")
    if version != VERSION or tables != 3 or db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise UserError(damaged(path))


def _open_readonly(path: Path) -> sqlite3.Connection:
    """Without write access to the directory WAL needs `immutable`, which is right for a run that has ended."""
    uri = path.resolve().as_uri()
    db = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=30)
    try:
        db.execute("SELECT COUNT(*) FROM sqlite_master")
        return db
    except sqlite3.OperationalError:
        db.close()
        return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True)


def _number(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0])


def damaged(path: Path) -> str:
    """What to tell the user of a file that is no intact store."""
    return f"{path} is not a preference store, or it is damaged: move it away to start anew, or put back a copy of it."


def _explanation(path: Path, error: str) -> str:
    if "full" in error:
        return f"The disk of {path} is full: free some space, then resume the run; nothing that was stored is lost."
    if "locked" in error:
        return f"{path} is locked by another process: end it, then resume the run."
    if "malformed" in error or "no such" in error:
        return damaged(path)
    return f"{path} cannot be used ({error}): check that its directory is there and can be written to."
