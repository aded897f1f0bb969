"""Answers as records: read from a store, and written into one that holds the same questions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from rlhp.store.codec import decode, decode_ranks, encode_ranks
from rlhp.store.connection import Database, damaged, reading
from rlhp.types import Answer, Segment, UserError

_ADDED = "round, swapped"  # by version 2
_SELECT = """
SELECT query, segments, teacher, {added}, ranks, shown_at, answered_at, taken_step
FROM answer JOIN query ON query.id = query ORDER BY query, teacher, 4
"""

_FIND = """
SELECT ranks, swapped, shown_at, answered_at, taken_step FROM answer WHERE query = ? AND teacher = ? AND round = ?
"""

_INSERT = """
INSERT INTO answer (query, teacher, round, ranks, swapped, shown_at, answered_at, taken_step) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class Label:
    """One answer, with all that a store knows of it; the columns of `schema.sql`.

    `ranks` follow the order of `clips` whatever was shown; `swapped`: it was shown the other way round.
    """

    query: int
    clips: tuple[str, ...]  # digests of the clips' content
    annotator: str  # human:NAME where a person answered
    round: int  # 0, or 1 where the same person was asked once more
    ranks: tuple[int, ...] | None  # None: cannot tell
    swapped: bool
    shown_at: float | None  # seconds since 1970
    answered_at: float
    taken_step: int | None  # the step at which the reward model first saw it

    def answer(self) -> Answer:
        """What was said."""
        return Answer(self.ranks)


def labels(path: Path) -> list[Label]:
    """All answers of a store, in order of question, annotator and round; the file is only read.

    Raises UserError if the file is not there, damaged, or not a store.
    """
    with reading(path) as db:
        old = db.execute("PRAGMA user_version").fetchone()[0] == 1
        rows = db.execute(_SELECT.format(added="0, 0" if old else _ADDED)).fetchall()
    return [
        Label(query, tuple(json.loads(clips)), who, round, decode_ranks(ranks).ranks, bool(swapped), shown, answered, taken)
        for query, clips, who, round, swapped, ranks, shown, answered, taken in rows
    ]


def segments(path: Path, ids: Iterable[str]) -> Iterator[tuple[str, Segment]]:
    """The clips of these ids, one after the other; the file is only read.

    Raises UserError if the file is not there, damaged, not a store, or lacks one of them.
    """
    with reading(path) as db:
        for id in ids:
            try:
                yield id, decode(db.execute("SELECT arrays FROM segment WHERE id = ?", (id,)).fetchone()[0])
            except (TypeError, ValueError) as error:  # a missing row, or bytes that are no segment
                raise UserError(damaged(path)) from error


def put(database: Database, given: Sequence[Label]) -> int:
    """Write answers into a store that holds the same questions, exactly as they are given; the number of new ones.

    An answer that is there already stays as it is, with the step at which this store's own run took it.
    Raises UserError, and writes none of them, where a question is not the same or was answered otherwise.
    """
    with database.writing() as db:
        return sum(_put(db, database.path, label) for label in given)


def _put(db: Connection, path: Path, label: Label) -> bool:
    found = db.execute("SELECT segments FROM query WHERE id = ?", (label.query,)).fetchone()
    if found is None or tuple(json.loads(found[0])) != label.clips:
        there = "is not in" if found is None else "compares other clips in"
        raise UserError(f"Question {label.query} {there} {path}: labels go into a store that holds the same questions.")
    row = (encode_ranks(label.answer()), int(label.swapped), label.shown_at, label.answered_at, label.taken_step)
    key = (label.query, label.annotator, label.round)
    there = db.execute(_FIND, key).fetchone()
    if there is None:
        db.execute(_INSERT, (*key, *row))
    elif there[:-1] != row[:-1]:
        raise UserError(f"{label.annotator} has answered question {label.query} otherwise in {path}: leave one out.")
    return there is None
