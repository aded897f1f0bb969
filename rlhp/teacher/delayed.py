"""A teacher that answers late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rlhp.teacher.waiting import check_never_waits
from rlhp.types import Answer, Array, Query, Setup, Stateful, Teacher, UserError


@dataclass(frozen=True, slots=True)
class Delayed:
    """Answers each query as `teacher` does, but `delay` environment steps later: for studies of label latency.

    It needs `max_pending: null`: a loop that waits for answers takes no steps, so the answers would never come.
    Raises UserError for a negative delay.
    """

    teacher: Teacher
    delay: int
    needs_time: ClassVar[bool] = True  # answers come while training continues

    def __post_init__(self) -> None:
        if self.delay < 0:
            raise UserError(f"teacher.delay is {self.delay}: give 0 or more environment steps.")

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer | Sequence[Answer]]:
        """Answer the queries that are due."""
        return self.teacher([query for query in queries if query.asked_step + self.delay <= step], step)

    def check(self, setup: Setup) -> None:
        """Raises UserError if training would wait for answers."""
        check_never_waits(setup)

    def snapshot(self) -> dict[str, Array]:
        """The state of the wrapped teacher."""
        return self.teacher.snapshot() if isinstance(self.teacher, Stateful) else {}

    def restore(self, arrays: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        if isinstance(self.teacher, Stateful):
            self.teacher.restore(arrays)
