"""Who compares: synthetic teachers, a late one, a person elsewhere, a recording."""

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
    """Answers every kind of question by the sums of true reward, without error (section 2.2.3 and footnote 4).

    Of several clips it prefers the larger sum, always; equal sums tie. A single clip it compares with those that it has seen
    before, the newest `remember` ones that were asked about (None: all): it rates by the share of them that are worse, and
    calls good what is better than their median. Better by `much` of their standard deviations is much better. Raises UserError
    for values out of range.
    """

    def __init__(self, much: float = 1.0, remember: int | None = 200) -> None:
        self._seen = Seen(much, remember)

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer]:
        """Every question answered."""
        returns = {query.id: [return_of(clip) for clip in query.clips] for query in queries}
        self._seen.add(returns)
        standard = self._seen.standard()
        return {query.id: find(query.kind).judge(returns[query.id], standard) for query in queries}

    def snapshot(self) -> dict[str, Array]:
        """What it remembers: the returns of the clips that it has seen."""
        return self._seen.snapshot()

    def restore(self, arrays: dict[str, Array]) -> None:
        """Take up the state of a snapshot."""
        self._seen.restore(arrays)


class Noisy:
    """The irrational teachers of B-Pref (Lee et al. 2021, section 3), one or several faults at once.

    beta: rationality, per standard deviation of the returns of the clips seen so far; a better clip by d standard deviations
        is preferred with probability sigmoid(beta * d). K > 2 clips are ranked by Plackett-Luce, its kin. A single clip is found
        better than one seen before with the same probability. None: no noise.
    mistake: probability in [0, 1] that the whole order is reversed, or a single clip found as much below the median as it is
        above.
    skip_below: cannot tell when every clip's return is so many standard deviations above (negative: below) the mean, or lower.
    equal_within: returns that differ by at most so many standard deviations tie.
    gamma: in (0, 1], weighs step t of a clip of L steps by gamma^(L-1-t), so that later steps count more (myopia).
    much, remember: as for `Oracle`.

    B-Pref measures in raw returns; standard deviations carry over to tasks of any reward scale and sign. They are taken over
    all clips of all questions seen, each question once, so the teacher has a state: see `snapshot`. Random draws depend on
    (seed, question id) alone. Raises UserError for values out of range.
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
        self._last = -1  # the newest question counted in the spread; ids grow

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer]:
        """Every question answered."""
        returns = {query.id: [return_of(clip, self.gamma) for clip in query.clips] for query in queries}
        self._seen.add(returns)
        for id in sorted(id for id in returns if id > self._last):
            self._spread.add(returns[id])
            self._last = id
        standard = self._seen.standard(self._spread.mean, self._spread.deviation())
        return {query.id: self._answer(query, self._spread.scores(returns[query.id]), standard) for query in queries}

    def _answer(self, query: Query, scores: list[float], standard: Standard) -> Answer:
        """Scores are returns in standard deviations from the mean, one per clip."""
        if self.skip_below is not None and max(scores) <= self.skip_below:
            return Answer(None)
        rng = make_rng(self.seed, "teacher", query.id)
        if len(scores) == 1:
            perceived = [perceived_alone(rng, scores[0], self.beta, self.mistake, standard.middle())]
        else:
            perceived = tied(perceived_together(rng, scores, self.beta, self.mistake), scores, self.equal_within)
        return find(query.kind).judge(perceived, standard)

    def snapshot(self) -> dict[str, Array]:
        """What it remembers: the spread of the returns it has seen, and the newest of them."""
        spread = {
            "spread": np.array([self._spread.count, self._spread.mean, self._spread.squares]),
            "last": np.array([self._last]),
        }
        return spread | self._seen.snapshot()

    def restore(self, arrays: dict[str, Array]) -> None:
        """Take up the state of a snapshot."""
        count, mean, squares = (float(number) for number in arrays["spread"])
        self._spread, self._last = RunningMoments(int(count), mean, squares), int(arrays["last"][0])
        self._seen.restore(arrays)


class BPref:
    """The simulated teachers of B-Pref (Lee et al. 2021, section 3), by the parameters of its `teacher_*` flags, in raw returns.

    beta: a clip that returns d more is preferred with probability sigmoid(beta * d). None, where B-Pref says -1: no noise.
    gamma: in (0, 1], weighs step t of a clip of L steps by gamma^(L-1-t).
    eps_mistake: probability in [0, 1] that the order is reversed.
    eps_skip: cannot tell where no clip returns more than this share of the mean clip.
    eps_equal: clips tie whose returns differ by at most this share of the mean clip's.

    The mean is of the undiscounted returns of the newest `CLIPS` clips that were asked about; B-Pref's is of the last ten
    training episodes, which hold as many. A share of the mean means little where returns are negative: see `Noisy` for those.
    Random draws depend on (seed, question id) alone. They compare and rank; B-Pref asks nothing else. Raises UserError for values
    out of range.
    """

    CLIPS = 200  # ten episodes of 1000 steps, in clips of 50

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
                raise UserError(f"teacher.{name} is {share}: give 0 or more, a share of the mean return of a clip.")
        self.seed, self.beta, self.gamma = seed, beta, gamma
        self.eps_mistake, self.eps_skip, self.eps_equal = eps_mistake, eps_skip, eps_equal
        self._recent: deque[float] = deque(maxlen=self.CLIPS)
        self._last = -1  # the newest question counted in the mean; ids grow

    def check(self, setup: Setup) -> None:
        """Raises UserError where other questions are asked."""
        kind = setup.settings.get("feedback", "comparison")
        if kind not in ("comparison", "ranking"):
            raise UserError(
                f"B-Pref's teachers compare and rank, and feedback={kind} is asked for; choose teacher=noisy or oracle."
            )

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer]:
        """Every question answered."""
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
        """What it remembers: the returns of the newest clips."""
        return {"recent": np.array(self._recent), "last": np.array([self._last])}

    def restore(self, arrays: dict[str, Array]) -> None:
        """Take up the state of a snapshot."""
        self._recent = deque(arrays["recent"].tolist(), maxlen=self.CLIPS)
        self._last = int(arrays["last"][0])


@dataclass(frozen=True, slots=True)
class Delayed:
    """Answers a question `delay` environment steps after it was asked, as `teacher` would: for studies of label latency.

    Only for `max_pending: null`: a loop that waits for answers takes no steps, so these would never come.
    Raises UserError for a negative delay.
    """

    teacher: Teacher
    delay: int
    needs_time: ClassVar[bool] = True  # answers come as training goes on

    def __post_init__(self) -> None:
        if self.delay < 0:
            raise UserError(f"teacher.delay is {self.delay}: give 0 or more environment steps.")

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer | Sequence[Answer]]:
        """The questions that are due, answered."""
        return self.teacher([query for query in queries if query.asked_step + self.delay <= step], step)

    def check(self, setup: Setup) -> None:
        """Raises UserError where training would wait for answers."""
        _check_never_waits(setup)

    def snapshot(self) -> dict[str, Array]:
        """What the teacher within remembers."""
        return self.teacher.snapshot() if isinstance(self.teacher, Stateful) else {}

    def restore(self, arrays: dict[str, Array]) -> None:
        """Take up the state of a snapshot."""
        if isinstance(self.teacher, Stateful):
            self.teacher.restore(arrays)


AT_ONCE = 10  # clips that the page shows


@dataclass(frozen=True, slots=True)
class Human:
    """A person, who answers at the page, straight into the store: here nothing is ever said."""

    def check(self, setup: Setup) -> None:
        """Raises UserError where people could not answer at the page."""
        clips = getattr(setup.query, "clips", 2)
        if setup.settings.get("page") is None:
            return  # whoever answers does so at the store
        if clips > AT_ONCE:
            raise UserError(
                f"people rank at most {AT_ONCE} clips at the page, and questions of {clips} are asked; lower query.clips."
            )
        if setup.settings.get("film") is None:
            raise UserError(
                f"people need clips, and those of {setup.env.task} cannot be drawn: its yaml names no film; choose another env."
            )
        if getattr(setup.env, "filmed", None) == 0 and setup.env.states() is None:
            raise UserError(
                f"people need clips, and env.filmed=0 keeps no frames of {setup.env.task}; leave it out, or set it to 1 or more."
            )

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer]:
        """Nothing."""
        return {}


class Replay:
    """A recorded run's answers, each from the step at which it was first used: that run again, if all else is equal.

    `questions` of that run are by id (`rlhp.store.recorded` reads them), and `digest` tells a clip by its content: each question
    asked here must compare the clips that it compared there. `admits` may refuse a run whose questions would be others. Where
    several people answered one question, all their answers are given. Only for `max_pending: null`, as a question that was never
    answered stays open.
    Raises UserError if no answer was used, and, when called, at the first question that is another one.
    """

    needs_time: ClassVar[bool] = True

    def __init__(
        self,
        questions: Mapping[int, Recorded],
        digest: Callable[[Segment], str],
        admits: Callable[[Setup], None] = lambda setup: None,
    ) -> None:
        if not any(question.answers for question in questions.values()):
            raise UserError(
                "that run has used no answer, so there is nothing to repeat: give the directory of a run that took labels."
            )
        self._questions, self._digest, self._admits = questions, digest, admits
        self._seen: set[int] = set()  # the questions that were asked here too
        self._step = -1  # the answers that were used by then are given

    def check(self, setup: Setup) -> None:
        """Raises UserError where training would wait for answers, or its questions would be others."""
        _check_never_waits(setup)
        self._admits(setup)

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Sequence[Answer]]:
        """The recorded answers that had been used by `step`: to these questions, and later ones to questions answered before."""
        for query in queries:
            self._recognise(query)
        new = {id for id, question in self._questions.items() if any(self._step < taken <= step for taken, _ in question.answers)}
        if unasked := new - self._seen:
            raise _another(min(unasked))
        self._step = step
        due = {id: self._due(id, step) for id in sorted(new | {query.id for query in queries})}
        return {id: answers for id, answers in due.items() if answers}

    def _recognise(self, query: Query) -> None:
        recorded = self._questions.get(query.id)
        if recorded is None or query.id in self._seen:
            return
        if tuple(map(self._digest, query.clips)) != recorded.clips:
            raise _another(query.id)
        self._seen.add(query.id)

    def _due(self, id: int, step: int) -> tuple[Answer, ...]:
        recorded = self._questions.get(id)
        return () if recorded is None else tuple(answer for taken, answer in recorded.answers if taken <= step)

    def snapshot(self) -> dict[str, Array]:
        """The questions that were asked, and the step up to which answers were given."""
        return {"seen": np.array(sorted(self._seen), np.int64), "step": np.array([self._step])}

    def restore(self, arrays: dict[str, Array]) -> None:
        """Take up the state of a snapshot."""
        self._seen, self._step = set(arrays["seen"].tolist()), int(arrays["step"][0])


def _another(id: int) -> UserError:
    return UserError(
        f"question {id} is not the one that the recorded run asked, so its answers cannot be repeated: train on the machine of "
        "that run, with its numeric precision and versions (versions.json), unless people answered it and it was killed and "
        "resumed, which cannot be repeated."
    )


def _check_never_waits(setup: Setup) -> None:
    if setup.max_pending is not None:
        raise UserError("this teacher answers as training goes on, so waiting for it would never end; set max_pending=null.")
