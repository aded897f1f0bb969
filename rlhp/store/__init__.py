"""The preference store: questions and answers as rows of one SQLite file, the only place where loop and teachers meet."""

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
from rlhp.store.counts import Counts, FirstUse, Ranked, counts, newest_clips, people, ranked, times, used_after
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
    "Label",
    "Lease",
    "Outcome",
    "Ranked",
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
    "labels",
    "newest_clips",
    "people",
    "ranked",
    "recorded",
    "segments",
    "times",
    "used_after",
    "version_of",
]

_Taken = tuple[int, str, str | None, float | None, str]  # question, teacher, ranks, rating, source
_Question = tuple[int, list[str], int, str]  # id, ids of its clips, asked_step, kind
_Version = tuple[int, int]  # of the content: differs from an earlier one if anything was written since, by anyone

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

# what a run did after :step, as if it had not: its teacher and demonstrations will answer again at the same steps; a person would
# not, and the questions in front of people stay
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
    """The store at `path`, made if it is not there.

    Several processes may open one file, on a local disk; open it after workers fork. Threads may share a Store. People's
    answers rest as `rest` says before they are taken; `kind` is that of the questions that are asked from now on; `now` tells
    seconds since 1970, and `sleep` lets `wait` wait. Every method raises UserError if the file is damaged, locked for longer than
    `timeout` seconds, or the disk is full.
    """

    def __init__(
        self,
        path: str | Path,
        timeout: float = 30.0,
        rest: UndoWindow = UndoWindow(),  # noqa: B008  it is immutable
        kind: str = "comparison",
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path, self.rest, self.kind = Path(path), rest, find(kind)
        self.database = Database(self.path, timeout)
        self.waiting: Callable[[Waiting], None] = lambda waiting: None  # told why `wait` waits
        self._now, self._sleep = now, sleep
        self._forget()

    def sync(self) -> None:
        """Make every question and answer so far durable: they outlive a power cut when this returns."""
        self.database.sync()

    def close(self) -> None:
        """Close the file; what was written stays."""
        self.database.close()

    @property
    def asked(self) -> int:
        """Questions asked so far."""
        return self._counts().asked

    @property
    def answered(self) -> int:
        """Questions with at least one answer; 'cannot tell' is one."""
        return self._counts().answered

    @property
    def used(self) -> int:
        """Questions whose answer the reward model has been given."""
        return self._counts().taken

    @property
    def demonstrated(self) -> int:
        """Comparisons that demonstrations have answered; no other count has them."""
        return self._counts().demonstrated

    def ask(self, questions: Sequence[tuple[Segment, ...]], step: int) -> None:
        """Put questions about K clips each; a clip that several of them share is stored once.

        Raises UserError where the store's kind of question cannot be asked about so many clips.
        """
        if not questions:
            return
        kinds = [asked_about(self.kind, len(clips)).name for clips in questions]
        encoded = {id(clip): encode(clip) for clips in questions for clip in clips}
        kept = {encoded[id(clip)][0]: clip for clips in questions for clip in clips}
        with self.database.writing() as db:
            _put(db, questions, encoded, step, kinds)
        self._segments.update(kept)

    def demonstrate(self, pairs: Sequence[tuple[Segment, Segment]], step: int) -> None:
        """Put comparisons of which the first clip is an expert's and the better one; they are answered, and asked of nobody."""
        encoded = {id(clip): encode(clip) for clips in pairs for clip in clips}
        now, better = self._now(), Answer((0, 1))
        with self.database.writing() as db:
            ids = _put(db, pairs, encoded, step, ["comparison"] * len(pairs))
            write(db, [as_row(id, str(Source.DEMONSTRATION), better, now, Source.DEMONSTRATION) for id in ids])

    def unanswered(self) -> list[Query]:
        """The questions without an answer, oldest first."""
        with self.database.reading() as db:
            version = self.database.version()
            if version != self._opened_at:
                rows = _questions(db, [id for (id,) in db.execute(_OPEN)])
                self._segments = self._clips(db, rows)
                self._open, self._opened_at = _queries(rows, self._segments), version
            return list(self._open)

    def segment(self, id: str) -> Segment | None:
        """The clip of an id; None if there is none (any more)."""
        with self.database.reading() as db:
            return self._segment(db, id)

    def answer(
        self,
        answers: Mapping[int, Answer | Sequence[Answer]],
        teacher: str = "synthetic",
        source: Source = Source.SYNTHETIC,
    ) -> None:
        """Write answers by question id, as given by `teacher`; of several to one question the later ones have numbered names.

        An answer may be given again until it is taken; later ones, and a person's to questions that are gone, are ignored.
        Several teachers may answer one question: each answer is taken, and the first unblocks whoever waits.
        Raises UserError, and writes none of them, if one does not answer its question's kind, or not about each of its clips;
        TypeError or ValueError if a run's own teacher gives what is no Answer, or answers a question that there is not.
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
        """Block until at most `max_pending` questions are unanswered or have an answer that rests, looking every `poll` seconds.

        So after `wait(0)`, `take` returns an answer to every question, and all answers there are. Whenever what it waits for
        changes meanwhile, `waiting` is told.
        """
        if max_pending is None:
            return
        if max_pending < 0:
            raise UserError(f"max_pending is {max_pending}: give 0 or more, or null to never wait.")
        said = None
        while not (waiting := self._waiting(max_pending)).over():
            if waiting != said:
                self.waiting(waiting)
                said = waiting
            self._sleep(poll)

    def settle(self) -> None:
        """No answer rests any more: the next `take` has all there are."""
        self.rest = UndoWindow(0, 0)

    def collect(self, step: int) -> Comparisons:
        """All comparisons so far, in the order in which they were first taken; answers new to it are stamped with `step`.

        Answers that rest are left for a later call. 'Cannot tell' is stamped but compares nothing. An answer that its annotator
        has flagged stays among them, and says so. The same object as before if there is nothing new.
        """
        with self.database.reading() as db:
            version = self.database.version()
            if version != self._taken_at or self._comparisons is None:
                answered = _taken_before(db) if self._comparisons is None else []
                answered += self._stamp(step)
                if answered or self._comparisons is None:
                    self._comparisons = self._extend(db, answered)
                self._comparisons = self._comparisons.marked(self._flagged(db))
                # the version from before stamping: an answer that came meanwhile is found next time, and so is one that rests
                self._taken_at = None if self._any(f"SELECT 1 {_NEW}") else version
            return self._comparisons

    def restore(self, step: int) -> None:
        """Go back to the end of `step`: undo what the run did later, but keep every answer that its own teacher did not give.

        Their stamps after `step` are cleared, so that these answers are taken again.
        """
        with self.database.writing() as db:
            for sql in _RESTORE:
                db.execute(sql, {"step": step, "now": self._now()})
        self._forget()

    def _forget(self) -> None:
        """Drop whatever is kept of the file in memory."""
        self._counted: _Counts | None = None
        self._segments: dict[str, Segment] = {}  # of the open questions, by content, so that nothing here goes stale
        self._open: list[Query] = []
        self._opened_at: _Version | None = None
        self._table = ComparisonBuilder()
        self._ordered: list[tuple[int, str]] = []  # question and teacher of each row of the table
        self._comparisons: Comparisons | None = None
        self._taken_at: _Version | None = None

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

    def _clips(self, db: Connection, rows: Sequence[_Question]) -> dict[str, Segment]:
        """The clips of these questions, by id. Raises UserError where one is missing."""
        found = {name: self._segment(db, name) for name in dict.fromkeys(name for _, names, *_ in rows for name in names)}
        there = {name: clip for name, clip in found.items() if clip is not None}
        if len(there) < len(found):
            raise UserError(damaged(self.path))
        return there

    def _segment(self, db: Connection, name: str) -> Segment | None:
        """A clip; None if there is none. Raises UserError where it is not what was stored."""
        if name in self._segments:
            return self._segments[name]
        row = db.execute("SELECT arrays FROM segment WHERE id = ?", (name,)).fetchone()
        try:
            return None if row is None else decode(name, row[0])
        except ValueError as error:
            raise UserError(damaged(self.path)) from error

    def _stamp(self, step: int) -> list[_Taken]:
        """Stamp the answers that are new and do not rest, and return them by question."""
        rest = self.rest.at(self._now())
        if not self._any(f"SELECT 1 {_NEW} AND NOT ({RESTS})", rest):
            return []
        with self.database.writing() as db:
            return sorted(db.execute(_STAMP, {"step": step, **rest}).fetchall(), key=lambda row: row[:2])

    def _extend(self, db: Connection, answered: list[_Taken]) -> Comparisons:
        rows = _questions(db, dict.fromkeys(id for id, *_ in answered))
        asked = {
            query.id: (query, names) for query, (_, names, *_) in zip(_queries(rows, self._clips(db, rows)), rows, strict=True)
        }
        lasting = {id for id, *_, source in answered if source == Source.DEMONSTRATION}
        given = [Answered(*asked[id], decode_answer(ranks, rating), who) for id, who, ranks, rating, _ in answered]
        self._table.extend(given, lasting)
        self._ordered += [(each.query.id, str(each.annotator)) for each in given if not each.answer.unsure]
        return self._table.comparisons()

    def _flagged(self, db: Connection) -> Array:
        """Which rows of the table their annotators have flagged, [n] bool."""
        flagged = set(db.execute(_FLAGGED).fetchall())
        return np.array([row in flagged for row in self._ordered] if flagged else np.zeros(len(self._ordered)), bool)


def _put(
    db: Connection,
    questions: Sequence[tuple[Segment, ...]],
    encoded: Mapping[int, tuple[str, bytes]],
    step: int,
    kinds: Sequence[str],
) -> range:
    """Write questions of these kinds and their clips, `encoded` by `id`; the ids of the questions."""
    db.executemany("INSERT OR IGNORE INTO segment (id, arrays) VALUES (?, ?)", encoded.values())
    first = int(db.execute("SELECT COALESCE(MAX(id), -1) + 1 FROM query").fetchone()[0])
    names = [json.dumps([encoded[id(clip)][0] for clip in clips]) for clips in questions]
    rows = [(n, clips, step, kind) for n, (clips, kind) in enumerate(zip(names, kinds, strict=True), first)]
    db.executemany("INSERT INTO query (id, segments, asked_step, kind) VALUES (?, ?, ?, ?)", rows)
    return range(first, first + len(rows))


def _questions(db: Connection, ids: Iterable[int]) -> list[_Question]:
    """The rows of these questions, without those that are gone."""
    rows = [db.execute("SELECT id, segments, asked_step, kind FROM query WHERE id = ?", (id,)).fetchone() for id in ids]
    return [(id, json.loads(segments), *rest) for id, segments, *rest in filter(None, rows)]


def _queries(rows: Sequence[_Question], clips: Mapping[str, Segment]) -> list[Query]:
    return [Query(id, tuple(clips[name] for name in names), step, kind) for id, names, step, kind in rows]


def _named(answers: Mapping[int, Answer | Sequence[Answer]], teacher: str) -> Iterator[tuple[int, str, Answer]]:
    """Question, name, answer. Whoever an answer is `by` is named after the teacher; the others' names sort as they are given."""
    for id, given in answers.items():
        several: Sequence[Any] = given if isinstance(given, list | tuple) else [given]
        for number, answer in enumerate(several):
            by = getattr(answer, "by", "")  # what is no answer is refused later
            yield int(id), f"{teacher}:{by}" if by else f"{teacher}-{number + 1:03}" if number else teacher, answer


def _check(db: Connection, id: int, answer: object, source: Source) -> None:
    if not isinstance(answer, Answer):
        raise TypeError(f"the teacher answers question {id} with {answer!r}; it has to be an rlhp.types.Answer")
    found = db.execute("SELECT kind, json_array_length(segments) FROM query WHERE id = ?", (id,)).fetchone()
    if found is None and source == Source.SYNTHETIC:
        raise ValueError(f"the teacher answers question {id}, which nobody asked; its answers are by the id of an open question")
    if found is not None and not find(found[0]).admits(answer, found[1]):
        said = f"rates one {answer.rating}" if answer.ranks is None else f"ranks {len(answer.ranks)}"
        raise UserError(
            f"Question {id} has {found[1]} clips, but the answer {said}: rank every clip of several, or rate a single one from "
            f"0 to 1, as a {found[0]} wants it."
        )


def _taken_before(db: Connection) -> list[_Taken]:
    """The answers taken before, by a Store that was opened earlier."""
    sql = "SELECT query, teacher, ranks, rating, source FROM answer WHERE taken_step IS NOT NULL"
    return db.execute(f"{sql} ORDER BY taken_step, query, teacher").fetchall()
