"""How long an answer can be undone before the reward model may take it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlhp.types import UserError

# An answer with a time in the future does not rest: the clock was set back, and nobody should wait until it has caught up.
RESTS = """
    source = 'human' AND :now - answered_at >= 0 AND :now - answered_at < :rest_seconds
    AND :rest_answers > (
        SELECT COUNT(*) FROM answer AS later WHERE later.teacher = answer.teacher
        AND (later.answered_at, later.query, later.round) > (answer.answered_at, answer.query, answer.round)
    )
"""


@dataclass(frozen=True, slots=True)
class UndoWindow:
    """A person's answer rests until they have given `answers` more, or for `seconds`, whichever comes first.

    While it rests it can be undone, and the reward model does not take it. 0 of either: answers do not rest. What programs
    answered, and what was imported, never rests. Raises UserError for what is no finite number of 0 or more.
    """

    answers: int = 2
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if not _amount(self.answers):
            raise UserError(f"page.rest_answers is {self.answers}: give 0 or more answers.")
        if not _amount(self.seconds):
            raise UserError(f"page.rest_seconds is {self.seconds}: give 0 or more seconds.")

    @classmethod
    def of(cls, page: Mapping[str, Any] | None) -> UndoWindow:
        """The rest that a run's `page` settings ask for: `rest_answers` and `rest_seconds`, each with its default."""
        given = page or {}
        return cls(**{name: given[f"rest_{name}"] for name in ("answers", "seconds") if f"rest_{name}" in given})

    def at(self, now: float) -> dict[str, float]:
        """The parameters of `RESTS` at the time `now`, in seconds since 1970."""
        return {"rest_answers": self.answers, "rest_seconds": self.seconds, "now": now}


def _amount(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why `Store.wait` waits: counts of questions."""

    unanswered: int
    resting: int  # answered, but an answer to them can still be undone
    at_most: int  # how many of both together there may be

    def over(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.unanswered + self.resting <= self.at_most
