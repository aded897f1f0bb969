"""Whether a file is an intact store: its pages, its columns, and what stands in its rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from sqlite3 import Connection
from typing import Any

from rlhp.store.codec import Source
from rlhp.store.migrate import added

_FIRST = 1  # the oldest version, without leases
_MOST = 2**63  # what an integer of SQLite's stays below
_SOURCES = frozenset(map(str, Source))


def sound(db: Connection, version: int) -> bool:
    """Whether pages, indices, questions and answers are those of a store of this version: all that a writer builds on.

    All but the clips' content, which is checked where a clip is read. Raises sqlite3.DatabaseError where pages, tables or
    columns are not there.
    """
    return db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",) and _rows_sound(db, version)


def readable(db: Connection, version: int) -> bool:
    """The same without the content of the indices, in half the time: for whoever reads once, and writes nothing."""
    return db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",) and _rows_sound(db, version)


def _rows_sound(db: Connection, version: int) -> bool:
    try:
        return db.execute("PRAGMA foreign_key_check").fetchone() is None and _columns_sound(db, version)
    except (KeyError, TypeError, ValueError, RecursionError):  # no such question, or no list of clips or ranks
        return False


def _columns_sound(db: Connection, version: int) -> bool:
    clips = {id for (id,) in db.execute("SELECT id FROM segment")}
    queries = db.execute("SELECT id, segments, asked_step FROM query").fetchall()
    sizes = {id: _size(segments, clips) for id, segments, _ in queries}
    answers = "SELECT query, ranks, teacher, {round}, {swapped}, shown_at, answered_at, taken_step, {source} FROM answer"
    leases = "SELECT query, annotator, round, since, until FROM lease" if version > _FIRST else "SELECT 1 WHERE 0"
    return (
        all(sizes[id] >= 2 and is_count(step) for id, _, step in queries)
        and all(
            _ranks(ranks, sizes[query]) and _all(_ANSWER, rest)
            for query, ranks, *rest in db.execute(answers.format(**added(version)))
        )
        and all(query in sizes and _all(_HELD, rest) for query, *rest in db.execute(leases))
    )


def _size(segments: str, clips: set[str]) -> int:
    """How many clips a question has; 0 where there is no such clip."""
    named = _list(segments)
    return len(named) if clips.issuperset(named) else 0


def _ranks(ranks: str | None, size: int) -> bool:
    given = None if ranks is None else _list(ranks)
    return given is None or (len(given) == size and all(type(rank) is int for rank in given))


def _list(text: str) -> list[Any]:
    found: list[Any] | None = json.loads(text)
    if not isinstance(found, list):
        raise ValueError(text)
    return found


def _text(value: Any) -> bool:
    return isinstance(value, str)


def is_count(value: Any) -> bool:
    """Whether a value is a number of questions, steps or the like: an integer that SQLite can hold, 0 or more."""
    return type(value) is int and 0 <= value < _MOST


def is_time(value: Any) -> bool:
    """Whether a value is a moment, in seconds since 1970."""
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
)
_HELD: tuple[_Holds, ...] = (_text, is_count, is_time, is_time)


def _all(columns: tuple[_Holds, ...], row: list[Any]) -> bool:
    return all(holds(value) for holds, value in zip(columns, row, strict=True))
