"""The store as people at the page use it: leases, answers, second thoughts, and the same pair once more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from itertools import chain, islice, zip_longest
from sqlite3 import Connection

from rlhp.store.answers import as_row, write
from rlhp.store.codec import Source
from rlhp.store.connection import Database
from rlhp.types import Answer, UserError

PERSON = "human:"  # how a person's `teacher` begins; the annotator's name follows
APART = 10  # answers between a pair and the same pair once more, so that it is not remembered
RECENT = 600.0  # seconds whose answers tell the present speed

# Questions of two clips that fewer than :overlap have answered or are looking at, and :by has not, and no demonstration has: the
# newest first, so that people judge the current policy.
_FRESH = """
SELECT id, segments, 0 FROM query
WHERE id NOT IN (
    SELECT query FROM (SELECT query FROM answer WHERE round = 0 UNION ALL SELECT query FROM lease WHERE round = 0)
    GROUP BY query HAVING COUNT(*) >= :overlap
  )
  AND id NOT IN (SELECT query FROM answer WHERE teacher = 'human:' || :by AND round = 0)
  AND id NOT IN (SELECT query FROM lease WHERE annotator = :by)
  AND id NOT IN (SELECT query FROM answer WHERE source = 'demonstration')
  AND json_array_length(segments) = 2
ORDER BY id DESC
"""

# What :by answered at least APART answers ago and was not shown again, in an order that is the same whenever it is asked.
_AGAIN = f"""
SELECT query.id, segments, 1 FROM answer JOIN query ON query.id = query
WHERE teacher = 'human:' || :by AND round = 0
  AND NOT EXISTS (SELECT 1 FROM answer AS later WHERE later.query = query.id AND later.teacher = answer.teacher AND round = 1)
  AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.query = query.id AND annotator = :by)
  AND answered_at <= (
    SELECT answered_at FROM answer WHERE teacher = 'human:' || :by ORDER BY answered_at DESC LIMIT 1 OFFSET {APART - 1}
  )
ORDER BY (query.id * 7919 + 104729) % 10007
"""

_HELD = """
SELECT query.id, segments, round FROM lease JOIN query ON query.id = lease.query
WHERE annotator = :by ORDER BY since, query.id DESC
"""

# A person's newest answer, of whichever round, unless the learner has taken it.
_LAST = """
SELECT query, round FROM (
    SELECT query, round, taken_step FROM answer WHERE teacher = 'human:' || :by
    ORDER BY answered_at DESC, query DESC, round DESC LIMIT 1
) WHERE taken_step IS NULL
"""

_PEOPLE = "SELECT DISTINCT teacher FROM answer WHERE source = 'human' UNION SELECT 'human:' || annotator FROM lease"

Ready = Callable[[Sequence[str]], bool]  # whether the clips of these segments can be shown


class Outcome(StrEnum):
    """What became of an answer."""

    KEPT = "kept"  # it is in the store, now or since it was sent before
    TAKEN = "taken"  # the learner has used an earlier, different one
    GONE = "gone"  # there is no such question (any more): the run went back to a checkpoint, and asked something else


@dataclass(frozen=True, slots=True)
class Pair:
    """A question as one person is shown it."""

    query: int
    round: int  # 0, or 1 where it is shown once more
    clips: tuple[str, str]  # ids of the segments, left and right


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person said about a pair: the ranks of the left and the right clip, None where they could not tell."""

    query: int
    round: int
    clips: tuple[str, str]  # as they were shown
    ranks: tuple[int, int] | None
    seen: float  # seconds for which the pair was shown before the answer


@dataclass(frozen=True, slots=True)
class Tally:
    """One person's answers: how many, how many per hour lately, and the newest that may still be undone (query, round)."""

    answers: int
    repeats: int
    per_hour: float
    undoable: tuple[int, int] | None


class Desk:
    """Deals questions to people, and takes down what they say.

    Each person holds what they are dealt for `seconds` from when they last asked; `overlap` people are dealt the same question,
    and `repeats` is the share of answers that are to a pair seen before, with its sides swapped; `now` tells seconds since 1970.
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
            raise UserError(f"repeats is {repeats}, but it is the share of pairs shown once more: give a number from 0 to 0.5.")
        self._database, self._overlap, self._repeats, self._seconds, self._now = database, overlap, repeats, seconds, now

    def deal(self, by: str, count: int, ready: Ready = lambda names: True) -> list[Pair]:
        """Up to `count` pairs for one person, the first to be shown first: those they hold already, then new ones.

        Whoever asks again is given the same. Only pairs whose clips are `ready` are dealt.
        """
        now = self._now()
        with self._database.writing() as db:
            db.execute("DELETE FROM lease WHERE until <= ?", (now,))
            db.execute("UPDATE lease SET until = ? WHERE annotator = ?", (now + self._seconds, by))
            held = db.execute(_HELD, {"by": by}).fetchall()
            for i, found in enumerate(self._find(db, by, count - len(held), ready)):
                self._lease(db, by, found[0], found[2], now + i * 1e-4)  # what is dealt first is shown first
                held.append(found)
            return [_pair(by, *row) for row in held[:count]]

    def answer(self, by: str, reply: Reply) -> Outcome:
        """Take down an answer; the same one sent again changes nothing, another one replaces it until it is taken.

        The clips tell the question, for ids are given again after a run went back to a checkpoint.
        """
        with self._database.writing() as db:
            found = db.execute("SELECT segments FROM query WHERE id = ?", (reply.query,)).fetchone()
            stored = () if found is None else tuple(json.loads(found[0]))
            if reply.clips not in (stored, stored[::-1]) or not self._due(db, by, reply):
                return Outcome.GONE
            said = _row(by, reply, reply.clips != stored, self._now())
            db.execute("DELETE FROM lease WHERE query = ? AND annotator = ?", (reply.query, by))
            write(db, [said])
            sql = "SELECT ranks FROM answer WHERE query = :query AND teacher = :teacher AND round = :round"
            return Outcome.KEPT if db.execute(sql, said).fetchone()[0] == said["ranks"] else Outcome.TAKEN

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

    def wanted(self, at_most: int) -> list[tuple[str, str]]:
        """The clips of the pairs that are worth filming: the `at_most` newest that each person may be dealt, then all held ones.

        Each person who has answered or holds a pair, and one who is new: what is new to one may be answered by another.
        """
        held = "SELECT segments FROM query WHERE id IN (SELECT query FROM lease) ORDER BY id DESC"
        with self._database.reading() as db:
            people = ["", *(name.removeprefix(PERSON) for (name,) in db.execute(_PEOPLE))]
            fresh = [db.execute(_FRESH, {"by": by, "overlap": self._overlap}).fetchmany(at_most) for by in people]
            in_turn = (found[1] for found in chain.from_iterable(zip_longest(*fresh)) if found is not None)
            named = dict.fromkeys([*in_turn, *(segments for (segments,) in db.execute(held))])
            return [(left, right) for left, right in map(json.loads, named)]

    def tally(self, by: str) -> Tally:
        """Where one person stands."""
        who, since = PERSON + by, self._now() - RECENT
        with self._database.reading() as db:
            sql = "SELECT COUNT(*), COALESCE(SUM(round > 0), 0) FROM answer WHERE teacher = ?"
            answers, repeats = db.execute(sql, (who,)).fetchone()
            sql = "SELECT COUNT(*), MIN(answered_at), MAX(answered_at) FROM answer WHERE teacher = ? AND answered_at > ?"
            return Tally(
                answers, repeats, _rate(*db.execute(sql, (who, since)).fetchone()), db.execute(_LAST, {"by": by}).fetchone()
            )

    def rate(self) -> float:
        """Labels per hour, lately, of all people together."""
        sql = """SELECT COUNT(*), MIN(answered_at), MAX(answered_at) FROM answer
                 WHERE source = 'human' AND round = 0 AND answered_at > ?"""
        with self._database.reading() as db:
            return _rate(*db.execute(sql, (self._now() - RECENT,)).fetchone())

    def _find(self, db: Connection, by: str, count: int, ready: Ready) -> list[tuple[int, str, int]]:
        """The pairs to deal next: one seen before if the share of those is not reached, then the newest."""
        found: list[tuple[int, str, int]] = []
        if count > 0 and self._repeat_due(db, by):
            found += islice(self._among(db, _AGAIN, by, ready), 1)
        return found + list(islice(self._among(db, _FRESH, by, ready), max(count - len(found), 0)))

    def _among(self, db: Connection, sql: str, by: str, ready: Ready) -> Iterator[tuple[int, str, int]]:
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


def _pair(by: str, query: int, segments: str, round: int) -> Pair:
    """The sides are swapped at random: by a hash of who looks at what, so that a page that is loaded again shows the same.

    Shown once more, a pair's sides are the other way round.
    """
    left, right = json.loads(segments)
    coin = blake2b(f"{by} {left} {right}".encode(), digest_size=1).digest()[0] & 1
    return Pair(query, round, (right, left) if coin != round else (left, right))


def _row(by: str, reply: Reply, swapped: bool, now: float) -> dict[str, object]:
    """An answer's columns; ranks go back to the order of the question."""
    ranks = None if reply.ranks is None else reply.ranks[::-1] if swapped else reply.ranks
    teacher, shown_at = PERSON + by, now - reply.seen
    return as_row(reply.query, teacher, Answer(ranks), now, Source.HUMAN, round=reply.round, swapped=swapped, shown_at=shown_at)


def _rate(count: int, first: float | None, last: float | None) -> float:
    """Per hour, from the times of the first and last of several."""
    return 3600 * (count - 1) / (last - first) if first is not None and last is not None and last > first else 0.0
