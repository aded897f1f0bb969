"""Recent segments of the agent's behaviour, which queries are selected from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rlhp.types import (
    Array,
    Frames,
    Rollout,
    Segment,
    Setup,
    UserError,
    frames_of,
    make_rng,
    pack_arrays,
    unpack_arrays,
    unpacked,
)

HELDOUT = 128  # maximum number of held-out segments, for any length of run
SPAN = 4  # segment lengths that short rollouts are joined to, so that at least three quarters of the steps are in segments


class Recent:
    """The newest `capacity` segments of `length` steps, cut from rollouts.

    Segments are copies and never cross a reset; a segment may end on the last step before one. If steps are left over next to a
    reset, the segments are aligned to it with probability `ends`. Otherwise only one case in seven would include the steps next
    to a reset, and the end of a game may be what a teacher judges by. Segments do not span rollouts either, unless rollouts are
    shorter than a segment: these are joined until they have SPAN times as many steps.
    If a rollout has frames of some environments only, segments are cut from those alone, and the same fraction of `capacity` is
    kept, so that memory reaches back as far as with segments of all environments.
    Raises UserError if `length` < 1, `capacity` < 2, or `ends` is not a probability.
    """

    def __init__(self, length: int, capacity: int, seed: int, ends: float = 0.0) -> None:
        if length < 1:
            raise UserError(f"memory.length is {length}: give segments of at least 1 step.")
        if capacity < 2:
            raise UserError(f"memory.capacity is {capacity}: keep at least 2 segments, since a query compares two.")
        if not 0 <= ends <= 1:
            raise UserError(f"memory.ends is {ends}, but it is a probability: give a number from 0 to 1.")
        self.length, self.capacity, self.seed, self.ends = length, capacity, seed, ends
        self._clips: list[Segment] = []
        self._short: Rollout | None = None  # steps of rollouts that are shorter than a segment
        self._heldout = _EvenSample(HELDOUT)
        self._cuts = 0  # number of rollouts cut so far: the key of the random generator

    def __len__(self) -> int:
        return len(self._clips)

    def check(self, setup: Setup) -> None:
        """Raises UserError if segments are longer than episodes."""
        length, horizon, interval = self.length, setup.env.horizon, setup.reset_interval
        if horizon is not None and length > horizon:
            raise UserError(f"clip_steps={length} exceeds the episode length of {horizon} steps; lower clip_steps.")
        if interval is not None and length > interval:
            raise UserError(
                f"clip_steps={length} exceeds early_resets.interval={interval}; raise early_resets.interval or lower clip_steps."
            )

    @property
    def pending(self) -> int:
        """The number of steps that are kept until there are enough for segments."""
        return 0 if self._short is None else len(self._short.act)

    @property
    def heldout(self) -> list[Segment]:
        """At most HELDOUT segments, spread evenly over the run: for evaluation, never for queries."""
        return list(self._heldout.clips)

    @property
    def clips(self) -> Sequence[Segment]:
        """The segments that queries are selected from, oldest first."""
        return self._clips

    def add(self, rollout: Rollout) -> None:
        """Cut a rollout [T, N, ...] into segments."""
        whole = rollout if self._short is None else self._short.joined(rollout)
        if len(rollout.act) < self.length and len(whole.act) < SPAN * self.length:
            self._short = whole
            return
        self._short = None
        self._cut(whole)

    def _cut(self, rollout: Rollout) -> None:
        rng = make_rng(self.seed, "memory", self._cuts)
        clips = list(_clips(rollout, self.length, self.ends, rng))
        if len(clips) > 1 and self._heldout.due(self._cuts):  # a single segment is needed for queries
            self._heldout.add(clips.pop(int(rng.integers(len(clips)))))
        self._clips = (self._clips + clips)[-share_of(self.capacity, rollout.sources, rollout.cut.shape[1]) :]
        self._cuts += 1

    def sample(self, n: int, clips: int, rng: np.random.Generator) -> list[tuple[Segment, ...]]:
        """Draw n tuples of `clips` different segments, uniformly. Raises ValueError if memory holds fewer than `clips`."""
        size = len(self._clips)
        return [tuple(self._clips[i] for i in rng.choice(size, clips, replace=False)) for _ in range(n)]

    def snapshot(self) -> dict[str, Array]:
        """The complete state, for a bit-identical continuation; keys without data are absent."""
        counters = {"counters": np.array([self._cuts, self._heldout.stride], np.int64)}
        short = {} if self._short is None else _rollout_arrays(self._short)
        return counters | short | _stacked("clips", self._clips) | _stacked("aside", self._heldout.clips)

    def restore(self, arrays: dict[str, Array]) -> None:
        """Replace the current state by that of a snapshot."""
        cuts, stride = (int(number) for number in arrays["counters"])
        self._cuts, self._short = cuts, _short_rollout(arrays)
        self._clips = _unstacked("clips", arrays)
        self._heldout = _EvenSample(HELDOUT, _unstacked("aside", arrays), stride)


class Mixed:
    """The newest `capacity` segments, and an evenly spaced sample of at most `older` earlier ones.

    Each segment of a query is an older one with probability `share`, while there are any. So r-hat stays correct for behaviour
    that the policy has left and may return to. The two parts have no segment in common. Otherwise like `Recent`. Raises
    UserError as `Recent` does, and if `older` < 1 or `share` is not in [0, 1].
    """

    def __init__(self, length: int, capacity: int, seed: int, older: int = 1500, share: float = 0.25, ends: float = 0.0) -> None:
        if older < 1 or not 0 <= share <= 1:
            raise UserError(
                f"memory.older and memory.share are {older} and {share}: keep at least 1 segment, and give a share from 0 to 1."
            )
        self._recent, self._older, self.share = Recent(length, capacity, seed, ends), _EvenSample(older), share
        self._gone = 0  # number of segments that are no longer among the recent ones

    def __len__(self) -> int:
        return len(self._recent) + len(self._older.clips)

    def check(self, setup: Setup) -> None:
        """Raises UserError if segments are longer than episodes."""
        self._recent.check(setup)

    @property
    def pending(self) -> int:
        """The number of steps that are kept until there are enough for segments."""
        return self._recent.pending

    @property
    def capacity(self) -> int:
        """The maximum number of segments."""
        return self._recent.capacity + self._older.most

    @property
    def length(self) -> int:
        """The number of steps of a segment."""
        return self._recent.length

    @property
    def heldout(self) -> list[Segment]:
        """Held-out segments, as in `Recent`: never used for queries."""
        return self._recent.heldout

    def add(self, rollout: Rollout) -> None:
        """Cut a rollout [T, N, ...] into segments; a sample of those that are no longer recent is kept."""
        before = self._recent.clips
        self._recent.add(rollout)
        kept = {id(clip) for clip in self._recent.clips}
        for clip in (clip for clip in before if id(clip) not in kept):
            if self._older.due(self._gone):
                self._older.add(clip)
            self._gone += 1

    def sample(self, n: int, clips: int, rng: np.random.Generator) -> list[tuple[Segment, ...]]:
        """Draw n tuples of `clips` different segments, in random order. Raises ValueError if memory holds fewer than `clips`."""
        return [self._drawn(clips, rng) for _ in range(n)]

    def _drawn(self, clips: int, rng: np.random.Generator) -> tuple[Segment, ...]:
        old, recent = self._older.clips, self._recent.clips
        wanted = int((rng.random(clips) < self.share).sum())
        count = min(max(wanted, clips - len(recent)), len(old))
        drawn = [old[i] for i in rng.choice(len(old), count, replace=False)]
        drawn += [recent[i] for i in rng.choice(len(recent), clips - count, replace=False)]
        return tuple(drawn[i] for i in rng.permutation(clips))

    def snapshot(self) -> dict[str, Array]:
        """The complete state, for a bit-identical continuation."""
        counters = {"older/counters": np.array([self._gone, self._older.stride], np.int64)}
        return self._recent.snapshot() | counters | _stacked("older", self._older.clips)

    def restore(self, arrays: dict[str, Array]) -> None:
        """Replace the current state by that of a snapshot."""
        self._recent.restore(arrays)
        self._gone, stride = (int(number) for number in arrays["older/counters"])
        self._older = _EvenSample(self._older.most, _unstacked("older", arrays), stride)


class _EvenSample:
    """An evenly spaced sample of at most `most` from a growing sequence.

    When it is full, every second one is dropped and the spacing doubles.
    """

    def __init__(self, most: int, clips: Sequence[Segment] = (), stride: int = 1) -> None:
        self.most, self.clips, self.stride = most, list(clips), stride

    def due(self, count: int) -> bool:
        return count % self.stride == 0

    def add(self, clip: Segment) -> None:
        self.clips.append(clip)
        if len(self.clips) > self.most:
            self.clips = self.clips[::2]
            self.stride *= 2


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a segment starts."""

    step: int
    env: int


def _clips(rollout: Rollout, length: int, ends: float, rng: np.random.Generator) -> Iterator[Segment]:
    """Copy the segments of a rollout, ordered by time, so that a small memory drops old segments of all environments alike."""
    cuts = enumerate(rollout.cut.T[: rollout.sources])
    places = [_Place(step, env) for env, cut in cuts for step in _starts(cut, length, ends, rng)]
    for place in sorted(places, key=lambda p: (p.step, p.env)):
        yield rollout.clip(place.step, place.env, length)


def _starts(cut: Array, length: int, ends: float, rng: np.random.Generator) -> Iterator[int]:
    """The first steps of consecutive segments of one environment; `cut` [T].

    Between two resets there are as many segments as fit. A random number of the spare steps is skipped before the first
    segment, so that segments do not always start at the same steps of an episode. With probability `ends`, none or all of them
    are skipped, if that aligns a segment to a reset.
    """
    for first, end in pairwise([0, *(np.flatnonzero(cut) + 1).tolist(), len(cut)]):
        fit, spare = divmod(end - first, length)
        skipped = int(rng.integers(spare + 1))
        aligned = [0] * (first > 0) + [spare] * bool(end > first and cut[end - 1])
        if aligned and ends > 0 and rng.random() < ends:
            skipped = aligned[int(rng.integers(len(aligned)))]
        begin = first + skipped
        yield from range(begin, begin + fit * length, length)


def share_of(capacity: int, sources: int, envs: int) -> int:
    """The number of segments to keep if they are cut from `sources` of `envs` environments."""
    return max(2, -(-capacity * sources // envs))


def _rollout_arrays(rollout: Rollout) -> dict[str, Array]:
    arrays = {f"short/{name}": getattr(rollout, name) for name in ("obs", "act", "true_reward", "cut")}
    if rollout.state is None:
        return arrays
    state = rollout.state.arrays("short/state") if isinstance(rollout.state, Frames) else {"short/state": rollout.state}
    return arrays | state | {"short/replays": np.array(rollout.replays)}


def _short_rollout(arrays: dict[str, Array]) -> Rollout | None:
    if "short/obs" not in arrays:
        return None
    obs, act, true_reward, cut = (arrays[f"short/{name}"] for name in ("obs", "act", "true_reward", "cut"))
    replays = bool(arrays.get("short/replays", False))
    state = frames_of("short/state", arrays) or arrays.get("short/state")
    return Rollout(obs, act, true_reward, cut, state, np.zeros(0), replays=replays)


def _stacked(name: str, clips: Sequence[Segment]) -> dict[str, Array]:
    fields = {
        "obs": [clip.packed_obs for clip in clips],
        "act": [clip.act for clip in clips],
        "true_reward": [clip.true_reward for clip in clips],
        "state": [clip.packed_state for clip in clips if clip.packed_state is not None],
    }
    return {key: array for field, arrays in fields.items() for key, array in pack_arrays(f"{name}/{field}", arrays).items()}


def _unstacked(name: str, arrays: dict[str, Array]) -> list[Segment]:
    obs, act, true_reward, state = (unpack_arrays(f"{name}/{field}", arrays) for field in ("obs", "act", "true_reward", "state"))
    each = zip(obs, act, true_reward, state or [None] * len(obs), strict=True)
    return [Segment(o, unpacked(a), unpacked(r), s) for o, a, r, s in each]
