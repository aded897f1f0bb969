"""The simulated teachers of B-Pref, by its own parameters."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from rlhp.feedback import ranks_of
from rlhp.perception import check_faults, perceived_together, return_of, tied
from rlhp.types import Answer, Array, Query, Setup, UserError, make_rng


class BPref:
    """The simulated teachers of B-Pref (Lee et al. 2021, section 3), in raw returns, by the parameters of its `teacher_*` flags.

    beta: a segment with a return larger by d is preferred with probability sigmoid(beta * d). None (-1 in B-Pref): no noise.
    gamma: in (0, 1], weights step t of a segment of L steps by gamma^(L-1-t).
    eps_mistake: probability in [0, 1] that the order is reversed.
    eps_skip: the teacher cannot tell if no return is more than this fraction of the mean return.
    eps_equal: returns that differ by at most this fraction of the mean return are ties.

    The mean is that of the undiscounted returns of the newest `CLIPS` segments in queries; B-Pref takes that of the last ten
    training episodes, which contain as many segments. A fraction of the mean is of little use if returns are negative: use
    `Noisy` then. Random draws depend only on (seed, query id). As in B-Pref, it answers only comparisons and rankings. Raises
    UserError for values out of range.
    """

    CLIPS = 200  # ten episodes of 1000 steps, in segments of 50

    def __init__(
        self,
        seed: int,
        beta: float | None = None,
        gamma: float = 1.0,
        eps_mistake: float = 0.0,
        eps_skip: float = 0.0,
        eps_equal: float = 0.0,
    ) -> None:
        check_faults(beta, gamma, eps_mistake=eps_mistake)
        for name, share in (("eps_skip", eps_skip), ("eps_equal", eps_equal)):
            if not share >= 0:
                raise UserError(f"teacher.{name} is {share}: give 0 or more, a fraction of the mean return of a clip.")
        self.seed, self.beta, self.gamma = seed, beta, gamma
        self.eps_mistake, self.eps_skip, self.eps_equal = eps_mistake, eps_skip, eps_equal
        self._recent: deque[float] = deque(maxlen=self.CLIPS)
        self._last = -1  # id of the newest query counted in the mean; ids increase

    def check(self, setup: Setup) -> None:
        """Raises UserError for other query kinds than comparisons and rankings."""
        kind = setup.settings.get("feedback", "comparison")
        if kind not in ("comparison", "ranking"):
            raise UserError(
                f"B-Pref's teachers answer only comparisons and rankings, not feedback={kind}; choose teacher=noisy or oracle."
            )

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer]:
        """Answer all queries."""
        for query in sorted(queries, key=lambda query: query.id):
            if query.id > self._last:
                self._recent.extend(map(return_of, query.clips))
                self._last = query.id
        return {query.id: self._answer(query) for query in queries}

    def _answer(self, query: Query) -> Answer:
        mean, returns = math.fsum(self._recent) / len(self._recent), [return_of(clip) for clip in query.clips]
        if self.eps_skip > 0 and max(returns) <= self.eps_skip * mean:
            return Answer(None)
        judged = [return_of(clip, self.gamma) for clip in query.clips]
        perceived = perceived_together(make_rng(self.seed, "teacher", query.id), judged, self.beta, self.eps_mistake)
        return Answer(ranks_of(tied(perceived, returns, self.eps_equal * mean)))

    def snapshot(self) -> dict[str, Array]:
        """The returns of the newest segments."""
        return {"recent": np.array(self._recent), "last": np.array([self._last])}

    def restore(self, arrays: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._recent = deque(arrays["recent"].tolist(), maxlen=self.CLIPS)
        self._last = int(arrays["last"][0])
