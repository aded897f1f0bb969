"""The store as the loop and teachers use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from rlhp.feedback import asked_about, find
from rlhp.store.answers import as_row, write
from rlhp.store.codec import Source
from rlhp.store.collector import Collector, resting
from rlhp.store.connection import Database
from rlhp.store.queries import Queries, Version, encoded_clips, insert
from rlhp.store.undo_window import UndoWindow, Waiting
from rlhp.types import Answer, Comparisons, Query, Segment, UserError

_COUNTS = """
SELECT (SELECT COUNT(*) FROM query WHERE id NOT IN (SELECT query FROM answer WHERE source = 'demonstration')),
       (SELECT COUNT(DISTINCT query) FROM answer WHERE round = 0 AND source != 'demonstration'),
       (SELECT COUNT(DISTINCT query) FROM answer WHERE taken_step IS NOT NULL AND source != 'demonstration'),
       (SELECT COUNT(*) FROM answer WHERE source = 'demonstration')
"""

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
    version: Version
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
        self._queries = Queries(self.database)
        self._collector = Collector(self.database, self._queries)
        self._counted: _Counts | None = None

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
        if questions:
            self._queries.ask(questions, step, [asked_about(self.kind, len(clips)).name for clips in questions])

    def demonstrate(self, pairs: Sequence[tuple[Segment, Segment]], step: int) -> None:
        """Insert comparisons in which the first clip is an expert's and is preferred; nobody is asked about them."""
        encoded = encoded_clips(pairs)
        now, better = self._now(), Answer((0, 1))
        with self.database.writing() as db:
            ids = insert(db, pairs, encoded, step, ["comparison"] * len(pairs))
            write(db, [as_row(id, str(Source.DEMONSTRATION), better, now, Source.DEMONSTRATION) for id in ids])

    def unanswered(self) -> list[Query]:
        """The queries without an answer, oldest first."""
        return self._queries.unanswered()

    def segment(self, id: str) -> Segment | None:
        """The clip with this id; None if there is none (any more)."""
        return self._queries.segment(id)

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
        return self._collector.collect(step, lambda: self.rest.at(self._now()))

    def restore(self, step: int) -> None:
        """Return to the end of `step`: undo later changes, but keep every answer that the run's own teacher did not give.

        Clears the stamps of these answers after `step`, so that they are collected again.
        """
        with self.database.writing() as db:
            for sql in _RESTORE:
                db.execute(sql, {"step": step, "now": self._now()})
        self._queries.clear()
        self._collector.clear()
        self._counted = None

    def _counts(self) -> _Counts:
        with self.database.reading() as db:
            version = self.database.version()
            if self._counted is None or self._counted.version != version:
                self._counted = _Counts(version, *db.execute(_COUNTS).fetchone())
            return self._counted

    def _waiting(self, at_most: int) -> Waiting:
        with self.database.snapshot() as db:
            counts = self._counts()
            return Waiting(counts.asked - counts.answered, resting(db, self.rest.at(self._now())), at_most)


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
