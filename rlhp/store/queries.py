"""The queries of a store and their clips."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection

from rlhp.store.codec import decode, encode
from rlhp.store.connection import Database, damaged
from rlhp.types import Query, Segment, UserError

Version = tuple[int, int]  # of the content: changes with every write, of any process
_Row = tuple[int, list[str], int, str]  # id, ids of its clips, asked_step, kind

_OPEN = "SELECT id FROM query WHERE id NOT IN (SELECT query FROM answer WHERE round = 0) ORDER BY id"


class Queries:
    """The queries of a database, with their clips; those of unanswered queries stay in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.clear()

    def clear(self) -> None:
        """Drop everything that is cached in memory."""
        self._clips: dict[str, Segment] = {}  # of the unanswered queries, by digest: never stale
        self._unanswered: list[Query] = []
        self._version: Version | None = None

    def ask(self, questions: Sequence[tuple[Segment, ...]], step: int, kinds: Sequence[str]) -> None:
        """Insert queries of these kinds; a clip that several of them share is stored once."""
        encoded = encoded_clips(questions)
        with self._database.writing() as db:
            insert(db, questions, encoded, step, kinds)
        self._clips.update({encoded[id(clip)][0]: clip for clips in questions for clip in clips})

    def unanswered(self) -> list[Query]:
        """The queries without an answer, oldest first."""
        with self._database.reading() as db:
            version = self._database.version()
            if version != self._version:
                rows = _rows(db, [id for (id,) in db.execute(_OPEN)])
                self._clips = self._found(db, rows)
                self._unanswered, self._version = [_query(row, self._clips) for row in rows], version
            return list(self._unanswered)

    def segment(self, id: str) -> Segment | None:
        """The clip with this id; None if there is none (any more). Raises UserError if it is corrupted."""
        with self._database.reading() as db:
            return self._segment(db, id)

    def read(self, db: Connection, ids: Iterable[int]) -> list[tuple[Query, list[str]]]:
        """These queries, without deleted ones, each with the ids of its clips. Raises UserError if a clip is missing."""
        rows = _rows(db, ids)
        clips = self._found(db, rows)
        return [(_query(row, clips), row[1]) for row in rows]

    def _found(self, db: Connection, rows: Sequence[_Row]) -> dict[str, Segment]:
        """The clips of these queries, by id. Raises UserError if one is missing."""
        found = {name: self._segment(db, name) for name in dict.fromkeys(name for _, names, *_ in rows for name in names)}
        present = {name: clip for name, clip in found.items() if clip is not None}
        if len(present) < len(found):
            raise UserError(damaged(self._database.path))
        return present

    def _segment(self, db: Connection, name: str) -> Segment | None:
        if name in self._clips:
            return self._clips[name]
        row = db.execute("SELECT arrays FROM segment WHERE id = ?", (name,)).fetchone()
        try:
            return None if row is None else decode(name, row[0])
        except ValueError as error:
            raise UserError(damaged(self._database.path)) from error


def encoded_clips(questions: Iterable[tuple[Segment, ...]]) -> dict[int, tuple[str, bytes]]:
    """The digest and the bytes of each clip, by the `id` of its object."""
    return {id(clip): encode(clip) for clips in questions for clip in clips}


def insert(
    db: Connection,
    questions: Sequence[tuple[Segment, ...]],
    encoded: Mapping[int, tuple[str, bytes]],
    step: int,
    kinds: Sequence[str],
) -> range:
    """Insert queries of these kinds and their clips, which `encoded_clips` has encoded; returns the ids of the queries."""
    db.executemany("INSERT OR IGNORE INTO segment (id, arrays) VALUES (?, ?)", encoded.values())
    first = int(db.execute("SELECT COALESCE(MAX(id), -1) + 1 FROM query").fetchone()[0])
    names = [json.dumps([encoded[id(clip)][0] for clip in clips]) for clips in questions]
    rows = [(n, clips, step, kind) for n, (clips, kind) in enumerate(zip(names, kinds, strict=True), first)]
    db.executemany("INSERT INTO query (id, segments, asked_step, kind) VALUES (?, ?, ?, ?)", rows)
    return range(first, first + len(rows))


def _rows(db: Connection, ids: Iterable[int]) -> list[_Row]:
    """The rows of these queries, without deleted ones."""
    rows = [db.execute("SELECT id, segments, asked_step, kind FROM query WHERE id = ?", (id,)).fetchone() for id in ids]
    return [(id, json.loads(segments), *rest) for id, segments, *rest in filter(None, rows)]


def _query(row: _Row, clips: Mapping[str, Segment]) -> Query:
    id, names, step, kind = row
    return Query(id, tuple(clips[name] for name in names), step, kind)
