"""The answers of a recorded run as a teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from rlhp.teacher.waiting import check_never_waits
from rlhp.types import Answer, Array, Query, Recorded, Segment, Setup, UserError


class Replay:
    """Repeats the answers of a recorded run, each at the step of its first use; with the same settings, that reproduces the run.

    `questions` are the queries of that run by id (`rlhp.store.recorded` reads them). `digest` identifies a segment by its
    content: a query with the same id must show the same segments as in the recorded run. `admits` may reject a run whose queries
    would differ. If several people answered a query, all their answers are repeated. It needs `max_pending: null`, since a query
    without a recorded answer stays unanswered.
    Raises UserError if the run used no answer, and on a call at the first query that differs.
    """

    needs_time: ClassVar[bool] = True

    def __init__(
        self,
        questions: Mapping[int, Recorded],
        digest: Callable[[Segment], str],
        admits: Callable[[Setup], None] = lambda setup: None,
    ) -> None:
        if not any(question.answers for question in questions.values()):
            raise UserError("that run used no answers, so there is nothing to repeat: give the directory of a run with labels.")
        self._queries, self._digest, self._admits = questions, digest, admits
        self._seen: set[int] = set()  # ids of recorded queries that were asked in this run too
        self._step = -1  # answers used by this step have been returned

    def check(self, setup: Setup) -> None:
        """Raises UserError if training would wait for answers, or if its queries would differ."""
        check_never_waits(setup)
        self._admits(setup)

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Sequence[Answer]]:
        """Return the recorded answers used by `step`: to these queries, and later answers to queries answered before."""
        for query in queries:
            self._check_same(query)
        new = {id for id, query in self._queries.items() if any(self._step < used <= step for used, _ in query.answers)}
        if unasked := new - self._seen:
            raise _different_query(min(unasked))
        self._step = step
        due = {id: self._due(id, step) for id in sorted(new | {query.id for query in queries})}
        return {id: answers for id, answers in due.items() if answers}

    def _check_same(self, query: Query) -> None:
        recorded = self._queries.get(query.id)
        if recorded is None or query.id in self._seen:
            return
        if tuple(map(self._digest, query.clips)) != recorded.clips:
            raise _different_query(query.id)
        self._seen.add(query.id)

    def _due(self, id: int, step: int) -> tuple[Answer, ...]:
        recorded = self._queries.get(id)
        return () if recorded is None else tuple(answer for used, answer in recorded.answers if used <= step)

    def snapshot(self) -> dict[str, Array]:
        """The ids of the queries asked so far, and the step up to which answers were returned."""
        return {"seen": np.array(sorted(self._seen), np.int64), "step": np.array([self._step])}

    def restore(self, arrays: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._seen, self._step = set(arrays["seen"].tolist()), int(arrays["step"][0])


def _different_query(id: int) -> UserError:
    return UserError(
        f"query {id} differs from that of the recorded run, so its answers cannot be repeated: train on the machine of that run, "
        "with its numeric precision and versions (versions.json); a run that people answered and that was killed and resumed "
        "cannot be repeated."
    )
