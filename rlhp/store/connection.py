"""One SQLite connection, and what its errors mean to the user."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from rlhp.store.migrate import VERSION, steps
from rlhp.types import UserError

ROOM = 2**16  # bytes: with less the disk is full
SCHEMA = Path(__file__).with_name("schema.sql")
TABLES = {1: {"segment", "query", "answer"}, 2: {"segment", "query", "answer", "lease"}}  # by version


class Database:
    """The store's file, open for reading and writing; threads may share it.

    Everything raises UserError if the file is damaged, locked for longer than `timeout` seconds, or the disk is full.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path
        self._lock = RLock()
        self._connection = connect(path, timeout)

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection, None, None]:
        """The connection, this thread's alone."""
        with self._lock, explained(self.path):
            yield self._connection

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection, None, None]:
        """The connection, in a transaction that holds the write lock from its start, so that what it has read still holds."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # a full disk has rolled back already
                    db.execute("ROLLBACK")
                raise

    def version(self) -> tuple[int, int]:
        """Of the content: differs from an earlier one if anything was written since, by anyone.

        Thirty times cheaper than a count, so that a rollout without news costs next to nothing.
        """
        with self.reading() as db:
            return _number(db, "PRAGMA data_version"), db.total_changes

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._connection.close()


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
    """A connection to the store at `path`, made if it is not there, brought to this version if it is older.

    Locks are waited for `timeout` seconds; WAL lets the page read while the loop writes. Raises UserError if the file is
    anything but an intact store.
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
    """A connection that cannot write, to the store of another run; it may be of an older version, and stays so."""
    if not path.is_file():
        raise UserError(f"There is no preference store at {path}: give the path of a run's preferences.sqlite.")
    with explained(path):
        db = _open_readonly(path)
        try:
            _check(db, path)
            yield db
        finally:
            db.close()


def version_of(path: Path) -> int:
    """The version of the store at `path`; the file is only read. Raises UserError if there is no intact store."""
    with reading(path) as db:
        return _number(db, "PRAGMA user_version")


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Check what the file holds before anything is written to it; a foreign file is left as it is."""
    if _number(db, "PRAGMA user_version") == 0 and _number(db, "SELECT COUNT(*) FROM sqlite_master") == 0:
        db.execute("PRAGMA journal_mode = WAL")
        # safe to run twice, should another process have come first
        db.executescript(f"BEGIN IMMEDIATE; {SCHEMA.read_text('utf-8')}; PRAGMA user_version = {VERSION}; COMMIT;")
    if _check(db, path) < VERSION:
        _migrate(db)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")  # with WAL: a killed process loses nothing


def _migrate(db: sqlite3.Connection) -> None:
    """All of it or nothing, once, whoever comes first."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in steps(_number(db, "PRAGMA user_version"), SCHEMA.read_text("utf-8")):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _check(db: sqlite3.Connection, path: Path) -> int:
    """The version of an intact store."""
    version = _number(db, "PRAGMA user_version")
    if version > VERSION:
        raise UserError(f"{path} was written by a newer rlhp (store version {version}, here {VERSION}): update rlhp to open it.")
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version not in TABLES or not TABLES[version] <= there or db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise UserError(damaged(path))
    return version


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
    # where not even the first page of its log fits, SQLite speaks of an input/output error
    if "full" in error or ("I/O" in error and shutil.disk_usage(path.parent).free < ROOM):
        return f"The disk of {path} is full: free some space, then resume the run; nothing that was stored is lost."
    if "locked" in error:
        return f"{path} is locked by another process: end it, then resume the run."
    if "malformed" in error or "no such" in error:
        return damaged(path)
    return f"{path} cannot be used ({error}): check that its directory is there and can be written to."
