"""What annotators are shown, what they submit, and what they gave."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The result of submitting an answer."""

    KEPT = "kept"  # the store has it, now or from an earlier submission
    TAKEN = "taken"  # the reward model has received an earlier, different one
    GONE = "gone"  # there is no such query (any more): the run resumed from a checkpoint and asked others


@dataclass(frozen=True, slots=True)
class Shown:
    """A query as one person is shown it."""

    query: int
    round: int  # 0, or 1 if it is a repeat
    clips: tuple[str, ...]  # ids of the segments, from left to right
    kind: str = "comparison"


@dataclass(frozen=True, slots=True)
class Reply:
    """A person's submission for a query that they were shown."""

    query: int
    round: int
    clips: tuple[str, ...]  # as they were shown
    value: object  # the argument of `parse` of the query's kind
    seen: float  # seconds for which the query was shown before the answer


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that a person has given, as shown in their history."""

    query: int
    round: int
    kind: str
    clips: tuple[str, ...]  # as they were shown
    value: list[int] | float | str  # the submitted value, as in `Reply`
    answered_at: float  # seconds since 1970
    taken: bool  # whether the reward model has received it, so that it cannot be undone
    flagged: bool  # whether later fits exclude it


@dataclass(frozen=True, slots=True)
class Lease:
    """A query that a person holds."""

    query: int
    annotator: str
    until: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class AnnotatorStatistics:
    """Statistics of one person's answers: counts, the recent rate, and the newest answer that can be undone (query, round)."""

    answers: int
    repeats: int
    per_hour: float
    undoable: tuple[int, int] | None
