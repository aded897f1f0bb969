"""The undo window: how long an answer can be undone before the reward model receives it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlhp.types import UserError

# An answer with a time in the future has no undo window: the clock was set back, and nobody should wait until it catches up.
RESTS = """
    source = 'human' AND :now - answered_at >= 0 AND :now - answered_at < :rest_seconds
    AND :rest_answers > (
        SELECT COUNT(*) FROM answer AS later WHERE later.teacher = answer.teacher
        AND (later.answered_at, later.query, later.round) > (answer.answered_at, answer.query, answer.round)
    )
"""


@dataclass(frozen=True, slots=True)
class UndoWindow:
    """A person's answer can be undone until they have given `answers` more, or for `seconds`, whichever comes first.

    The reward model receives it after that. 0 of either disables the window. Answers of programs and imported answers have none.
    Raises UserError unless both are finite numbers of at least 0.
    """

    answers: int = 2
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if not _amount(self.answers):
            raise UserError(f"page.rest_answers is {self.answers}: give a number of at least 0.")
        if not _amount(self.seconds):
            raise UserError(f"page.rest_seconds is {self.seconds}: give a number of at least 0.")

    @classmethod
    def of(cls, page: Mapping[str, Any] | None) -> UndoWindow:
        """The undo window of a run's `page` settings: `rest_answers` and `rest_seconds`, each with its default."""
        given = page or {}
        return cls(**{name: given[f"rest_{name}"] for name in ("answers", "seconds") if f"rest_{name}" in given})

    def at(self, now: float) -> dict[str, float]:
        """The SQL parameters of `RESTS` at the time `now`, in seconds since 1970."""
        return {"rest_answers": self.answers, "rest_seconds": self.seconds, "now": now}


def _amount(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The reason for which `Store.wait` waits, as counts of queries."""

    unanswered: int
    resting: int  # answered, but an answer can still be undone
    at_most: int  # wait until at most this many of both remain

    def over(self) -> bool:
        """Whether the wait is over."""
        return self.unanswered + self.resting <= self.at_most
