"""The preference store: queries and answers as rows of one SQLite file, through which the loop and teachers communicate."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np

from rlhp.feedback import asked_about, find
from rlhp.store.annotation_queue import PERSON, AnnotationQueue, AnnotatorStatistics, Given, Lease, Outcome, Reply, Shown
from rlhp.store.answers import Label, as_row, asked, import_answers, labels, recorded, segments, write
from rlhp.store.codec import Answered, ComparisonBuilder, Source, decode, decode_answer, digest, encode
from rlhp.store.connection import Database, copy, damaged, version_of
from rlhp.store.counts import Counts, FirstUse, Judged, counts, judged, newest_clips, people, times, used_after
from rlhp.store.integrity import is_count, is_time
from rlhp.store.migrate import VERSION
from rlhp.store.undo_window import RESTS, UndoWindow, Waiting
from rlhp.types import Answer, Array, Comparisons, Query, Segment, UserError

__all__ = [
    "PERSON",
    "VERSION",
    "AnnotationQueue",
    "AnnotatorStatistics",
    "Counts",
    "Database",
    "FirstUse",
    "Given",
    "Judged",
    "Label",
    "Lease",
    "Outcome",
    "Reply",
    "Shown",
    "Source",
    "Store",
    "UndoWindow",
    "Waiting",
    "asked",
    "copy",
    "counts",
    "digest",
    "import_answers",
    "is_count",
    "is_time",
    "judged",
    "labels",
    "newest_clips",
    "people",
    "recorded",
    "segments",
    "times",
    "used_after",
    "version_of",
]

_UsedAnswer = tuple[int, str, str | None, float | None, str]  # query id, teacher, ranks, rating, source
_QueryRow = tuple[int, list[str], int, str]  # id, ids of its clips, asked_step, kind
_Version = tuple[int, int]  # of the content: changes with every write, of any process

_OPEN = "SELECT id FROM query WHERE id NOT IN (SELECT query FROM answer WHERE round = 0) ORDER BY id"

_COUNTS = """
SELECT (SELECT COUNT(*) FROM query WHERE id NOT IN (SELECT query FROM answer WHERE source = 'demonstration')),
       (SELECT COUNT(DISTINCT query) FROM answer WHERE round = 0 AND source != 'demonstration'),
       (SELECT COUNT(DISTINCT query) FROM answer WHERE taken_step IS NOT NULL AND source != 'demonstration'),
       (SELECT COUNT(*) FROM answer WHERE source = 'demonstration')
"""

_NEW = "FROM answer WHERE taken_step IS NULL AND round = 0"
_STAMP = f"""
UPDATE answer SET taken_step = :step WHERE taken_step IS NULL AND round = 0 AND NOT ({RESTS})
RETURNING query, teacher, ranks, rating, source
"""

_FLAGGED = "SELECT query, teacher FROM answer WHERE flagged AND round = 0"

# undo what a run did after :step: its teacher and demonstrations will answer again at the same steps. People would not, so their
# answers stay, and so do the queries that they are looking at
_RESTORE = (
    "DELETE FROM answer WHERE source IN ('synthetic', 'demonstration') AND (taken_step IS NULL OR taken_step > :step)",
    "UPDATE answer SET taken_step = NULL WHERE taken_step > :step",
    "DELETE FROM lease WHERE until <= :now",
    "DELETE FROM query WHERE asked_step > :step AND id NOT IN (SELECT query FROM answer UNION SELECT query FROM lease)",
    "DELETE FROM segment WHERE id NOT IN (SELECT value FROM query, json_each(query.segments))",
)


@dataclass(frozen=True, slots=True)
class _Counts:
    version: _Version
    asked: int
    answered: int
    taken: int
    demonstrated: int


class Store:
    """The store at `path`, created if it does not exist.

    Several processes may open one file on a local disk; open it after workers fork. Threads may share a Store. `rest` is the undo
    window of people's answers, during which they are not collected. `kind` is the kind of new queries. `now` returns seconds
    since 1970, and `wait` calls `sleep`. Every method raises UserError if the file is damaged, locked for longer than `timeout`
    seconds, or the disk is full.
    """

    def __init__(
        self,
        path: str | Path,
        timeout: float = 30.0,
        rest: UndoWindow = UndoWindow(),  # noqa: B008  immutable
        kind: str = "comparison",
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path, self.rest, self.kind = Path(path), rest, find(kind)
        self.database = Database(self.path, timeout)
        self.waiting: Callable[[Waiting], None] = lambda waiting: None  # called with the reason for which `wait` waits
        self._now, self._sleep = now, sleep
        self._clear_cache()

    def sync(self) -> None:
        """Make every query and answer so far durable: they survive a power failure once this returns."""
        self.database.sync()

    def close(self) -> None:
        """Close the file; everything written remains."""
        self.database.close()

    @property
    def asked(self) -> int:
        """Queries asked so far."""
        return self._counts().asked

    @property
    def answered(self) -> int:
        """Queries with at least one answer; 'cannot tell' is an answer."""
        return self._counts().answered

    @property
    def used(self) -> int:
        """Queries whose answers the reward model has received."""
        return self._counts().taken

    @property
    def demonstrated(self) -> int:
        """Comparisons answered by demonstrations; the other counts exclude them."""
        return self._counts().demonstrated

    def ask(self, questions: Sequence[tuple[Segment, ...]], step: int) -> None:
        """Insert queries about K clips each; a clip that several of them share is stored once.

        Raises UserError if the store's kind of query does not take this number of clips.
        """
        if not questions:
            return
        kinds = [asked_about(self.kind, len(clips)).name for clips in questions]
        encoded = {id(clip): encode(clip) for clips in questions for clip in clips}
        kept = {encoded[id(clip)][0]: clip for clips in questions for clip in clips}
        with self.database.writing() as db:
            _insert(db, questions, encoded, step, kinds)
        self._segments.update(kept)

    def demonstrate(self, pairs: Sequence[tuple[Segment, Segment]], step: int) -> None:
        """Insert comparisons in which the first clip is an expert's and is preferred; nobody is asked about them."""
        encoded = {id(clip): encode(clip) for clips in pairs for clip in clips}
        now, better = self._now(), Answer((0, 1))
        with self.database.writing() as db:
            ids = _insert(db, pairs, encoded, step, ["comparison"] * len(pairs))
            write(db, [as_row(id, str(Source.DEMONSTRATION), better, now, Source.DEMONSTRATION) for id in ids])

    def unanswered(self) -> list[Query]:
        """The queries without an answer, oldest first."""
        with self.database.reading() as db:
            version = self.database.version()
            if version != self._open_version:
                rows = _query_rows(db, [id for (id,) in db.execute(_OPEN)])
                self._segments = self._clips(db, rows)
                self._open_queries, self._open_version = _queries(rows, self._segments), version
            return list(self._open_queries)

    def segment(self, id: str) -> Segment | None:
        """The clip with this id; None if there is none (any more)."""
        with self.database.reading() as db:
            return self._segment(db, id)

    def answer(
        self,
        answers: Mapping[int, Answer | Sequence[Answer]],
        teacher: str = "synthetic",
        source: Source = Source.SYNTHETIC,
    ) -> None:
        """Write the answers of `teacher` by query id; of several answers to one query, all but the first get numbered names.

        An answer can be replaced until it is collected; later ones are ignored, and so are people's answers to deleted queries.
        Several teachers may answer one query: each answer is collected, and the first ends the wait. If an answer does not match
        its query's kind or number of clips, raises UserError and writes none; raises TypeError or ValueError if a user-defined
        teacher returns something other than an Answer, or answers a query that does not exist.
        """
        given = list(_named(answers, teacher))
        if not given:
            return
        now = self._now()
        with self.database.writing() as db:
            for id, _, answer in given:
                _check(db, id, answer, source)
            write(db, [as_row(id, name, answer, now, source) for id, name, answer in given])

    def wait(self, max_pending: int | None, poll: float = 0.1) -> None:
        """Block until at most `max_pending` queries are unanswered or in their undo window, checking every `poll` seconds.

        After `wait(0)`, `collect` therefore returns an answer to every query, and all answers that exist. While it waits, it
        calls `waiting` whenever the counts change.
        """
        if max_pending is None:
            return
        if max_pending < 0:
            raise UserError(f"max_pending is {max_pending}: give 0 or more, or null to never wait.")
        reported = None
        while not (waiting := self._waiting(max_pending)).over():
            if waiting != reported:
                self.waiting(waiting)
                reported = waiting
            self._sleep(poll)

    def settle(self) -> None:
        """Close the undo window of all answers, so that the next `collect` returns every answer."""
        self.rest = UndoWindow(0, 0)

    def collect(self, step: int) -> Comparisons:
        """All comparisons so far, in the order in which they were first collected; stamps new answers with `step`.

        Answers within their undo window are left for a later call. 'Cannot tell' is stamped but adds no comparison. Answers
        flagged by their annotator are included and marked. Returns the same object as before if nothing is new.
        """
        with self.database.reading() as db:
            version = self.database.version()
            if version != self._collected_version or self._comparisons is None:
                answered = _used_before(db) if self._comparisons is None else []
                answered += self._stamp(step)
                if answered or self._comparisons is None:
                    self._comparisons = self._extend(db, answered)
                self._comparisons = self._comparisons.marked(self._flagged(db))
                # the version before stamping: the next call finds answers that arrived meanwhile or are in their undo window
                self._collected_version = None if self._any(f"SELECT 1 {_NEW}") else version
            return self._comparisons

    def restore(self, step: int) -> None:
        """Return to the end of `step`: undo later changes, but keep every answer that the run's own teacher did not give.

        Clears the stamps of these answers after `step`, so that they are collected again.
        """
        with self.database.writing() as db:
            for sql in _RESTORE:
                db.execute(sql, {"step": step, "now": self._now()})
        self._clear_cache()

    def _clear_cache(self) -> None:
        """Drop everything that is cached in memory."""
        self._counted: _Counts | None = None
        self._segments: dict[str, Segment] = {}  # clips of the open queries, by digest: never stale
        self._open_queries: list[Query] = []
        self._open_version: _Version | None = None
        self._builder = ComparisonBuilder()
        self._row_keys: list[tuple[int, str]] = []  # query id and teacher of each comparison
        self._comparisons: Comparisons | None = None
        self._collected_version: _Version | None = None

    def _counts(self) -> _Counts:
        with self.database.reading() as db:
            version = self.database.version()
            if self._counted is None or self._counted.version != version:
                self._counted = _Counts(version, *db.execute(_COUNTS).fetchone())
            return self._counted

    def _waiting(self, at_most: int) -> Waiting:
        with self.database.snapshot() as db:
            counts = self._counts()
            sql = f"SELECT COUNT(DISTINCT query) {_NEW} AND ({RESTS})"
            resting = db.execute(sql, self.rest.at(self._now())).fetchone()[0]
            return Waiting(counts.asked - counts.answered, resting, at_most)

    def _any(self, sql: str, parameters: Mapping[str, float] | None = None) -> bool:
        with self.database.reading() as db:
            return db.execute(sql, parameters or {}).fetchone() is not None

    def _clips(self, db: Connection, rows: Sequence[_QueryRow]) -> dict[str, Segment]:
        """The clips of these queries, by id. Raises UserError if one is missing."""
        found = {name: self._segment(db, name) for name in dict.fromkeys(name for _, names, *_ in rows for name in names)}
        present = {name: clip for name, clip in found.items() if clip is not None}
        if len(present) < len(found):
            raise UserError(damaged(self.path))
        return present

    def _segment(self, db: Connection, name: str) -> Segment | None:
        """A clip; None if there is none. Raises UserError if it is corrupted."""
        if name in self._segments:
            return self._segments[name]
        row = db.execute("SELECT arrays FROM segment WHERE id = ?", (name,)).fetchone()
        try:
            return None if row is None else decode(name, row[0])
        except ValueError as error:
            raise UserError(damaged(self.path)) from error

    def _stamp(self, step: int) -> list[_UsedAnswer]:
        """Stamp new answers whose undo window is over, and return them sorted by query."""
        rest = self.rest.at(self._now())
        if not self._any(f"SELECT 1 {_NEW} AND NOT ({RESTS})", rest):
            return []
        with self.database.writing() as db:
            return sorted(db.execute(_STAMP, {"step": step, **rest}).fetchall(), key=lambda row: row[:2])

    def _extend(self, db: Connection, answered: list[_UsedAnswer]) -> Comparisons:
        rows = _query_rows(db, dict.fromkeys(id for id, *_ in answered))
        asked = {
            query.id: (query, names) for query, (_, names, *_) in zip(_queries(rows, self._clips(db, rows)), rows, strict=True)
        }
        always_kept = {id for id, *_, source in answered if source == Source.DEMONSTRATION}
        given = [Answered(*asked[id], decode_answer(ranks, rating), who) for id, who, ranks, rating, _ in answered]
        self._builder.extend(given, always_kept)
        self._row_keys += [(each.query.id, str(each.annotator)) for each in given if not each.answer.unsure]
        return self._builder.comparisons()

    def _flagged(self, db: Connection) -> Array:
        """Which comparisons are flagged by their annotators, [n] bool."""
        flagged = set(db.execute(_FLAGGED).fetchall())
        return np.array([row in flagged for row in self._row_keys] if flagged else np.zeros(len(self._row_keys)), bool)


def _insert(
    db: Connection,
    questions: Sequence[tuple[Segment, ...]],
    encoded: Mapping[int, tuple[str, bytes]],
    step: int,
    kinds: Sequence[str],
) -> range:
    """Insert queries of these kinds and their clips, `encoded` by `id`; returns the ids of the queries."""
    db.executemany("INSERT OR IGNORE INTO segment (id, arrays) VALUES (?, ?)", encoded.values())
    first = int(db.execute("SELECT COALESCE(MAX(id), -1) + 1 FROM query").fetchone()[0])
    names = [json.dumps([encoded[id(clip)][0] for clip in clips]) for clips in questions]
    rows = [(n, clips, step, kind) for n, (clips, kind) in enumerate(zip(names, kinds, strict=True), first)]
    db.executemany("INSERT INTO query (id, segments, asked_step, kind) VALUES (?, ?, ?, ?)", rows)
    return range(first, first + len(rows))


def _query_rows(db: Connection, ids: Iterable[int]) -> list[_QueryRow]:
    """The rows of these queries, without deleted ones."""
    rows = [db.execute("SELECT id, segments, asked_step, kind FROM query WHERE id = ?", (id,)).fetchone() for id in ids]
    return [(id, json.loads(segments), *rest) for id, segments, *rest in filter(None, rows)]


def _queries(rows: Sequence[_QueryRow], clips: Mapping[str, Segment]) -> list[Query]:
    return [Query(id, tuple(clips[name] for name in names), step, kind) for id, names, step, kind in rows]


def _named(answers: Mapping[int, Answer | Sequence[Answer]], teacher: str) -> Iterator[tuple[int, str, Answer]]:
    """Query id, teacher name and answer; a name ends in the annotator that `by` names, else in a number that keeps the order."""
    for id, given in answers.items():
        several: Sequence[Any] = given if isinstance(given, list | tuple) else [given]
        for number, answer in enumerate(several):
            by = getattr(answer, "by", "")  # `_check` rejects other types later
            yield int(id), f"{teacher}:{by}" if by else f"{teacher}-{number + 1:03}" if number else teacher, answer


def _check(db: Connection, id: int, answer: object, source: Source) -> None:
    if not isinstance(answer, Answer):
        raise TypeError(f"the teacher answers query {id} with {answer!r}; return an rlhp.types.Answer")
    found = db.execute("SELECT kind, json_array_length(segments) FROM query WHERE id = ?", (id,)).fetchone()
    if found is None and source == Source.SYNTHETIC:
        raise ValueError(f"the teacher answers query {id}, which does not exist; return answers by the id of an open query")
    if found is not None and not find(found[0]).admits(answer, found[1]):
        given = f"rates one {answer.rating}" if answer.ranks is None else f"ranks {len(answer.ranks)}"
        raise UserError(
            f"Query {id} has {found[1]} clips, but the answer {given}: rank every clip of several, or rate a single one from "
            f"0 to 1, as a {found[0]} requires."
        )


def _used_before(db: Connection) -> list[_UsedAnswer]:
    """The answers that were collected by a Store opened earlier."""
    sql = "SELECT query, teacher, ranks, rating, source FROM answer WHERE taken_step IS NOT NULL"
    return db.execute(f"{sql} ORDER BY taken_step, query, teacher").fetchall()
