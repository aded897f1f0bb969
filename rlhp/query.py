"""Which clips are compared (section 2.2.4)."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np

from rlhp import preference
from rlhp.feedback import asked_about, find
from rlhp.types import Array, Demonstrations, Memory, Predictor, Segment, Setup, Store, UserError, all_at_once, make_rng, stack

BATCH = 256  # clips put to the reward model at once: bounds memory where a clip is a film


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform:
    """Questions about `clips` clips each, uniformly from memory: the paper's "random queries" (section 3.3).

    n questions are made only if memory holds `min_segments_per_label` clips for each pair among them; otherwise the same clips
    would be compared again and again. Raises UserError for less than 1 clip or a negative `min_segments_per_label`.
    """

    seed: int
    clips: int = 2
    min_segments_per_label: float = 4

    def __post_init__(self) -> None:
        _check(self.clips, self.min_segments_per_label)

    def check(self, setup: Setup) -> None:
        """Raises UserError where this run cannot ask all of its questions."""
        _check_reach(setup, self.clips, self.min_segments_per_label)

    def __call__(self, memory: Memory, n: int, reward: Predictor, step: int) -> list[tuple[Segment, ...]]:
        """n questions, or none while memory holds too little."""
        if n <= 0 or len(memory) < _needed(n, self.clips, self.min_segments_per_label):
            return []
        return memory.sample(n, self.clips, make_rng(self.seed, "query", step))


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Of `candidates` random questions per label, those about which the ensemble's members disagree most (appendix A).

    Otherwise like `Uniform`, and like it while the members are untrained. Raises UserError also for `candidates` < 1.
    """

    seed: int
    clips: int = 2
    candidates: int = 10
    min_segments_per_label: float = 4

    def __post_init__(self) -> None:
        _check(self.clips, self.min_segments_per_label)
        if self.candidates < 1:
            raise UserError(f"query.candidates is {self.candidates}: draw at least 1 candidate per label.")

    def check(self, setup: Setup) -> None:
        """Raises UserError where this run cannot ask all of its questions."""
        _check_reach(setup, self.clips, self.min_segments_per_label)

    def __call__(self, memory: Memory, n: int, reward: Predictor, step: int) -> list[tuple[Segment, ...]]:
        """Up to n different questions, most disputed first (ties in the order drawn); none while memory holds too little."""
        if n <= 0 or len(memory) < _needed(n, self.clips, self.min_segments_per_label):
            return []
        drawn = memory.sample(self.candidates * n, self.clips, make_rng(self.seed, "query", step))
        questions = _different(drawn)
        disputed = preference.disagreement(_sums(questions, reward))
        return [questions[i] for i in np.argsort(-disputed, kind="stable")[:n]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrated:
    """Comparisons that demonstrations answer: a clip of an expert beats one of the policy, `number` times (Ibarz et al. 2018).

    The expert's clips are `length` steps from anywhere in an episode. They are put as soon as memory holds `number` clips, which
    are the untrained policy's as long as initial labels are waited for. Nobody is asked, so they count neither as asked nor as
    labels, and nobody is shown an expert's clip, which has no states to be drawn from. Raises UserError where no episode is long
    enough, and for a negative `number`.
    """

    demonstrations: Demonstrations
    number: int
    length: int
    seed: int

    def __post_init__(self) -> None:
        if self.number < 1:
            raise UserError(f"demo_labels is {self.number}: give 0 or more comparisons.")
        if not any(len(episode.act) >= self.length for episode in self.demonstrations.episodes):
            raise UserError(f"no demonstration is as long as a clip, {self.length} steps; lower clip_steps.")

    def check(self, setup: Setup) -> None:
        """Raises UserError where memory cannot come to hold as many clips."""
        capacity = getattr(setup.memory, "capacity", sys.maxsize)
        if self.number > capacity:
            raise UserError(
                f"demo_labels={self.number} comparisons want as many clips, and memory holds {capacity}; lower demo_labels, or "
                "raise memory.capacity."
            )
        rollouts = math.ceil(setup.total_steps / (setup.env.num_envs * setup.agent.n_steps))
        if self.number > rollouts * _per_rollout(setup):
            raise UserError(
                f"demo_labels={self.number} comparisons want as many clips of the policy, and {setup.total_steps:,} steps are "
                "too few for that; lower demo_labels or clip_steps, or raise total_steps."
            )

    def __call__(self, memory: Memory, store: Store, step: int) -> None:
        """Put them into the store, once."""
        if len(memory) < self.number or store.demonstrated:
            return
        rng = make_rng(self.seed, "demonstrated")
        policys = [clip for (clip,) in memory.sample(self.number, 1, rng)]
        store.demonstrate([(self._drawn(clip, rng), clip) for clip in policys], step)

    def _drawn(self, like: Segment, rng: np.random.Generator) -> Segment:
        """A clip of an expert, each step of all episodes as likely to be its first, in the number formats of another clip."""
        episodes, before = self.demonstrations.episodes, self.demonstrations.stack - 1
        starts = np.cumsum([max(len(episode.act) - self.length + 1, 0) for episode in episodes])
        drawn = int(rng.integers(starts[-1]))
        which = int(np.searchsorted(starts, drawn, side="right"))
        episode, first = episodes[which], drawn - int(starts[which - 1] if which else 0)
        seen = np.concatenate([np.repeat(episode.obs[:1], before, axis=0), episode.obs])[first : first + before + self.length]
        act, reward = (part[first : first + self.length] for part in (episode.act, episode.true_reward))
        return Segment(seen.astype(like.obs.dtype), act.astype(like.act.dtype), reward.astype(like.true_reward.dtype), None)


def _check(clips: int, min_segments_per_label: float) -> None:
    if clips < 1:
        raise UserError(f"query.clips is {clips}: a question is about at least 1 clip.")
    if not min_segments_per_label >= 0:
        raise UserError(f"query.min_segments_per_label is {min_segments_per_label}: give 0 or more.")


def _needed(n: int, clips: int, min_segments_per_label: float) -> float:
    """How many clips memory must hold before n questions are made."""
    return max(min_segments_per_label * clips / 2 * n, clips)


def _check_reach(setup: Setup, clips: int, min_segments_per_label: float) -> None:
    """Refuse a run that ends, or whose memory is full, before the schedule's questions can be asked, or whose kind is another."""
    asked_about(find(setup.settings.get("feedback", "comparison")), clips)
    wanted, capacity = setup.schedule(setup.total_steps), getattr(setup.memory, "capacity", sys.maxsize)
    fewest = _needed(1, clips, min_segments_per_label)
    if wanted and fewest > capacity:
        raise UserError(
            f"a question is chosen from {math.ceil(fewest)} clips, and memory holds {capacity}; "
            "raise memory.capacity or lower query.min_segments_per_label."
        )
    asked = reach(setup, clips, min_segments_per_label)
    if asked < wanted:
        first = setup.schedule(0)
        raise UserError(
            f"this run can ask {asked} of its {wanted} questions: the first {first} are chosen from "
            f"{math.ceil(_needed(first, clips, min_segments_per_label))} clips of the untrained policy, and "
            f"{setup.total_steps:,} steps are too few for that and the others; lower labels or query.min_segments_per_label, or "
            "raise total_steps."
        )


def reach(setup: Setup, clips: int, min_segments_per_label: float) -> int:
    """How many questions a run can ask at most, counting as many clips per rollout as fit; asked for as the loop does.

    Where clips are of some environments only (`setup.sources`), memory keeps the same share of its clips.
    """
    n_envs, n_steps, schedule = setup.env.num_envs, setup.agent.n_steps, setup.schedule
    per_rollout = _per_rollout(setup)
    first, capacity, held, asked = schedule(0), getattr(setup.memory, "capacity", sys.maxsize), 0, 0
    for step in range(n_envs * n_steps, setup.total_steps + n_envs * n_steps, n_envs * n_steps):
        share = 1.0 if setup.sources is None else setup.sources(asked) / n_envs
        held, before = min(held + share * per_rollout, share * capacity), held
        n = schedule(step if asked >= first else 0) - asked
        while n > 0 and _needed(n, clips, min_segments_per_label) > held:
            n = 0 if all_at_once(asked, held > before, step, setup.total_steps) else n // 2
        asked += max(n, 0)
    return asked


def _per_rollout(setup: Setup) -> float:
    """How many clips fit into a rollout."""
    n_steps = setup.agent.n_steps
    length = getattr(setup.memory, "length", n_steps)
    return setup.env.num_envs * (n_steps // length if n_steps >= length else n_steps / length)


def _different(questions: list[tuple[Segment, ...]]) -> list[tuple[Segment, ...]]:
    """Each set of clips once, first come first: the most disputed pair, drawn twice, would be asked twice."""
    seen: dict[frozenset[int], tuple[Segment, ...]] = {}
    for question in questions:
        seen.setdefault(frozenset(map(id, question)), question)
    return list(seen.values())


def _sums(questions: list[tuple[Segment, ...]], reward: Predictor) -> Array:
    """Each member's predicted return of each clip, [M, Q, K]; a clip in several questions is evaluated once."""
    clips = list({id(clip): clip for question in questions for clip in question}.values())
    batches = (stack(clips[i : i + BATCH]) for i in range(0, len(clips), BATCH))
    sums = np.concatenate([reward.predict_members(batch).sum(axis=-1) for batch in batches], axis=1)
    row = {id(clip): i for i, clip in enumerate(clips)}
    return sums[:, [[row[id(clip)] for clip in question] for question in questions]]
