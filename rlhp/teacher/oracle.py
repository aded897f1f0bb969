"""The teacher that makes no errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rlhp.feedback import Seen, find
from rlhp.perception import return_of
from rlhp.types import Answer, Array, Query, Segment


class Oracle:
    """Answers every query kind by the true return of the segments, without errors (section 2.2.3 and footnote 4).

    It always prefers the larger return; equal returns are ties. A single segment is compared with the newest `remember` segments
    of earlier queries (None: all): its rating is the fraction of them that are worse, and it is good if it is better than their
    median. A difference of at least `much` of their standard deviations is "much better". Raises UserError for values out of
    range.

    score: what is larger for a better segment, in place of the true return; a rule for whole clips, as in `rlhp.behaviours`.
    """

    def __init__(self, much: float = 1.0, remember: int | None = 200, score: Callable[[Segment], float] = return_of) -> None:
        self._score, self._seen = score, Seen(much, remember)

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer]:
        """Answer all queries."""
        returns = {query.id: [self._score(clip) for clip in query.clips] for query in queries}
        self._seen.add(returns)
        standard = self._seen.standard()
        return {query.id: find(query.kind).judge(returns[query.id], standard) for query in queries}

    def snapshot(self) -> dict[str, Array]:
        """The returns of the segments that it has seen."""
        return self._seen.snapshot()

    def restore(self, arrays: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._seen.restore(arrays)
