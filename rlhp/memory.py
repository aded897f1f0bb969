"""Recent clips of the agent's behaviour, from which questions are made."""

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

HELDOUT = 128  # clips kept aside at most, whatever the length of the run
SPAN = 4  # lengths of a clip that short rollouts are put together to: three quarters of the steps or more are in clips


class Recent:
    """The newest `capacity` clips of `length` steps, cut from rollouts.

    Clips are copies and never run across a cut; one may end on a cut step. Where steps are left over beside a reset, the clips
    there are laid against it with probability `ends`: what a reset cuts off is else shown in one of seven cases only, and the
    end of a game may be what a teacher judges by. Nor do clips run from one rollout into the next, unless rollouts are shorter
    than a clip: then they are put together until there are SPAN times as many steps.
    Where a rollout has frames of some environments only, clips are cut from those alone, and the same share of `capacity` is
    kept: memory reaches back as far as it would with clips of all.
    Raises UserError if `length` < 1, `capacity` < 2, or `ends` is no probability.
    """

    def __init__(self, length: int, capacity: int, seed: int, ends: float = 0.0) -> None:
        if length < 1:
            raise UserError(f"memory.length is {length}: give clips of at least 1 step.")
        if capacity < 2:
            raise UserError(f"memory.capacity is {capacity}: keep at least 2 clips, for a question compares two.")
        if not 0 <= ends <= 1:
            raise UserError(f"memory.ends is {ends}, but it is a probability: give a number from 0 to 1.")
        self.length, self.capacity, self.seed, self.ends = length, capacity, seed, ends
        self._clips: list[Segment] = []
        self._short: Rollout | None = None  # steps of rollouts that are shorter than a clip
        self._aside = _Thinned(HELDOUT)
        self._cuts = 0  # how many rollouts have been cut: the key of the random stream

    def __len__(self) -> int:
        return len(self._clips)

    def check(self, setup: Setup) -> None:
        """Raises UserError where a clip fits into no episode."""
        length, horizon, after = self.length, setup.env.horizon, setup.reset_interval
        if horizon is not None and length > horizon:
            raise UserError(f"clips of {length} steps are longer than an episode of {horizon}; lower clip_steps.")
        if after is not None and length > after:
            raise UserError(
                f"clip_steps={length} exceeds early_resets.interval={after}; raise early_resets.interval or lower clip_steps."
            )

    @property
    def pending(self) -> int:
        """Steps that are held until there are enough for clips."""
        return 0 if self._short is None else len(self._short.act)

    @property
    def heldout(self) -> list[Segment]:
        """At most HELDOUT clips, spread evenly over the whole run and never offered for questions: for measuring."""
        return list(self._aside.clips)

    @property
    def clips(self) -> Sequence[Segment]:
        """Those that questions may be made from, oldest first."""
        return self._clips

    def add(self, rollout: Rollout) -> None:
        """Cut a rollout [T, N, ...] into clips."""
        whole = rollout if self._short is None else self._short.joined(rollout)
        if len(rollout.act) < self.length and len(whole.act) < SPAN * self.length:
            self._short = whole
            return
        self._short = None
        self._cut(whole)

    def _cut(self, rollout: Rollout) -> None:
        rng = make_rng(self.seed, "memory", self._cuts)
        clips = list(_clips(rollout, self.length, self.ends, rng))
        if len(clips) > 1 and self._aside.due(self._cuts):  # a lone clip is needed for questions
            self._aside.add(clips.pop(int(rng.integers(len(clips)))))
        self._clips = (self._clips + clips)[-share_of(self.capacity, rollout.sources, rollout.cut.shape[1]) :]
        self._cuts += 1

    def sample(self, n: int, clips: int, rng: np.random.Generator) -> list[tuple[Segment, ...]]:
        """n tuples of `clips` different clips, uniformly. Raises ValueError if memory holds fewer than `clips`."""
        size = len(self._clips)
        return [tuple(self._clips[i] for i in rng.choice(size, clips, replace=False)) for _ in range(n)]

    def snapshot(self) -> dict[str, Array]:
        """Everything a bit-identical continuation needs; absent keys stand for nothing held."""
        counters = {"counters": np.array([self._cuts, self._aside.stride], np.int64)}
        short = {} if self._short is None else _rollout_arrays(self._short)
        return counters | short | _stacked("clips", self._clips) | _stacked("aside", self._aside.clips)

    def restore(self, arrays: dict[str, Array]) -> None:
        """Take up the state of a snapshot, in place of the present one."""
        cuts, stride = (int(number) for number in arrays["counters"])
        self._cuts, self._short = cuts, _short_rollout(arrays)
        self._clips = _unstacked("clips", arrays)
        self._aside = _Thinned(HELDOUT, _unstacked("aside", arrays), stride)


class Mixed:
    """The newest `capacity` clips, and an evenly spaced sample of at most `older` of all that came before them.

    Of the clips that a question is made of, each is an older one with probability `share`, as far as there are some: r-hat is
    asked about, and so kept right, where the policy came from and may go back to. The two parts have no clip in common.
    Otherwise as `Recent`. Raises UserError as that does, and for `older` < 1 or a `share` outside of 0 to 1.
    """

    def __init__(self, length: int, capacity: int, seed: int, older: int = 1500, share: float = 0.25, ends: float = 0.0) -> None:
        if older < 1 or not 0 <= share <= 1:
            raise UserError(
                f"memory.older and memory.share are {older} and {share}: keep at least 1 clip, and draw a share from 0 to 1."
            )
        self._recent, self._older, self.share = Recent(length, capacity, seed, ends), _Thinned(older), share
        self._gone = 0  # how many clips have left the recent ones

    def __len__(self) -> int:
        return len(self._recent) + len(self._older.clips)

    def check(self, setup: Setup) -> None:
        """As `Recent`."""
        self._recent.check(setup)

    @property
    def pending(self) -> int:
        """As `Recent`."""
        return self._recent.pending

    @property
    def capacity(self) -> int:
        """How many clips it holds at most."""
        return self._recent.capacity + self._older.most

    @property
    def length(self) -> int:
        """Steps of a clip."""
        return self._recent.length

    @property
    def heldout(self) -> list[Segment]:
        """As `Recent`: never offered for questions."""
        return self._recent.heldout

    def add(self, rollout: Rollout) -> None:
        """Cut a rollout [T, N, ...] into clips; some of those that leave the recent ones are kept."""
        before = self._recent.clips
        self._recent.add(rollout)
        kept = {id(clip) for clip in self._recent.clips}
        for clip in (clip for clip in before if id(clip) not in kept):
            if self._older.due(self._gone):
                self._older.add(clip)
            self._gone += 1

    def sample(self, n: int, clips: int, rng: np.random.Generator) -> list[tuple[Segment, ...]]:
        """n tuples of `clips` different clips, in random order. Raises ValueError if memory holds fewer than `clips`."""
        return [self._drawn(clips, rng) for _ in range(n)]

    def _drawn(self, clips: int, rng: np.random.Generator) -> tuple[Segment, ...]:
        old, recent = self._older.clips, self._recent.clips
        wanted = int((rng.random(clips) < self.share).sum())
        count = min(max(wanted, clips - len(recent)), len(old))
        drawn = [old[i] for i in rng.choice(len(old), count, replace=False)]
        drawn += [recent[i] for i in rng.choice(len(recent), clips - count, replace=False)]
        return tuple(drawn[i] for i in rng.permutation(clips))

    def snapshot(self) -> dict[str, Array]:
        """Everything a bit-identical continuation needs."""
        counters = {"older/counters": np.array([self._gone, self._older.stride], np.int64)}
        return self._recent.snapshot() | counters | _stacked("older", self._older.clips)

    def restore(self, arrays: dict[str, Array]) -> None:
        """Take up the state of a snapshot, in place of the present one."""
        self._recent.restore(arrays)
        self._gone, stride = (int(number) for number in arrays["older/counters"])
        self._older = _Thinned(self._older.most, _unstacked("older", arrays), stride)


class _Thinned:
    """At most `most` of an endless sequence, evenly spaced: when full, every second one goes and the spacing doubles."""

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
    """Where a clip begins."""

    step: int
    env: int


def _clips(rollout: Rollout, length: int, ends: float, rng: np.random.Generator) -> Iterator[Segment]:
    """Copies of the clips of a rollout, oldest first, so that a small memory drops no environment before another."""
    cuts = enumerate(rollout.cut.T[: rollout.sources])
    places = [_Place(step, env) for env, cut in cuts for step in _starts(cut, length, ends, rng)]
    for place in sorted(places, key=lambda p: (p.step, p.env)):
        yield rollout.clip(place.step, place.env, length)


def _starts(cut: Array, length: int, ends: float, rng: np.random.Generator) -> Iterator[int]:
    """First steps of consecutive clips in one environment's steps; `cut` [T].

    A stretch between cuts holds as many clips as fit; what is left over is skipped before the first, a random part of it, so
    that clips do not always start at the same steps of an episode. With probability `ends` it is none or all of it, where that
    lays a clip against a reset.
    """
    for first, end in pairwise([0, *(np.flatnonzero(cut) + 1).tolist(), len(cut)]):
        fit, spare = divmod(end - first, length)
        skipped = int(rng.integers(spare + 1))
        beside = [0] * (first > 0) + [spare] * bool(end > first and cut[end - 1])
        if beside and ends > 0 and rng.random() < ends:
            skipped = beside[int(rng.integers(len(beside)))]
        begin = first + skipped
        yield from range(begin, begin + fit * length, length)


def share_of(capacity: int, sources: int, envs: int) -> int:
    """How many clips are kept where clips are cut from `sources` of so many environments."""
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
