"""Summaries of a store: counts of queries, people's answers and answer times."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rlhp.store.annotation_queue import PERSON
from rlhp.store.connection import Database, open_unchecked, schema_version
from rlhp.store.migrate import added

# the step at which the first answer to each query was collected
_FIRST_TAKEN = """
SELECT query, MIN(taken_step) AS step, segments FROM answer JOIN query ON query.id = query
WHERE taken_step IS NOT NULL AND source != 'demonstration' GROUP BY query
"""

_JUDGED = """
SELECT query, teacher, ranks, rating, answered_at FROM answer
WHERE source = 'human' AND round = 0 AND NOT flagged AND (ranks IS NOT NULL OR rating IS NOT NULL)
"""

_PEOPLE = "SELECT DISTINCT teacher FROM answer WHERE source = 'human' UNION SELECT 'human:' || annotator FROM lease"

_COUNTS = """
SELECT (SELECT COUNT(*) FROM query WHERE id NOT IN (SELECT query FROM answer WHERE {source} = 'demonstration')),
       (SELECT COUNT(DISTINCT query) FROM answer WHERE {round} = 0 AND {source} != 'demonstration'),
       (SELECT COUNT(DISTINCT query) FROM answer WHERE taken_step IS NOT NULL AND {source} != 'demonstration')
"""


@dataclass(frozen=True, slots=True)
class FirstUse:
    """A query, the step at which the reward model first received an answer to it, and the ids of its clips."""

    query: int
    step: int
    clips: tuple[str, ...]


def used_after(database: Database, step: int) -> tuple[int, list[FirstUse]]:
    """The number of queries first collected up to `step`, and the queries collected later, by step and id."""
    with database.reading() as db:
        before = db.execute(f"SELECT COUNT(*) FROM ({_FIRST_TAKEN}) WHERE step <= ?", (step,)).fetchone()[0]
        rows = db.execute(f"SELECT * FROM ({_FIRST_TAKEN}) WHERE step > ? ORDER BY step, query", (step,)).fetchall()
    return before, [FirstUse(query, at, tuple(json.loads(clips))) for query, at, clips in rows]


@dataclass(frozen=True, slots=True)
class Judged:
    """A person's answer to a query: a rank for each clip, in the store's order (lower is better), or a rating of its one clip."""

    query: int
    annotator: str
    ranks: tuple[int, ...] | None
    rating: float | None
    answered_at: float  # seconds since 1970


def judged(database: Database, annotator: str | None = None) -> list[Judged]:
    """The rankings and ratings of one person, or of everyone, without repeats and flagged answers."""
    with database.reading() as db:
        sql, who = (_JUDGED, ()) if annotator is None else (f"{_JUDGED} AND teacher = ?", (PERSON + annotator,))
        rows = db.execute(sql, who).fetchall()
    return [
        Judged(query, who.removeprefix(PERSON), None if ranks is None else tuple(json.loads(ranks)), rating, at)
        for query, who, ranks, rating, at in rows
    ]


def newest_clips(database: Database, at_most: int) -> list[str]:
    """The ids of the clips of the newest `at_most` queries, newest first."""
    with database.reading() as db:
        rows = db.execute("SELECT segments FROM query ORDER BY id DESC LIMIT ?", (at_most,)).fetchall()
    return list(dict.fromkeys(name for (segments,) in rows for name in json.loads(segments)))


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of queries, as in `Store`."""

    asked: int = 0
    answered: int = 0
    used: int = 0


def counts(path: Path) -> Counts:
    """The counts of a store; opens the file read-only and does not check its content. Raises UserError if it is not a store."""
    with open_unchecked(path) as db:
        return Counts(*db.execute(_COUNTS.format(**added(schema_version(db)))).fetchone())


def people(database: Database) -> list[str]:
    """The names of the people who have answered at the page or hold a query there, in alphabetical order."""
    with database.reading() as db:
        names = [name for (name,) in db.execute(_PEOPLE) if name.startswith(PERSON)]
    return sorted(name.removeprefix(PERSON) for name in names)


def times(database: Database, annotator: str | None = None) -> dict[str, list[float]]:
    """When people answered, in seconds since 1970, including repeats, by annotator; of one person or everyone."""
    found: dict[str, list[float]] = {}
    with database.reading() as db:
        rows = db.execute("SELECT teacher, answered_at FROM answer WHERE source = 'human' ORDER BY answered_at").fetchall()
    for who, at in rows:
        name = who.removeprefix(PERSON)
        if annotator in (None, name):
            found.setdefault(name, []).append(at)
    return found
