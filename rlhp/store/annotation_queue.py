"""The store as used by annotators at the page: leases, answers, undo, and repeated queries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain, islice, zip_longest
from sqlite3 import Connection

from rlhp.feedback import find
from rlhp.store.annotations import AnnotatorStatistics, Given, Lease, Outcome, Reply, Shown
from rlhp.store.answers import as_row, write
from rlhp.store.codec import Source, decode_answer
from rlhp.store.connection import Database
from rlhp.types import Answer, UserError

PERSON = "human:"  # prefix of the `teacher` column for people; the annotator's name follows
REPEAT_AFTER = 10  # answers before a query is repeated, so that the annotator does not remember it
RATE_WINDOW = 600.0  # seconds of answers from which the present rate is computed

# Queries that fewer than :overlap people have answered or hold, without those that :by has answered or holds, and those of
# demonstrations; newest first, so that people judge the current policy.
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

# Queries that :by answered at least REPEAT_AFTER answers ago and that were not repeated, in a fixed pseudo-random order.
_REPEATABLE = f"""
SELECT query.id, segments, 1, kind FROM answer JOIN query ON query.id = query
WHERE teacher = 'human:' || :by AND round = 0
  AND NOT EXISTS (SELECT 1 FROM answer AS later WHERE later.query = query.id AND later.teacher = answer.teacher AND round = 1)
  AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.query = query.id AND annotator = :by)
  AND answered_at <= (
    SELECT answered_at FROM answer WHERE teacher = 'human:' || :by ORDER BY answered_at DESC LIMIT 1 OFFSET {REPEAT_AFTER - 1}
  )
ORDER BY (query.id * 7919 + 104729) % 10007
"""

_HELD = """
SELECT query.id, segments, round, kind FROM lease JOIN query ON query.id = lease.query
WHERE annotator = :by ORDER BY since, query.id DESC
"""

# A person's newest answer, of either round, unless the reward model has received it.
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

Ready = Callable[[Sequence[str]], bool]  # whether the clips of these segments are rendered
_Found = tuple[int, str, int, str]  # query id, segments, round, kind


class AnnotationQueue:
    """Assigns queries to annotators and records their answers.

    Each person holds their assigned queries for `seconds` after their last request. `overlap` people get the same query.
    `repeats` is the fraction of answers to repeated queries, which are shown in reverse order. `now` returns seconds since 1970.
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
            raise UserError(f"overlap is {overlap}, the number of people who answer one query: give at least 1.")
        if not 0 <= repeats <= 0.5:
            raise UserError(f"repeats is {repeats}, the fraction of queries that are repeated: give a number from 0 to 0.5.")
        self._database, self._overlap, self._repeats, self._seconds, self._now = database, overlap, repeats, seconds, now

    def assign(self, by: str, count: int, ready: Ready = lambda names: True) -> list[Shown]:
        """Up to `count` queries for one person, in display order: those they already hold, then new ones.

        Repeated calls return the same queries. Only queries whose clips are `ready` are assigned.
        """
        now = self._now()
        with self._database.writing() as db:
            db.execute("DELETE FROM lease WHERE until <= ?", (now,))
            db.execute("UPDATE lease SET until = ? WHERE annotator = ?", (now + self._seconds, by))
            held = db.execute(_HELD, {"by": by}).fetchall()
            for i, found in enumerate(self._find(db, by, count - len(held), ready)):
                self._lease(db, by, found[0], found[2], now + i * 1e-4)  # leases keep the display order
                held.append(found)
            return [_shown(by, *row) for row in held[:count]]

    def answer(self, by: str, reply: Reply) -> Outcome:
        """Record an answer. Submitting it again changes nothing; a different one replaces it until the reward model receives it.

        The clips identify the query, because ids are reused after a run resumes from a checkpoint. Raises InvalidAnswer for a
        value that does not fit the kind of the query.
        """
        with self._database.writing() as db:
            found = db.execute("SELECT segments, kind FROM query WHERE id = ?", (reply.query,)).fetchone()
            stored = () if found is None else tuple(json.loads(found[0]))
            if found is None or reply.clips not in (stored, stored[::-1]) or not self._is_valid_round(db, by, reply):
                return Outcome.GONE
            answer = find(found[1]).parse(reply.value, len(stored))
            row = _row(by, reply, answer, reply.clips != stored, self._now())
            db.execute("DELETE FROM lease WHERE query = ? AND annotator = ?", (reply.query, by))
            write(db, [row])
            sql = "SELECT ranks, rating FROM answer WHERE query = :query AND teacher = :teacher AND round = :round"
            return Outcome.KEPT if db.execute(sql, row).fetchone() == (row["ranks"], row["rating"]) else Outcome.TAKEN

    def flag(self, by: str, query: int, round: int, flagged: bool) -> bool:
        """Exclude a person's answer from later fits, or include it again; returns whether there is such an answer."""
        sql = "UPDATE answer SET flagged = ? WHERE query = ? AND teacher = ? AND round = ?"
        with self._database.writing() as db:
            return db.execute(sql, (int(flagged), query, PERSON + by, round)).rowcount > 0

    def history(self, by: str, most: int = 20) -> list[Given]:
        """The `most` newest answers of one person, newest first."""
        with self._database.reading() as db:
            return [_given(*row) for row in db.execute(_HISTORY, {"by": by, "most": most})]

    def leased(self, by: str) -> list[Lease]:
        """The unanswered queries that other people hold, newest first."""
        sql = """SELECT query, annotator, until FROM lease WHERE annotator != ? AND round = 0 AND until > ?
                 AND query NOT IN (SELECT query FROM answer WHERE round = 0) ORDER BY query DESC"""
        with self._database.reading() as db:
            return [Lease(*row) for row in db.execute(sql, (by, self._now()))]

    def undo(self, by: str, query: int, round: int) -> bool:
        """Undo a person's newest answer; they get its query again first.

        Returns False if the reward model has received the answer, or it is not the newest. Undoing it again changes nothing.
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
        """The clips of the queries to film: the `at_most` newest that each person may be assigned, then all held ones.

        This considers everyone who has answered or holds a query, and one new person: a query that is new to one person may be
        answered by another.
        """
        held = "SELECT segments FROM query WHERE id IN (SELECT query FROM lease) ORDER BY id DESC"
        with self._database.reading() as db:
            people = ["", *(name.removeprefix(PERSON) for (name,) in db.execute(_PEOPLE))]
            fresh = [db.execute(_FRESH, {"by": by, "overlap": self._overlap}).fetchmany(at_most) for by in people]
            in_turn = (found[1] for found in chain.from_iterable(zip_longest(*fresh)) if found is not None)
            named = dict.fromkeys([*in_turn, *(segments for (segments,) in db.execute(held))])
            return [tuple(json.loads(segments)) for segments in named]

    def unanswered(self) -> list[tuple[str, ...]]:
        """The clips of the queries without an answer, newest first."""
        sql = "SELECT segments FROM query WHERE id NOT IN (SELECT query FROM answer WHERE round = 0) ORDER BY id DESC"
        with self._database.reading() as db:
            return [tuple(json.loads(segments)) for (segments,) in db.execute(sql)]

    def statistics(self, by: str) -> AnnotatorStatistics:
        """The statistics of one person's answers."""
        who, since = PERSON + by, self._now() - RATE_WINDOW
        with self._database.reading() as db:
            sql = "SELECT COUNT(*), COALESCE(SUM(round > 0), 0) FROM answer WHERE teacher = ?"
            answers, repeats = db.execute(sql, (who,)).fetchone()
            sql = "SELECT COUNT(*), MIN(answered_at), MAX(answered_at) FROM answer WHERE teacher = ? AND answered_at > ?"
            return AnnotatorStatistics(
                answers, repeats, _rate(*db.execute(sql, (who, since)).fetchone()), db.execute(_LAST, {"by": by}).fetchone()
            )

    def rate(self) -> float:
        """The recent rate of all people together, in labels per hour."""
        sql = """SELECT COUNT(*), MIN(answered_at), MAX(answered_at) FROM answer
                 WHERE source = 'human' AND round = 0 AND answered_at > ?"""
        with self._database.reading() as db:
            return _rate(*db.execute(sql, (self._now() - RATE_WINDOW,)).fetchone())

    def _find(self, db: Connection, by: str, count: int, ready: Ready) -> list[_Found]:
        """The queries to assign next: one repeat if its fraction is below `repeats`, then the newest ones."""
        found: list[_Found] = []
        if count > 0 and self._repeat_due(db, by):
            found += islice(self._ready(db, _REPEATABLE, by, ready), 1)
        return found + list(islice(self._ready(db, _FRESH, by, ready), max(count - len(found), 0)))

    def _ready(self, db: Connection, sql: str, by: str, ready: Ready) -> Iterator[_Found]:
        return (row for row in db.execute(sql, {"by": by, "overlap": self._overlap}) if ready(json.loads(row[1])))

    def _is_valid_round(self, db: Connection, by: str, reply: Reply) -> bool:
        """Whether the round is valid: a repeat follows a first answer."""
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
    """The query as this person is shown it, with clips in order or reversed.

    A hash of person and clips decides, so that a reloaded page shows the same order. A repeat has the reverse order.
    """
    clips = tuple(json.loads(segments))
    coin = blake2b(" ".join((by, *clips)).encode(), digest_size=1).digest()[0] & 1
    return Shown(query, round, clips[::-1] if coin != round else clips, kind)


def _row(by: str, reply: Reply, answer: Answer, swapped: bool, now: float) -> dict[str, object]:
    """The columns of an answer, with ranks in the order of the query's clips."""
    ordered = answer.reversed() if swapped else answer
    return as_row(
        reply.query, PERSON + by, ordered, now, Source.HUMAN, round=reply.round, swapped=swapped, shown_at=now - reply.seen
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
    """The rate per hour of `count` events, from the times of the first and the last."""
    return 3600 * (count - 1) / (last - first) if first is not None and last is not None and last > first else 0.0
