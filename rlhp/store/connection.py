"""One SQLite connection, and what its errors mean to the user."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock

from rlhp.store.integrity import is_intact, is_readable
from rlhp.store.migrate import VERSION, statements, steps
from rlhp.types import UserError

ROOM = 2**16  # bytes: with less the disk is full
RETRY = 0.01  # seconds between attempts at what SQLite does not wait for by itself
SCHEMA = Path(__file__).with_name("schema.sql").read_text("utf-8")


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
        with self.reading() as db, transaction(db):
            yield db

    @contextmanager
    def snapshot(self) -> Generator[sqlite3.Connection, None, None]:
        """The connection, in a transaction in which everything that is read is of one moment."""
        with self.reading() as db, snapshot(db):
            yield db

    def version(self) -> tuple[int, int]:
        """Of the content: differs from an earlier one if anything was written since, by anyone.

        Thirty times cheaper than a count, so that a rollout without news costs next to nothing.
        """
        with self.reading() as db:
            return _number(db, "PRAGMA data_version"), db.total_changes

    def sync(self) -> None:
        """Make everything that is committed durable: it outlives a power cut when this returns.

        The log is copied into the file as far as readers allow, and what is left of it is flushed to the disk. Nobody waits.
        """
        with self.reading() as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            # never the file itself: closing it here would drop SQLite's locks on it (POSIX); the checkpoint flushes it
            with suppress(FileNotFoundError):  # there is no log on a disk where SQLite cannot keep one: each write flushes then
                _flush(self.path.with_name(f"{self.path.name}-wal"))
            _flush(self.path.parent)

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._connection.close()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
    anything but an intact store, each question and answer included; a clip is checked where it is read.
    """
    with explained(path):
        db = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA foreign_keys = ON")
            _prepare(db, path, timeout)
        except BaseException:
            db.close()
            raise
        return db


@contextmanager
def reading(path: Path) -> Generator[sqlite3.Connection, None, None]:
    """A connection that cannot write, to an intact store; it may be of an older version, and stays so."""
    with open_unchecked(path) as db:
        _check(db, path, is_readable)
        yield db


@contextmanager
def open_unchecked(path: Path) -> Generator[sqlite3.Connection, None, None]:
    """The same to a store that nobody has checked."""
    missing = f"There is no preference store in {path.parent}: name the directory of a run that has asked for comparisons."
    if not path.is_file():
        raise UserError(missing)
    with explained(path):
        db = _open_readonly(path)
        try:
            if _empty(db):  # another process is about to make it
                raise UserError(missing)
            yield db
        finally:
            db.close()


def copy(source: Path, target: Path) -> None:
    """Copy an intact store, of one moment, into a file that is not there; what its log holds is in it.

    Raises UserError where there is no store.
    """
    with reading(source) as db, explained(target):
        made = sqlite3.connect(target)
        try:
            db.backup(made)
        finally:
            made.close()


def version_of(path: Path) -> int:
    """The version of the store at `path`, whose content is not looked at. Raises UserError if there is none."""
    with open_unchecked(path) as db:
        return _known_version(db, path)


def schema_version(db: sqlite3.Connection) -> int:
    """The version of the store that is open; 0 before it is made."""
    return _number(db, "PRAGMA user_version")


def _prepare(db: sqlite3.Connection, path: Path, timeout: float) -> None:
    """Check what the file holds before anything is written to it; a foreign file is left as it is."""
    if _empty(db):
        _make(db)
    if _check(db, path, is_intact) < VERSION:
        _migrate(db)
    _log_ahead(db, timeout)
    db.execute("PRAGMA synchronous = NORMAL")  # with WAL: a killed process loses nothing, and `sync` withstands a power cut


def _empty(db: sqlite3.Connection) -> bool:
    with snapshot(db):
        return schema_version(db) == 0 and _number(db, "SELECT COUNT(*) FROM sqlite_master") == 0


def _make(db: sqlite3.Connection) -> None:
    """The tables and the version, in one transaction, unless another process came first."""
    with transaction(db):
        if _number(db, "SELECT COUNT(*) FROM sqlite_master") == 0:
            for statement in [*statements(SCHEMA), f"PRAGMA user_version = {VERSION}"]:
                db.execute(statement)


def _migrate(db: sqlite3.Connection) -> None:
    """All of it or nothing, once, whoever comes first."""
    with transaction(db):
        for statement in [*steps(schema_version(db), SCHEMA), f"PRAGMA user_version = {VERSION}"]:
            db.execute(statement)


def _log_ahead(db: sqlite3.Connection, timeout: float) -> None:
    """WAL; where another process is at the file, SQLite refuses the change at once, whatever its timeout."""
    end = time.monotonic() + timeout
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL").fetchone()
            db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # ends what the change has begun, else `sync` fails
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(RETRY)


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None, None, None]:
    """A transaction that holds the write lock from its start, so that what it has read still holds: all of it or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled back already
            db.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(db: sqlite3.Connection) -> Generator[None, None, None]:
    """A transaction in which everything that is read is of one moment."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _check(db: sqlite3.Connection, path: Path, holds: Callable[[sqlite3.Connection, int], bool]) -> int:
    """The version of a store for whose content `holds`."""
    with snapshot(db):
        version = _known_version(db, path)
        if not holds(db, version):
            raise UserError(damaged(path))
        return version


def _known_version(db: sqlite3.Connection, path: Path) -> int:
    """The version of a store that can be opened here."""
    version = schema_version(db)
    if version > VERSION:
        newer = f"{path} was written by a newer rlhp (store version {version}, here {VERSION})"
        raise UserError(f"{newer}: update rlhp to open it.")
    if version < 1:  # another program's database
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
    return f"{path} is not a preference store, or it is damaged: move it away to start without it, or put back a copy of it."


def _explanation(path: Path, error: str) -> str:
    # where not even the first page of its log fits, SQLite speaks of an input/output error
    if "full" in error or ("I/O" in error and shutil.disk_usage(path.parent).free < ROOM):
        return f"The disk of {path} is full: free some space, then resume the run; nothing that was stored is lost."
    if "locked" in error:
        return f"{path} is locked by another process: end it, then resume the run."
    if any(word in error for word in ("malformed", "no such", "mismatch", "decode to UTF-8")):
        return damaged(path)
    return f"{path} cannot be used ({error}): check that its directory is there and can be written to."
