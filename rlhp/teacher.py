"""Teachers: synthetic ones, one that answers late, people at the page, and a recorded run."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rlhp.feedback import Seen, Standard, find, ranks_of
from rlhp.perception import RunningMoments, check_faults, perceived_alone, perceived_together, return_of, tied
from rlhp.types import Answer, Array, Query, Recorded, Segment, Setup, Stateful, Teacher, UserError, make_rng


class Oracle:
    """Answers every query kind by the true return of the segments, without errors (section 2.2.3 and footnote 4).

    It always prefers the larger return; equal returns are ties. A single segment is compared with the newest `remember` segments
    of earlier queries (None: all): its rating is the fraction of them that are worse, and it is good if it is better than their
    median. A difference of at least `much` of their standard deviations is "much better". Raises UserError for values out of
    range.
    """

    def __init__(self, much: float = 1.0, remember: int | None = 200) -> None:
        self._seen = Seen(much, remember)

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer]:
        """Answer all queries."""
        returns = {query.id: [return_of(clip) for clip in query.clips] for query in queries}
        self._seen.add(returns)
        standard = self._seen.standard()
        return {query.id: find(query.kind).judge(returns[query.id], standard) for query in queries}

    def snapshot(self) -> dict[str, Array]:
        """The returns of the segments that it has seen."""
        return self._seen.snapshot()

    def restore(self, arrays: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._seen.restore(arrays)


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
        _check_never_waits(setup)

    def snapshot(self) -> dict[str, Array]:
        """The state of the wrapped teacher."""
        return self.teacher.snapshot() if isinstance(self.teacher, Stateful) else {}

    def restore(self, arrays: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        if isinstance(self.teacher, Stateful):
            self.teacher.restore(arrays)


AT_ONCE = 10  # maximum number of clips on the page


@dataclass(frozen=True, slots=True)
class Human:
    """People who answer at the page, which writes their answers to the store; this object returns no answers."""

    def check(self, setup: Setup) -> None:
        """Raises UserError if people cannot answer at the page."""
        clips = getattr(setup.query, "clips", 2)
        if setup.settings.get("page") is None:
            return  # answers are written to the store in another way
        if clips > AT_ONCE:
            raise UserError(
                f"people rank at most {AT_ONCE} clips at the page, and the queries of this run have {clips}; lower query.clips."
            )
        if setup.settings.get("film") is None:
            raise UserError(
                f"people need clips, and those of {setup.env.task} cannot be rendered: its yaml has no film; choose another env."
            )
        if getattr(setup.env, "filmed", None) == 0 and setup.env.states() is None:
            raise UserError(
                f"people need clips, and env.filmed=0 keeps no frames of {setup.env.task}; leave it out, or set it to 1 or more."
            )

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer]:
        """No answers."""
        return {}


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
        _check_never_waits(setup)
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


def _check_never_waits(setup: Setup) -> None:
    if setup.max_pending is not None:
        raise UserError("this teacher answers while training continues, so waiting would never end; set max_pending=null.")
