"""Reads answers from a store as records, writes them, and imports them into a store with the same queries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from rlhp.store.codec import Source, decode, decode_answer, encode_ranks
from rlhp.store.connection import Database, damaged, reading, schema_version
from rlhp.store.migrate import added
from rlhp.types import Answer, Recorded, Segment, UserError

_SELECT = """
SELECT query, segments, teacher, {round}, ranks, {rating}, {swapped}, shown_at, answered_at, taken_step,
       {source}, {kind}, {flagged}
FROM answer JOIN query ON query.id = query ORDER BY query, teacher, 4
"""

_FIND = """
SELECT ranks, rating, swapped, shown_at, answered_at FROM answer WHERE query = :query AND teacher = :teacher AND round = :round
"""

# The same answer again changes nothing. Answers that the reward model has received are kept, and so are those of another source.
_WRITE = """
INSERT INTO answer (query, teacher, round, ranks, rating, swapped, shown_at, answered_at, taken_step, source, flagged)
SELECT id, :teacher, :round, :ranks, :rating, :swapped, :shown_at, :answered_at, :taken_step, :source, :flagged
FROM query WHERE id = :query
ON CONFLICT (query, teacher, round) DO UPDATE
SET ranks = excluded.ranks, rating = excluded.rating, swapped = excluded.swapped, shown_at = excluded.shown_at,
    answered_at = excluded.answered_at, flagged = excluded.flagged
WHERE taken_step IS NULL AND source = excluded.source AND (ranks, rating) IS NOT (excluded.ranks, excluded.rating)
"""


def as_row(
    query: int,
    teacher: str,
    answer: Answer,
    at: float,
    source: Source,
    *,
    round: int = 0,
    swapped: bool = False,
    shown_at: float | None = None,
    taken_step: int | None = None,
    flagged: bool = False,
) -> dict[str, object]:
    """The columns of an answer, see `schema.sql`; `at` is in seconds since 1970."""
    return {
        "query": query,
        "teacher": teacher,
        "round": round,
        "ranks": encode_ranks(answer),
        "rating": None if answer.rating is None else float(answer.rating),
        "swapped": int(swapped),
        "shown_at": shown_at,
        "answered_at": at,
        "taken_step": taken_step,
        "source": str(source),
        "flagged": int(flagged),
    }


def write(db: Connection, rows: Iterable[dict[str, object]]) -> None:
    """Write answers; each replaces its teacher's earlier one unless that is collected. Answers to unknown queries are ignored."""
    db.executemany(_WRITE, rows)


@dataclass(frozen=True, slots=True)
class Label:
    """One answer with everything that a store records of it; the columns of `schema.sql`.

    `ranks` follow the order of `clips`, whatever order was shown; `swapped`: the clips were shown in reverse order.
    """

    query: int
    clips: tuple[str, ...]  # digests of the clips' content
    annotator: str  # human:NAME for a person at the page
    round: int  # 0, or 1 for a repeat
    ranks: tuple[int, ...] | None
    swapped: bool
    shown_at: float | None  # seconds since 1970
    answered_at: float
    taken_step: int | None  # the step at which the reward model received it
    source: Source
    kind: str = "comparison"  # of the query
    rating: float | None = None  # neither ranks nor a rating: cannot tell
    flagged: bool = False  # withdrawn by its annotator, so that fits exclude it

    def answer(self) -> Answer:
        """The answer alone."""
        return Answer(self.ranks, self.rating)


def labels(path: Path) -> list[Label]:
    """All answers of a store, in order of query, annotator and round; opens the file read-only.

    Raises UserError if the file does not exist, is damaged, or is not a store.
    """
    with reading(path) as db:
        rows = db.execute(_SELECT.format(**added(schema_version(db)))).fetchall()
    return [
        Label(
            query,
            tuple(json.loads(clips)),
            who,
            round,
            decode_answer(ranks, rating).ranks,
            bool(swapped),
            shown,
            at,
            taken,
            Source(source),
            kind,
            rating,
            bool(flagged),
        )
        for query, clips, who, round, ranks, rating, swapped, shown, at, taken, source, kind, flagged in rows
    ]


def asked(path: Path) -> list[tuple[int, tuple[str, ...]]]:
    """The queries that were asked, oldest first, as pairs of the step and the digests of the clips.

    Opens the file read-only. Raises UserError if it does not exist, is damaged, or is not a store.
    """
    with reading(path) as db:
        rows = db.execute(f"SELECT asked_step, segments FROM query WHERE {_asked(db)} ORDER BY id").fetchall()
    return [(step, tuple(json.loads(clips))) for step, clips in rows]


def segments(path: Path, ids: Iterable[str]) -> Iterator[tuple[str, Segment]]:
    """The clips with these ids, one after the other; opens the file read-only.

    Raises UserError if the file does not exist, is damaged, is not a store, or lacks one of them.
    """
    with reading(path) as db:
        for id in ids:
            try:
                yield id, decode(id, db.execute("SELECT arrays FROM segment WHERE id = ?", (id,)).fetchone()[0])
            except (TypeError, ValueError) as error:  # a missing or corrupted row
                raise UserError(damaged(path)) from error


def recorded(path: str | Path) -> dict[int, Recorded]:
    """The queries that a run asked, by id, each with the answers that the run used; opens the file read-only.

    Raises UserError if the file does not exist, is damaged, or is not a store.
    """
    sql = (
        "SELECT query, taken_step, ranks, {rating}, teacher FROM answer WHERE taken_step IS NOT NULL ORDER BY taken_step, teacher"
    )
    with reading(Path(path)) as db:
        questions = db.execute(f"SELECT id, segments FROM query WHERE {_asked(db)} ORDER BY id").fetchall()
        used: dict[int, list[tuple[int, Answer]]] = {id: [] for id, _ in questions}
        for id, step, ranks, rating, who in db.execute(sql.format(**added(schema_version(db)))):
            if id in used:
                used[id].append((step, decode_answer(ranks, rating, "" if who == Source.SYNTHETIC else who)))
    return {id: Recorded(tuple(json.loads(clips)), tuple(used[id])) for id, clips in questions}


def _asked(db: Connection) -> str:
    """The SQL condition of queries that a teacher was asked; demonstrations answer the others."""
    source = added(schema_version(db))["source"]
    return f"id NOT IN (SELECT query FROM answer WHERE {source} = '{Source.DEMONSTRATION}')"


def import_answers(database: Database, given: Sequence[Label]) -> int:
    """Write answers into a store that has the same queries, unchanged; returns the number of new ones.

    Answers of another run's own teacher become imports, which this run never deletes. Existing answers are kept, with the step at
    which this store's run collected them. Raises UserError, and writes none, if a query differs or has a different answer.
    """
    with database.writing() as db:
        return sum(_import(db, database.path, label) for label in given)


def _import(db: Connection, path: Path, label: Label) -> bool:
    found = db.execute("SELECT segments, kind FROM query WHERE id = ?", (label.query,)).fetchone()
    if found is None or (tuple(json.loads(found[0])), found[1]) != (label.clips, label.kind):
        problem = "is not in" if found is None else "has other clips or another kind in"
        raise UserError(f"Query {label.query} {problem} {path}: import labels into a store that has the same queries.")
    new = _row_of(label)
    existing = db.execute(_FIND, new).fetchone()
    if existing is None:
        write(db, [new])
    elif existing != tuple(new[name] for name in ("ranks", "rating", "swapped", "shown_at", "answered_at")):
        raise UserError(f"{label.annotator} has another answer to query {label.query} in {path}: remove one of them.")
    return existing is None


def _row_of(label: Label) -> dict[str, object]:
    return as_row(
        label.query,
        label.annotator,
        label.answer(),
        label.answered_at,
        Source.IMPORT if label.source is Source.SYNTHETIC else label.source,
        round=label.round,
        swapped=label.swapped,
        shown_at=label.shown_at,
        taken_step=label.taken_step,
        flagged=label.flagged,
    )
