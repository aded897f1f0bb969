"""A teacher with the faults of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rlhp.feedback import Seen, Standard, find
from rlhp.perception import RunningMoments, check_faults, perceived_alone, perceived_together, return_of, tied
from rlhp.types import Answer, Array, Query, UserError, make_rng


class Noisy:
    """The irrational teachers of B-Pref (Lee et al. 2021, section 3), with one or several faults at once.

    beta: rationality per standard deviation of the returns of the segments seen so far: a segment that is better by d standard
        deviations is preferred with probability sigmoid(beta * d). K > 2 segments are ranked by the Plackett-Luce model, which
        generalises this. A single segment is judged better than an earlier one with the same probability. None: no noise.
    mistake: probability in [0, 1] that the whole order is reversed, or that a single segment is judged as far below the median
        as it is above.
    skip_below: the teacher cannot tell if no return is more than this many standard deviations above the mean (negative: below).
    equal_within: returns that differ by at most this many standard deviations are ties.
    gamma: in (0, 1], weights step t of a segment of L steps by gamma^(L-1-t), so that later steps count more (myopia).
    much, remember: as for `Oracle`.

    B-Pref uses raw returns; standard deviations suit tasks of any reward scale and sign. They are computed over all segments of
    all queries seen, each query once, so the teacher has a state (see `snapshot`). Random draws depend only on (seed, query id).
    Raises UserError for values out of range.
    """

    def __init__(
        self,
        seed: int,
        beta: float | None = None,
        mistake: float = 0.0,
        skip_below: float | None = None,
        equal_within: float = 0.0,
        gamma: float = 1.0,
        much: float = 1.0,
        remember: int | None = 200,
    ) -> None:
        check_faults(beta, gamma, mistake=mistake)
        if not equal_within >= 0:
            raise UserError(f"teacher.equal_within is {equal_within}: give 0 or more standard deviations.")
        self.seed, self.beta, self.mistake = seed, beta, mistake
        self.skip_below, self.equal_within, self.gamma = skip_below, equal_within, gamma
        self._spread, self._seen = RunningMoments(), Seen(much, remember)
        self._last = -1  # id of the newest query counted in the spread; ids increase

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer]:
        """Answer all queries."""
        returns = {query.id: [return_of(clip, self.gamma) for clip in query.clips] for query in queries}
        self._seen.add(returns)
        for id in sorted(id for id in returns if id > self._last):
            self._spread.add(returns[id])
            self._last = id
        standard = self._seen.standard(self._spread.mean, self._spread.deviation())
        return {query.id: self._answer(query, self._spread.scores(returns[query.id]), standard) for query in queries}

    def _answer(self, query: Query, scores: list[float], standard: Standard) -> Answer:
        """Answer a query given its scores, which are returns in standard deviations from the mean, one per segment."""
        if self.skip_below is not None and max(scores) <= self.skip_below:
            return Answer(None)
        rng = make_rng(self.seed, "teacher", query.id)
        if len(scores) == 1:
            perceived = [perceived_alone(rng, scores[0], self.beta, self.mistake, standard.middle())]
        else:
            perceived = tied(perceived_together(rng, scores, self.beta, self.mistake), scores, self.equal_within)
        return find(query.kind).judge(perceived, standard)

    def snapshot(self) -> dict[str, Array]:
        """The moments of the returns that it has seen, and the newest returns."""
        spread = {
            "spread": np.array([self._spread.count, self._spread.mean, self._spread.squares]),
            "last": np.array([self._last]),
        }
        return spread | self._seen.snapshot()

    def restore(self, arrays: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        count, mean, squares = (float(number) for number in arrays["spread"])
        self._spread, self._last = RunningMoments(int(count), mean, squares), int(arrays["last"][0])
        self._seen.restore(arrays)
