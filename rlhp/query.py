"""Query selection: which segments are compared (section 2.2.4)."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np

from rlhp import preference
from rlhp.feedback import asked_about, find
from rlhp.types import Array, Demonstrations, Memory, Predictor, Segment, Setup, Store, UserError, all_at_once, make_rng, stack

BATCH = 256  # segments in one call of the reward model, to bound memory if observations are images


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform:
    """Queries of `clips` segments each, drawn uniformly from memory: the paper's "random queries" (section 3.3).

    n queries need `min_segments_per_label` segments in memory for each pair among them; otherwise the same segments would be
    compared repeatedly. Raises UserError if `clips` is less than 1 or `min_segments_per_label` is negative.
    """

    seed: int
    clips: int = 2
    min_segments_per_label: float = 4

    def __post_init__(self) -> None:
        _check(self.clips, self.min_segments_per_label)

    def check(self, setup: Setup) -> None:
        """Raises UserError if this run cannot ask all of its queries."""
        _check_reach(setup, self.clips, self.min_segments_per_label)

    def __call__(self, memory: Memory, n: int, reward: Predictor, step: int) -> list[tuple[Segment, ...]]:
        """Select n queries, or none while memory holds too few segments."""
        if n <= 0 or len(memory) < _needed(n, self.clips, self.min_segments_per_label):
            return []
        return memory.sample(n, self.clips, make_rng(self.seed, "query", step))


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Draws `candidates` random queries per label and selects those on which the ensemble disagrees most (appendix A).

    Otherwise like `Uniform`, and equivalent to it while the members are untrained. Also raises UserError if `candidates` < 1.
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
        """Raises UserError if this run cannot ask all of its queries."""
        _check_reach(setup, self.clips, self.min_segments_per_label)

    def __call__(self, memory: Memory, n: int, reward: Predictor, step: int) -> list[tuple[Segment, ...]]:
        """Select up to n different queries, by decreasing disagreement (ties in the order drawn).

        None while memory holds too few segments.
        """
        if n <= 0 or len(memory) < _needed(n, self.clips, self.min_segments_per_label):
            return []
        drawn = memory.sample(self.candidates * n, self.clips, make_rng(self.seed, "query", step))
        queries = _distinct(drawn)
        disagreement = preference.disagreement(_sums(queries, reward))
        return [queries[i] for i in np.argsort(-disagreement, kind="stable")[:n]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrated:
    """Comparisons from demonstrations: a segment of the expert is preferred to one of the policy (Ibarz et al. 2018).

    `number` comparisons are added as soon as memory holds as many segments; while the loop waits for the initial labels, these
    are the untrained policy's. The expert's segments are `length` steps from anywhere in an episode. No annotator is involved,
    so the comparisons count neither as asked nor as labels, and expert segments are never shown: they have no states to render.
    Raises UserError if no episode is long enough or `number` is less than 1.
    """

    demonstrations: Demonstrations
    number: int
    length: int
    seed: int

    def __post_init__(self) -> None:
        if self.number < 1:
            raise UserError(f"demo_labels is {self.number}: give 0 or more comparisons.")
        if not any(len(episode.act) >= self.length for episode in self.demonstrations.episodes):
            raise UserError(f"no demonstration has the {self.length} steps of a segment; lower clip_steps.")

    def check(self, setup: Setup) -> None:
        """Raises UserError if memory will never hold that many segments."""
        capacity = getattr(setup.memory, "capacity", sys.maxsize)
        if self.number > capacity:
            raise UserError(
                f"demo_labels={self.number} comparisons need as many clips, and memory holds {capacity}; lower demo_labels, or "
                "raise memory.capacity."
            )
        rollouts = math.ceil(setup.total_steps / (setup.env.num_envs * setup.agent.n_steps))
        if self.number > rollouts * _per_rollout(setup):
            raise UserError(
                f"demo_labels={self.number} comparisons need as many clips of the policy, and {setup.total_steps:,} steps are "
                "too few for that; lower demo_labels or clip_steps, or raise total_steps."
            )

    def __call__(self, memory: Memory, store: Store, step: int) -> None:
        """Add the comparisons to the store, once."""
        if len(memory) < self.number or store.demonstrated:
            return
        rng = make_rng(self.seed, "demonstrated")
        policy_clips = [clip for (clip,) in memory.sample(self.number, 1, rng)]
        store.demonstrate([(self._expert_clip(clip, rng), clip) for clip in policy_clips], step)

    def _expert_clip(self, like: Segment, rng: np.random.Generator) -> Segment:
        """Draw a segment of the expert uniformly over all episodes, with the data types of the segment `like`."""
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
        raise UserError(f"query.clips is {clips}: a query needs at least 1 clip.")
    if not min_segments_per_label >= 0:
        raise UserError(f"query.min_segments_per_label is {min_segments_per_label}: give 0 or more.")


def _needed(n: int, clips: int, min_segments_per_label: float) -> float:
    """The number of segments that memory must hold for n queries."""
    return max(min_segments_per_label * clips / 2 * n, clips)


def _check_reach(setup: Setup, clips: int, min_segments_per_label: float) -> None:
    """Raises UserError if the schedule's queries do not fit into the run or the memory, or do not suit the kind of feedback."""
    asked_about(find(setup.settings.get("feedback", "comparison")), clips)
    wanted, capacity = setup.schedule(setup.total_steps), getattr(setup.memory, "capacity", sys.maxsize)
    fewest = _needed(1, clips, min_segments_per_label)
    if wanted and fewest > capacity:
        raise UserError(
            f"a query is selected from {math.ceil(fewest)} clips, and memory holds {capacity}; "
            "raise memory.capacity or lower query.min_segments_per_label."
        )
    asked = reach(setup, clips, min_segments_per_label)
    if asked < wanted:
        first = setup.schedule(0)
        raise UserError(
            f"this run can ask {asked} of its {wanted} queries: the first {first} are selected from "
            f"{math.ceil(_needed(first, clips, min_segments_per_label))} clips of the untrained policy, and "
            f"{setup.total_steps:,} steps are too few for these and the others; lower labels or query.min_segments_per_label, or "
            "raise total_steps."
        )


def reach(setup: Setup, clips: int, min_segments_per_label: float) -> int:
    """The maximum number of queries that a run can ask, by the rule of the loop and with as many segments per rollout as fit.

    If segments come from some environments only (`setup.sources`), memory keeps the same fraction of its segments.
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
    """The number of segments that fit into a rollout."""
    n_steps = setup.agent.n_steps
    length = getattr(setup.memory, "length", n_steps)
    return setup.env.num_envs * (n_steps // length if n_steps >= length else n_steps / length)


def _distinct(queries: list[tuple[Segment, ...]]) -> list[tuple[Segment, ...]]:
    """Keep the first query for each set of segments; otherwise a pair that is drawn twice would be asked twice."""
    seen: dict[frozenset[int], tuple[Segment, ...]] = {}
    for query in queries:
        seen.setdefault(frozenset(map(id, query)), query)
    return list(seen.values())


def _sums(queries: list[tuple[Segment, ...]], reward: Predictor) -> Array:
    """Each member's predicted return of each segment, [M, Q, K]; segments of several queries are evaluated once."""
    clips = list({id(clip): clip for query in queries for clip in query}.values())
    batches = (stack(clips[i : i + BATCH]) for i in range(0, len(clips), BATCH))
    sums = np.concatenate([reward.predict_members(batch).sum(axis=-1) for batch in batches], axis=1)
    row = {id(clip): i for i, clip in enumerate(clips)}
    return sums[:, [[row[id(clip)] for clip in query] for query in queries]]
