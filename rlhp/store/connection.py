"""The SQLite connection of a store, and user-facing messages for its errors."""

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

MIN_FREE = 2**16  # bytes; with less the disk counts as full
RETRY = 0.01  # seconds between attempts where SQLite does not wait by itself
SCHEMA = Path(__file__).with_name("schema.sql").read_text("utf-8")


class Database:
    """The store's file, open for reading and writing; threads may share it.

    Every method raises UserError if the file is damaged, locked for longer than `timeout` seconds, or the disk is full.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self.path = path
        self._lock = RLock()
        self._connection = connect(path, timeout)

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection, None, None]:
        """The connection, locked for this thread."""
        with self._lock, explained(self.path):
            yield self._connection

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection, None, None]:
        """The connection, in a transaction that holds the write lock from its start, so that its reads stay valid."""
        with self.reading() as db, transaction(db):
            yield db

    @contextmanager
    def snapshot(self) -> Generator[sqlite3.Connection, None, None]:
        """The connection, in a read transaction: all reads see the same state."""
        with self.reading() as db, snapshot(db):
            yield db

    def version(self) -> tuple[int, int]:
        """The version of the content, which changes with every write, of any process.

        It is thirty times cheaper than a count, so a rollout without new answers costs almost nothing.
        """
        with self.reading() as db:
            return _number(db, "PRAGMA data_version"), db.total_changes

    def sync(self) -> None:
        """Make everything committed durable: it survives a power failure once this returns.

        Copies the log into the file as far as readers allow, and flushes the rest of the log to the disk. It does not block
        others.
        """
        with self.reading() as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            # not the file itself: closing it here would release SQLite's locks on it (POSIX), and the checkpoint flushes it
            with suppress(FileNotFoundError):  # some disks do not support the log; each write flushes then
                _flush(self.path.with_name(f"{self.path.name}-wal"))
            _flush(self.path.parent)

    def close(self) -> None:
        """Close the file; everything written remains."""
        self._connection.close()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def explained(path: Path) -> Generator[None, None, None]:
    """Raise UserError for errors that the user can fix; others are bugs and propagate."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise UserError(_explanation(path, str(error))) from error
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.InterfaceError):
        raise
    except sqlite3.DatabaseError as error:
        raise UserError(damaged(path)) from error


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """Connect to the store at `path`; creates it if it does not exist, and migrates it if it is older.

    Waits up to `timeout` seconds for locks; WAL lets the page read while the loop writes. Raises UserError unless the file is an
    intact store, including every query and answer; clips are checked when they are read.
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
    """A read-only connection to an intact store; a store of an older version is not migrated."""
    with open_unchecked(path) as db:
        _check(db, path, is_readable)
        yield db


@contextmanager
def open_unchecked(path: Path) -> Generator[sqlite3.Connection, None, None]:
    """A read-only connection to a store whose content is not checked."""
    missing = f"There is no preference store in {path.parent}: give the directory of a run that has asked for comparisons."
    if not path.is_file():
        raise UserError(missing)
    with explained(path):
        db = _open_readonly(path)
        try:
            if _empty(db):  # another process is creating it
                raise UserError(missing)
            yield db
        finally:
            db.close()


def copy(source: Path, target: Path) -> None:
    """Copy a consistent snapshot of an intact store, including its log, into a new file.

    Raises UserError if there is no store.
    """
    with reading(source) as db, explained(target):
        destination = sqlite3.connect(target)
        try:
            db.backup(destination)
        finally:
            destination.close()


def version_of(path: Path) -> int:
    """The version of the store at `path`, without a check of its content. Raises UserError if there is no store."""
    with open_unchecked(path) as db:
        return _known_version(db, path)


def schema_version(db: sqlite3.Connection) -> int:
    """The version of the open store; 0 before it is created."""
    return _number(db, "PRAGMA user_version")


def _prepare(db: sqlite3.Connection, path: Path, timeout: float) -> None:
    """Check the content of the file before writing; leaves a file of another program unchanged."""
    if _empty(db):
        _create(db)
    if _check(db, path, is_intact) < VERSION:
        _migrate(db)
    _enable_wal(db, timeout)
    db.execute(
        "PRAGMA synchronous = NORMAL"
    )  # with WAL: a killed process loses nothing, and `sync` protects from a power failure


def _empty(db: sqlite3.Connection) -> bool:
    with snapshot(db):
        return schema_version(db) == 0 and _number(db, "SELECT COUNT(*) FROM sqlite_master") == 0


def _create(db: sqlite3.Connection) -> None:
    """Create tables and version in one transaction, unless another process was first."""
    with transaction(db):
        if _number(db, "SELECT COUNT(*) FROM sqlite_master") == 0:
            for statement in [*statements(SCHEMA), f"PRAGMA user_version = {VERSION}"]:
                db.execute(statement)


def _migrate(db: sqlite3.Connection) -> None:
    """Migrate in one transaction, unless another process was first."""
    with transaction(db):
        for statement in [*steps(schema_version(db), SCHEMA), f"PRAGMA user_version = {VERSION}"]:
            db.execute(statement)


def _enable_wal(db: sqlite3.Connection, timeout: float) -> None:
    """Switch to WAL. While another process uses the file, SQLite refuses at once, whatever its timeout, so this retries."""
    end = time.monotonic() + timeout
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL").fetchone()
            db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # completes the change; without it `sync` fails
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(RETRY)


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None, None, None]:
    """An atomic transaction that holds the write lock from its start, so that its reads stay valid."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite rolls back by itself if the disk is full
            db.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(db: sqlite3.Connection) -> Generator[None, None, None]:
    """A read transaction: all reads see the same state."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _check(db: sqlite3.Connection, path: Path, is_sound: Callable[[sqlite3.Connection, int], bool]) -> int:
    """The version of a store whose content passes `is_sound`."""
    with snapshot(db):
        version = _known_version(db, path)
        if not is_sound(db, version):
            raise UserError(damaged(path))
        return version


def _known_version(db: sqlite3.Connection, path: Path) -> int:
    """The version of a store, if this rlhp can open it."""
    version = schema_version(db)
    if version > VERSION:
        newer = f"{path} was written by a newer rlhp (store version {version}, this one supports {VERSION})"
        raise UserError(f"{newer}: update rlhp to open it.")
    if version < 1:  # another program's database
        raise UserError(damaged(path))
    return version


def _open_readonly(path: Path) -> sqlite3.Connection:
    """Open read-only. Without write access to the directory WAL needs `immutable`, which is safe for a run that has ended."""
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
    """The error message for a file that is not an intact store."""
    return f"{path} is not a preference store, or it is damaged: move it away to start without it, or restore a copy of it."


def _explanation(path: Path, error: str) -> str:
    # SQLite reports an input/output error if not even the first page of its log fits
    if "full" in error or ("I/O" in error and shutil.disk_usage(path.parent).free < MIN_FREE):
        return f"The disk of {path} is full: free some space, then resume the run; no stored data is lost."
    if "locked" in error:
        return f"{path} is locked by another process: end it, then resume the run."
    if any(word in error for word in ("malformed", "no such", "mismatch", "decode to UTF-8")):
        return damaged(path)
    return f"{path} cannot be used ({error}): check that its directory is there and can be written to."
