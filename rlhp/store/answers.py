"""Answers as records: how they are written, read from a store, and put into one that holds the same questions."""

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

# The same answer again changes nothing, an answer that is taken stands, and so does what came from elsewhere.
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
    """The columns of an answer, see `schema.sql`; `at`: seconds since 1970."""
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
    """Write answers, each in place of its teacher's earlier one unless that is taken; those to unknown questions are ignored."""
    db.executemany(_WRITE, rows)


@dataclass(frozen=True, slots=True)
class Label:
    """One answer, with all that a store knows of it; the columns of `schema.sql`.

    `ranks` follow the order of `clips` whatever was shown; `swapped`: it was shown the other way round.
    """

    query: int
    clips: tuple[str, ...]  # digests of the clips' content
    annotator: str  # human:NAME where a person answered at the page
    round: int  # 0, or 1 where the same person was asked once more
    ranks: tuple[int, ...] | None
    swapped: bool
    shown_at: float | None  # seconds since 1970
    answered_at: float
    taken_step: int | None  # the step at which the reward model first saw it
    source: Source
    kind: str = "comparison"  # of the question
    rating: float | None = None  # neither ranks nor a rating: cannot tell
    flagged: bool = False  # its annotator takes it back, so that it is not learned from

    def answer(self) -> Answer:
        """What was said."""
        return Answer(self.ranks, self.rating)


def labels(path: Path) -> list[Label]:
    """All answers of a store, in order of question, annotator and round; the file is only read.

    Raises UserError if the file is not there, damaged, or not a store.
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
    """The questions that were asked, oldest first: the step at which each was, and the digests of its clips.

    The file is only read. Raises UserError if it is not there, damaged, or not a store.
    """
    with reading(path) as db:
        rows = db.execute(f"SELECT asked_step, segments FROM query WHERE {_asked(db)} ORDER BY id").fetchall()
    return [(step, tuple(json.loads(clips))) for step, clips in rows]


def segments(path: Path, ids: Iterable[str]) -> Iterator[tuple[str, Segment]]:
    """The clips of these ids, one after the other; the file is only read.

    Raises UserError if the file is not there, damaged, not a store, or lacks one of them.
    """
    with reading(path) as db:
        for id in ids:
            try:
                yield id, decode(id, db.execute("SELECT arrays FROM segment WHERE id = ?", (id,)).fetchone()[0])
            except (TypeError, ValueError) as error:  # a missing row, or other bytes than were stored
                raise UserError(damaged(path)) from error


def recorded(path: str | Path) -> dict[int, Recorded]:
    """The questions that a run asked, by id, each with the answers that the run used; the file is only read.

    Raises UserError if the file is not there, damaged, or not a store.
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
    """What holds of a question that somebody was asked, in SQL; demonstrations answer those that nobody is."""
    source = added(schema_version(db))["source"]
    return f"id NOT IN (SELECT query FROM answer WHERE {source} = '{Source.DEMONSTRATION}')"


def import_answers(database: Database, given: Sequence[Label]) -> int:
    """Write answers into a store that holds the same questions, exactly as they are given; the number of new ones.

    What another run's own teacher answered is an import here, which this run never deletes. An answer that is there already
    stays as it is, with the step at which this store's own run took it.
    Raises UserError, and writes none of them, where a question is not the same or was answered otherwise.
    """
    with database.writing() as db:
        return sum(_put(db, database.path, label) for label in given)


def _put(db: Connection, path: Path, label: Label) -> bool:
    found = db.execute("SELECT segments, kind FROM query WHERE id = ?", (label.query,)).fetchone()
    if found is None or (tuple(json.loads(found[0])), found[1]) != (label.clips, label.kind):
        there = "is not in" if found is None else "asks something else in"
        raise UserError(f"Question {label.query} {there} {path}: labels go into a store that holds the same questions.")
    new = _row_of(label)
    there = db.execute(_FIND, new).fetchone()
    if there is None:
        write(db, [new])
    elif there != tuple(new[name] for name in ("ranks", "rating", "swapped", "shown_at", "answered_at")):
        raise UserError(f"{label.annotator} has answered question {label.query} otherwise in {path}: leave one out.")
    return there is None


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
