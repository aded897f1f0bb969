"""Checks that a file is an intact store: its pages, columns and rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from sqlite3 import Connection
from typing import Any

from rlhp.feedback import KINDS
from rlhp.store.codec import Source, decode_answer
from rlhp.store.migrate import added

_FIRST = 1  # the oldest version, which has no lease table
_INTEGER_LIMIT = 2**63  # SQLite's integers are smaller
_SOURCES = frozenset(map(str, Source))


def is_intact(db: Connection, version: int) -> bool:
    """Whether pages, indices, queries and answers are those of a store of this version.

    This covers everything a writer relies on except the content of clips, which is checked when a clip is read. Raises
    sqlite3.DatabaseError if pages, tables or columns are missing.
    """
    return db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",) and _rows_sound(db, version)


def is_readable(db: Connection, version: int) -> bool:
    """The same check without the content of the indices, in half the time, for readers."""
    return db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",) and _rows_sound(db, version)


def _rows_sound(db: Connection, version: int) -> bool:
    try:
        return db.execute("PRAGMA foreign_key_check").fetchone() is None and _columns_sound(db, version)
    except (KeyError, TypeError, ValueError, RecursionError):  # a query is missing, or clips or ranks are not lists
        return False


def _columns_sound(db: Connection, version: int) -> bool:
    clips = {id for (id,) in db.execute("SELECT id FROM segment")}
    columns = added(version)
    queries = db.execute(f"SELECT id, segments, asked_step, {columns['kind']} FROM query").fetchall()
    asked = {id: (_size(segments, clips), kind) for id, segments, _, kind in queries}
    answers = """SELECT query, ranks, {rating}, teacher, {round}, {swapped}, shown_at, answered_at, taken_step, {source},
                 {flagged} FROM answer"""
    leases = "SELECT query, annotator, round, since, until FROM lease" if version > _FIRST else "SELECT 1 WHERE 0"
    return (
        all(_question(*asked[id]) and is_count(step) for id, _, step, _ in queries)
        and all(
            _answer(ranks, rating, *asked[query]) and _all(_ANSWER, rest)
            for query, ranks, rating, *rest in db.execute(answers.format(**columns))
        )
        and all(query in asked and _all(_HELD, rest) for query, *rest in db.execute(leases))
    )


def _size(segments: str, clips: set[str]) -> int:
    """The number of clips of a query; 0 if one of them is missing."""
    named = _list(segments)
    return len(named) if clips.issuperset(named) else 0


def _question(size: int, kind: str) -> bool:
    """Whether a query has enough clips; the maximum is not checked, because older stores hold longer rankings."""
    return KINDS[kind].fewest <= size


def _answer(ranks: str | None, rating: Any, size: int, kind: str) -> bool:
    if ranks is not None:
        given = _list(ranks)
        return rating is None and size > 1 and len(given) == size and all(type(rank) is int for rank in given)
    return rating is None or (
        type(rating) is float and KINDS[kind].admits(decode_answer(None, rating), size) and 0 <= rating <= 1
    )


def _list(text: str) -> list[Any]:
    found: list[Any] | None = json.loads(text)
    if not isinstance(found, list):
        raise ValueError(text)
    return found


def _text(value: Any) -> bool:
    return isinstance(value, str)


def is_count(value: Any) -> bool:
    """Whether a value is a count of queries, steps or the like: a non-negative integer that SQLite can store."""
    return type(value) is int and 0 <= value < _INTEGER_LIMIT


def is_time(value: Any) -> bool:
    """Whether a value is a time in seconds since 1970."""
    return type(value) is float and math.isfinite(value)


_Holds = Callable[[Any], bool]
_ANSWER: tuple[_Holds, ...] = (
    _text,
    is_count,
    lambda swapped: swapped in (0, 1),
    lambda shown_at: shown_at is None or is_time(shown_at),
    is_time,
    lambda taken_step: taken_step is None or is_count(taken_step),
    _SOURCES.__contains__,
    lambda flagged: flagged in (0, 1),
)
_HELD: tuple[_Holds, ...] = (_text, is_count, is_time, is_time)


def _all(columns: tuple[_Holds, ...], row: list[Any]) -> bool:
    return all(holds(value) for holds, value in zip(columns, row, strict=True))
