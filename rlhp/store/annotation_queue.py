"""The store as people at the page use it: leases, answers, second thoughts, and the same question once more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from itertools import chain, islice, zip_longest
from sqlite3 import Connection

from rlhp.feedback import find
from rlhp.store.answers import as_row, write
from rlhp.store.codec import Source, decode_answer
from rlhp.store.connection import Database
from rlhp.types import Answer, UserError

PERSON = "human:"  # how a person's `teacher` begins; the annotator's name follows
APART = 10  # answers between a question and the same one once more, so that it is not remembered
RECENT = 600.0  # seconds whose answers tell the present speed

# Questions that fewer than :overlap have answered or are looking at, and :by has not, and no demonstration has: the
# newest first, so that people judge the current policy.
_FRESH = """
SELECT id, segments, 0, kind FROM query
WHERE id NOT IN (
    SELECT query FROM (SELECT query FROM answer WHERE round = 0 UNION ALL SELECT query FROM lease WHERE round = 0)
    GROUP BY query HAVING COUNT(*) >= :overlap
  )
  AND id NOT IN (SELECT query FROM answer WHERE teacher = 'human:' || :by AND round = 0)
  AND id NOT IN (SELECT query FROM lease WHERE annotator = :by)
  AND id NOT IN (SELECT query FROM answer WHERE source = 'demonstration')
ORDER BY id DESC
"""

# What :by answered at least APART answers ago and was not shown again, in an order that is the same whenever it is asked.
_AGAIN = f"""
SELECT query.id, segments, 1, kind FROM answer JOIN query ON query.id = query
WHERE teacher = 'human:' || :by AND round = 0
  AND NOT EXISTS (SELECT 1 FROM answer AS later WHERE later.query = query.id AND later.teacher = answer.teacher AND round = 1)
  AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.query = query.id AND annotator = :by)
  AND answered_at <= (
    SELECT answered_at FROM answer WHERE teacher = 'human:' || :by ORDER BY answered_at DESC LIMIT 1 OFFSET {APART - 1}
  )
ORDER BY (query.id * 7919 + 104729) % 10007
"""

_HELD = """
SELECT query.id, segments, round, kind FROM lease JOIN query ON query.id = lease.query
WHERE annotator = :by ORDER BY since, query.id DESC
"""

# A person's newest answer, of whichever round, unless the learner has taken it.
_LAST = """
SELECT query, round FROM (
    SELECT query, round, taken_step FROM answer WHERE teacher = 'human:' || :by
    ORDER BY answered_at DESC, query DESC, round DESC LIMIT 1
) WHERE taken_step IS NULL
"""

_HISTORY = """
SELECT query, round, kind, segments, swapped, ranks, rating, answered_at, taken_step IS NOT NULL, flagged
FROM answer JOIN query ON query.id = query
WHERE teacher = 'human:' || :by ORDER BY answered_at DESC, query DESC, round DESC LIMIT :most
"""

_PEOPLE = "SELECT DISTINCT teacher FROM answer WHERE source = 'human' UNION SELECT 'human:' || annotator FROM lease"

Ready = Callable[[Sequence[str]], bool]  # whether the clips of these segments can be shown
_Found = tuple[int, str, int, str]  # question, segments, round, kind


class Outcome(StrEnum):
    """What became of an answer."""

    KEPT = "kept"  # it is in the store, now or since it was sent before
    TAKEN = "taken"  # the learner has used an earlier, different one
    GONE = "gone"  # there is no such question (any more): the run went back to a checkpoint, and asked something else


@dataclass(frozen=True, slots=True)
class Shown:
    """A question as one person is shown it."""

    query: int
    round: int  # 0, or 1 where it is shown once more
    clips: tuple[str, ...]  # ids of the segments, from left to right
    kind: str = "comparison"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person said about a question that they were shown."""

    query: int
    round: int
    clips: tuple[str, ...]  # as they were shown
    value: object  # what `parse` of the question's kind takes
    seen: float  # seconds for which the question was shown before the answer


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that a person has given."""

    query: int
    round: int
    kind: str
    clips: tuple[str, ...]  # as they were shown
    value: object  # what was said of them, as `Reply` has it
    answered_at: float  # seconds since 1970
    taken: bool  # by the learner: it cannot be undone any more
    flagged: bool  # left out of later fits


@dataclass(frozen=True, slots=True)
class Lease:
    """A question that somebody is looking at."""

    query: int
    annotator: str
    until: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class AnnotatorStatistics:
    """One person's answers: how many, how many per hour lately, and the newest that may still be undone (query, round)."""

    answers: int
    repeats: int
    per_hour: float
    undoable: tuple[int, int] | None


class AnnotationQueue:
    """Deals questions to people, and takes down what they say.

    Each person holds what they are dealt for `seconds` from when they last asked; `overlap` people are dealt the same question,
    and `repeats` is the share of answers that are to a question seen before, in reverse; `now` tells seconds since 1970.
    Raises UserError for values out of range.
    """

    def __init__(
        self,
        database: Database,
        overlap: int = 1,
        repeats: float = 0.0,
        seconds: float = 60.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        if overlap < 1:
            raise UserError(f"overlap is {overlap}, but it counts the people who answer one question: give 1 or more.")
        if not 0 <= repeats <= 0.5:
            raise UserError(
                f"repeats is {repeats}, but it is the share of questions shown once more: give a number from 0 to 0.5."
            )
        self._database, self._overlap, self._repeats, self._seconds, self._now = database, overlap, repeats, seconds, now

    def assign(self, by: str, count: int, ready: Ready = lambda names: True) -> list[Shown]:
        """Up to `count` questions for one person, the first to be shown first: those they hold already, then new ones.

        Whoever asks again is given the same. Only questions whose clips are `ready` are dealt.
        """
        now = self._now()
        with self._database.writing() as db:
            db.execute("DELETE FROM lease WHERE until <= ?", (now,))
            db.execute("UPDATE lease SET until = ? WHERE annotator = ?", (now + self._seconds, by))
            held = db.execute(_HELD, {"by": by}).fetchall()
            for i, found in enumerate(self._find(db, by, count - len(held), ready)):
                self._lease(db, by, found[0], found[2], now + i * 1e-4)  # what is dealt first is shown first
                held.append(found)
            return [_shown(by, *row) for row in held[:count]]

    def answer(self, by: str, reply: Reply) -> Outcome:
        """Take down an answer; the same one sent again changes nothing, another one replaces it until it is taken.

        The clips tell the question, for ids are given again after a run went back to a checkpoint. Raises InvalidAnswer for a
        value that does not answer a question of its kind.
        """
        with self._database.writing() as db:
            found = db.execute("SELECT segments, kind FROM query WHERE id = ?", (reply.query,)).fetchone()
            stored = () if found is None else tuple(json.loads(found[0]))
            if found is None or reply.clips not in (stored, stored[::-1]) or not self._due(db, by, reply):
                return Outcome.GONE
            answer = find(found[1]).parse(reply.value, len(stored))
            said = _row(by, reply, answer, reply.clips != stored, self._now())
            db.execute("DELETE FROM lease WHERE query = ? AND annotator = ?", (reply.query, by))
            write(db, [said])
            sql = "SELECT ranks, rating FROM answer WHERE query = :query AND teacher = :teacher AND round = :round"
            return Outcome.KEPT if db.execute(sql, said).fetchone() == (said["ranks"], said["rating"]) else Outcome.TAKEN

    def flag(self, by: str, query: int, round: int, flagged: bool) -> bool:
        """Have a person's answer left out of later fits, or taken in again; whether there is such an answer."""
        sql = "UPDATE answer SET flagged = ? WHERE query = ? AND teacher = ? AND round = ?"
        with self._database.writing() as db:
            return db.execute(sql, (int(flagged), query, PERSON + by, round)).rowcount > 0

    def history(self, by: str, most: int = 20) -> list[Given]:
        """The newest answers of one person, newest first."""
        with self._database.reading() as db:
            return [_given(*row) for row in db.execute(_HISTORY, {"by": by, "most": most})]

    def leased(self, by: str) -> list[Lease]:
        """The unanswered questions that other people look at, the newest first."""
        sql = """SELECT query, annotator, until FROM lease WHERE annotator != ? AND round = 0 AND until > ?
                 AND query NOT IN (SELECT query FROM answer WHERE round = 0) ORDER BY query DESC"""
        with self._database.reading() as db:
            return [Lease(*row) for row in db.execute(sql, (by, self._now()))]

    def undo(self, by: str, query: int, round: int) -> bool:
        """Withdraw a person's newest answer; its question is the first to be dealt to them again.

        False where the learner has taken it, or it is not the newest. Withdrawing what is withdrawn changes nothing.
        """
        now, key = self._now(), {"query": query, "teacher": PERSON + by, "round": round}
        with self._database.writing() as db:
            mine = "FROM answer WHERE query = :query AND teacher = :teacher AND round = :round"
            if db.execute(f"SELECT 1 {mine}", key).fetchone() is None:
                return db.execute("SELECT 1 FROM lease WHERE query = ? AND annotator = ?", (query, by)).fetchone() is not None
            if db.execute(_LAST, {"by": by}).fetchone() != (query, round):
                return False
            db.execute(f"DELETE {mine}", key)
            first = db.execute("SELECT MIN(since) FROM lease WHERE annotator = ?", (by,)).fetchone()[0]
            self._lease(db, by, query, round, min(now, first or now) - 1e-3, until=now + self._seconds)
            return True

    def wanted(self, at_most: int) -> list[tuple[str, ...]]:
        """The clips of the questions worth filming: the `at_most` newest that each person may be dealt, then all held ones.

        Each person who has answered or holds a question, and one who is new: what is new to one may be answered by another.
        """
        held = "SELECT segments FROM query WHERE id IN (SELECT query FROM lease) ORDER BY id DESC"
        with self._database.reading() as db:
            people = ["", *(name.removeprefix(PERSON) for (name,) in db.execute(_PEOPLE))]
            fresh = [db.execute(_FRESH, {"by": by, "overlap": self._overlap}).fetchmany(at_most) for by in people]
            in_turn = (found[1] for found in chain.from_iterable(zip_longest(*fresh)) if found is not None)
            named = dict.fromkeys([*in_turn, *(segments for (segments,) in db.execute(held))])
            return [tuple(json.loads(segments)) for segments in named]

    def unanswered(self) -> list[tuple[str, ...]]:
        """The clips of the questions without an answer, the newest first."""
        sql = "SELECT segments FROM query WHERE id NOT IN (SELECT query FROM answer WHERE round = 0) ORDER BY id DESC"
        with self._database.reading() as db:
            return [tuple(json.loads(segments)) for (segments,) in db.execute(sql)]

    def statistics(self, by: str) -> AnnotatorStatistics:
        """Where one person stands."""
        who, since = PERSON + by, self._now() - RECENT
        with self._database.reading() as db:
            sql = "SELECT COUNT(*), COALESCE(SUM(round > 0), 0) FROM answer WHERE teacher = ?"
            answers, repeats = db.execute(sql, (who,)).fetchone()
            sql = "SELECT COUNT(*), MIN(answered_at), MAX(answered_at) FROM answer WHERE teacher = ? AND answered_at > ?"
            return AnnotatorStatistics(
                answers, repeats, _rate(*db.execute(sql, (who, since)).fetchone()), db.execute(_LAST, {"by": by}).fetchone()
            )

    def rate(self) -> float:
        """Labels per hour, lately, of all people together."""
        sql = """SELECT COUNT(*), MIN(answered_at), MAX(answered_at) FROM answer
                 WHERE source = 'human' AND round = 0 AND answered_at > ?"""
        with self._database.reading() as db:
            return _rate(*db.execute(sql, (self._now() - RECENT,)).fetchone())

    def _find(self, db: Connection, by: str, count: int, ready: Ready) -> list[_Found]:
        """The questions to deal next: one seen before if the share of those is not reached, then the newest."""
        found: list[_Found] = []
        if count > 0 and self._repeat_due(db, by):
            found += islice(self._among(db, _AGAIN, by, ready), 1)
        return found + list(islice(self._among(db, _FRESH, by, ready), max(count - len(found), 0)))

    def _among(self, db: Connection, sql: str, by: str, ready: Ready) -> Iterator[_Found]:
        return (row for row in db.execute(sql, {"by": by, "overlap": self._overlap}) if ready(json.loads(row[1])))

    def _due(self, db: Connection, by: str, reply: Reply) -> bool:
        """Once more is only after once."""
        sql = "SELECT 1 FROM answer WHERE query = ? AND teacher = ? AND round = 0"
        return reply.round == 0 or db.execute(sql, (reply.query, PERSON + by)).fetchone() is not None

    def _repeat_due(self, db: Connection, by: str) -> bool:
        sql = "SELECT COUNT(*), COALESCE(SUM(round > 0), 0) FROM answer WHERE teacher = ?"
        answers, repeated = db.execute(sql, (PERSON + by,)).fetchone()
        held = db.execute("SELECT COUNT(*) FROM lease WHERE annotator = ? AND round > 0", (by,)).fetchone()[0]
        return repeated + held < int(answers * self._repeats)

    def _lease(self, db: Connection, by: str, query: int, round: int, since: float, until: float | None = None) -> None:
        sql = "INSERT OR REPLACE INTO lease (query, annotator, round, since, until) VALUES (?, ?, ?, ?, ?)"
        db.execute(sql, (query, by, round, since, since + self._seconds if until is None else until))


def _shown(by: str, query: int, segments: str, round: int, kind: str) -> Shown:
    """Clips are in order or in reverse at random: by a hash of who looks at what, so that a page loaded again shows the same.

    Shown once more, they are the other way round.
    """
    clips = tuple(json.loads(segments))
    coin = blake2b(" ".join((by, *clips)).encode(), digest_size=1).digest()[0] & 1
    return Shown(query, round, clips[::-1] if coin != round else clips, kind)


def _row(by: str, reply: Reply, answer: Answer, swapped: bool, now: float) -> dict[str, object]:
    """An answer's columns; ranks go back to the order of the question."""
    said = answer.reversed() if swapped else answer
    return as_row(
        reply.query, PERSON + by, said, now, Source.HUMAN, round=reply.round, swapped=swapped, shown_at=now - reply.seen
    )


def _given(
    query: int,
    round: int,
    kind: str,
    segments: str,
    swapped: int,
    ranks: str | None,
    rating: float | None,
    answered_at: float,
    taken: int,
    flagged: int,
) -> Given:
    clips, answer = tuple(json.loads(segments)), decode_answer(ranks, rating)
    clips, answer = (clips[::-1], answer.reversed()) if swapped else (clips, answer)
    return Given(query, round, kind, clips, find(kind).value(answer), answered_at, bool(taken), bool(flagged))


def _rate(count: int, first: float | None, last: float | None) -> float:
    """Per hour, from the times of the first and last of several."""
    return 3600 * (count - 1) / (last - first) if first is not None and last is not None and last > first else 0.0
