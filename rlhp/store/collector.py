"""Collects the answers of a store as the data set of the reward model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from sqlite3 import Connection

import numpy as np

from rlhp.store.codec import Answered, ComparisonBuilder, Source, decode_answer
from rlhp.store.connection import Database
from rlhp.store.queries import Queries, Version
from rlhp.store.undo_window import RESTS
from rlhp.types import Array, Comparisons

_UsedAnswer = tuple[int, str, str | None, float | None, str]  # query id, teacher, ranks, rating, source

_NEW = "FROM answer WHERE taken_step IS NULL AND round = 0"
_STAMP = f"""
UPDATE answer SET taken_step = :step WHERE taken_step IS NULL AND round = 0 AND NOT ({RESTS})
RETURNING query, teacher, ranks, rating, source
"""

_FLAGGED = "SELECT query, teacher FROM answer WHERE flagged AND round = 0"


class Collector:
    """The comparisons of a database, which grow by the answers whose undo window is over; they stay in memory."""

    def __init__(self, database: Database, queries: Queries) -> None:
        self._database, self._queries = database, queries
        self.clear()

    def clear(self) -> None:
        """Drop everything that is cached in memory."""
        self._builder = ComparisonBuilder()
        self._row_keys: list[tuple[int, str]] = []  # query id and teacher of each comparison
        self._comparisons: Comparisons | None = None
        self._version: Version | None = None

    def collect(self, step: int, undo_window: Callable[[], Mapping[str, float]]) -> Comparisons:
        """`Store.collect`; `undo_window` returns the SQL parameters of the undo window at the present time."""
        with self._database.reading() as db:
            version = self._database.version()
            if version != self._version or self._comparisons is None:
                answered = _used_before(db) if self._comparisons is None else []
                answered += self._stamp(step, undo_window())
                if answered or self._comparisons is None:
                    self._comparisons = self._extend(db, answered)
                self._comparisons = self._comparisons.marked(self._flagged(db))
                # the version before stamping: the next call finds answers that arrived meanwhile or are in their undo window
                self._version = None if _any(db, f"SELECT 1 {_NEW}") else version
            return self._comparisons

    def _stamp(self, step: int, rest: Mapping[str, float]) -> list[_UsedAnswer]:
        """Stamp new answers whose undo window is over, and return them sorted by query."""
        with self._database.reading() as db:
            if not _any(db, f"SELECT 1 {_NEW} AND NOT ({RESTS})", rest):
                return []
        with self._database.writing() as db:
            return sorted(db.execute(_STAMP, {"step": step, **rest}).fetchall(), key=lambda row: row[:2])

    def _extend(self, db: Connection, answered: list[_UsedAnswer]) -> Comparisons:
        found = self._queries.read(db, dict.fromkeys(id for id, *_ in answered))
        asked = {query.id: (query, names) for query, names in found}
        always_kept = {id for id, *_, source in answered if source == Source.DEMONSTRATION}
        given = [Answered(*asked[id], decode_answer(ranks, rating), who) for id, who, ranks, rating, _ in answered]
        self._builder.extend(given, always_kept)
        self._row_keys += [(each.query.id, str(each.annotator)) for each in given if not each.answer.unsure]
        return self._builder.comparisons()

    def _flagged(self, db: Connection) -> Array:
        """Which comparisons are flagged by their annotators, [n] bool."""
        flagged = set(db.execute(_FLAGGED).fetchall())
        return np.array([row in flagged for row in self._row_keys] if flagged else np.zeros(len(self._row_keys)), bool)


def resting(db: Connection, rest: Mapping[str, float]) -> int:
    """The number of queries that are answered, but an answer can still be undone."""
    return db.execute(f"SELECT COUNT(DISTINCT query) {_NEW} AND ({RESTS})", rest).fetchone()[0]


def _any(db: Connection, sql: str, parameters: Mapping[str, float] | None = None) -> bool:
    return db.execute(sql, parameters or {}).fetchone() is not None


def _used_before(db: Connection) -> list[_UsedAnswer]:
    """The answers that were collected by a Store opened earlier."""
    sql = "SELECT query, teacher, ranks, rating, source FROM answer WHERE taken_step IS NOT NULL"
    return db.execute(f"{sql} ORDER BY taken_step, query, teacher").fetchall()
