"""Clips: where they are cut, what is kept, and that a snapshot is complete."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from rlhp import memory as module
from rlhp.memory import Mixed, Recent
from rlhp.types import Rollout, Segment, UserError

CLOCK = 1_000_000  # separates environments in the observation: obs = env * CLOCK + step


def rollout(steps: int, envs: int = 1, cuts: tuple[int, ...] = (), start: int = 0, state: bool = False) -> Rollout:
    """Every number tells its environment and step; `cuts` are steps of this rollout, in all environments."""
    clock = (np.arange(start, start + steps)[:, None] + CLOCK * np.arange(envs)[None]).astype(np.float32)
    cut = np.zeros((steps, envs), bool)
    cut[list(cuts)] = True
    extra = clock[..., None].astype(np.float64) if state else None
    return Rollout(clock[..., None], -clock[..., None], clock / 2, cut, extra, np.array([1.0]))


def begins(clips: list[Segment]) -> list[int]:
    return [int(clip.obs[0, 0]) for clip in clips]


def kept(memory: Recent) -> list[Segment]:
    """All clips that may be asked about."""
    everything = memory.sample(1, len(memory), np.random.default_rng(0))[0] if len(memory) else ()
    return sorted([*everything], key=lambda clip: float(clip.obs[0, 0]))


def all_clips(memory: Recent) -> list[Segment]:
    return sorted([*kept(memory), *memory.heldout], key=lambda clip: float(clip.obs[0, 0]))


def test_clips_are_consecutive_steps_that_do_not_overlap() -> None:
    memory = Recent(length=7, capacity=1000, seed=0)
    memory.add(rollout(100, envs=3))
    clips = all_clips(memory)
    assert len(clips) == 3 * 14
    for clip in clips:
        assert clip.obs[:, 0].tolist() == list(range(int(clip.obs[0, 0]), int(clip.obs[0, 0]) + 7))
        assert np.array_equal(clip.act, -clip.obs) and np.array_equal(clip.true_reward * 2, clip.obs[:, 0])
    assert all(later - earlier >= 7 for earlier, later in pairwise(begins(clips)))


def test_a_clip_may_end_on_a_cut_but_never_runs_across_one() -> None:
    ends = set()
    for seed in range(20):
        memory = Recent(length=5, capacity=1000, seed=seed)
        data = rollout(60, envs=2, cuts=(9, 10, 30, 59))
        memory.add(data)
        for clip in all_clips(memory):
            env, first = divmod(int(clip.obs[0, 0]), CLOCK)
            assert not data.cut[first : first + 4, env].any()
            ends.add(first + 4)
    assert {9, 30, 59} <= ends


def test_the_phase_is_random_and_each_environment_has_its_own() -> None:
    first = set()
    differs = False
    for seed in range(30):
        memory = Recent(length=5, capacity=1000, seed=seed)
        memory.add(rollout(104, envs=2))
        phases = {divmod(begin, CLOCK)[0]: divmod(begin, CLOCK)[1] for begin in reversed(begins(all_clips(memory)))}
        first.add(phases[0])
        differs |= phases[0] != phases[1]
    assert first == {0, 1, 2, 3, 4} and differs


def test_a_stretch_with_room_for_one_clip_gives_one() -> None:
    for seed in range(20):
        memory = Recent(length=10, capacity=10, seed=seed)
        memory.add(rollout(12))
        assert len(memory) == 1


def test_clips_are_copies_not_views() -> None:
    memory = Recent(length=5, capacity=100, seed=0)
    data = rollout(20, state=True)
    memory.add(data)
    before = [clip.obs.copy() for clip in kept(memory)]
    for array in (data.obs, data.act, data.true_reward, data.state):
        assert array is not None
        array[:] = 999
    for clip, obs in zip(kept(memory), before, strict=True):
        assert np.array_equal(clip.obs, obs)
        assert clip.state is not None and np.array_equal(clip.state, obs)
        assert all(array.base is None for array in (clip.obs, clip.act, clip.true_reward, clip.state))


def test_a_clip_outlives_its_place_in_memory() -> None:
    memory = Recent(length=5, capacity=3, seed=0)
    memory.add(rollout(30))
    (question,) = memory.sample(1, 2, np.random.default_rng(0))
    before = [clip.obs.copy() for clip in question]
    for start in range(100, 1000, 100):
        memory.add(rollout(30, start=start))
    assert all(np.array_equal(clip.obs, obs) for clip, obs in zip(question, before, strict=True))


def test_only_the_newest_clips_are_kept_from_all_environments() -> None:
    memory = Recent(length=5, capacity=8, seed=0)
    for start in range(0, 1000, 100):
        memory.add(rollout(100, envs=4, start=start))
    assert len(memory) == 8
    assert {begin // CLOCK for begin in begins(kept(memory))} == {0, 1, 2, 3}
    assert all(begin % CLOCK >= 980 for begin in begins(kept(memory)))


def test_no_clip_runs_from_one_rollout_into_the_next() -> None:
    memory = Recent(length=10, capacity=100, seed=0)
    for start in range(0, 150, 15):
        memory.add(rollout(15, start=start))
    assert len(all_clips(memory)) == 10
    assert all(begin % 15 <= 5 for begin in begins(all_clips(memory)))


def test_one_clip_of_every_rollout_is_never_offered() -> None:
    memory = Recent(length=5, capacity=10_000, seed=0)
    for start in range(0, 1000, 100):
        memory.add(rollout(100, start=start))
    assert len(memory.heldout) == 10
    assert {begin // 100 for begin in begins(memory.heldout)} == set(range(10))
    assert not set(begins(memory.heldout)) & set(begins(kept(memory)))


def test_held_out_clips_stay_few_and_spread_over_the_whole_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELDOUT", 8)
    memory = Recent(length=5, capacity=10, seed=0)
    for start in range(0, 10_000, 100):
        memory.add(rollout(100, start=start))
    rollouts = [begin // 100 for begin in begins(memory.heldout)]
    assert 4 <= len(rollouts) <= 8
    assert len({later - earlier for earlier, later in pairwise(rollouts)}) == 1
    assert rollouts[0] == 0 and rollouts[-1] >= 80


def test_a_sampled_tuple_never_holds_a_clip_twice() -> None:
    memory = Recent(length=5, capacity=4, seed=0)
    memory.add(rollout(100))
    drawn = memory.sample(500, 3, np.random.default_rng(0))
    assert all(len({id(clip) for clip in clips}) == 3 for clips in drawn)
    counts = np.bincount([sorted(begins(kept(memory))).index(b) for clips in drawn for b in begins(list(clips))])
    assert counts.min() > 375 - 5 * 10  # 1500 draws over 4 clips; one standard deviation is about 10
    with pytest.raises(ValueError):
        memory.sample(1, 5, np.random.default_rng(0))


@pytest.mark.parametrize("steps", [7, 23])
@pytest.mark.parametrize("state", [True, False])
def test_a_restored_memory_goes_on_bit_for_bit(steps: int, state: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELDOUT", 3)

    def data(index: int) -> Rollout:
        return rollout(steps, envs=3, start=index * steps, cuts=(5,), state=state)

    whole, part = Recent(10, 20, seed=3), Recent(10, 20, seed=3)
    for index in range(8):
        whole.add(data(index))
        part.add(data(index))
    snapshot = {name: array.copy() for name, array in part.snapshot().items()}
    resumed = Recent(10, 20, seed=3)
    resumed.restore(snapshot)
    for index in range(8, 15):
        whole.add(data(index))
        resumed.add(data(index))
    assert whole.snapshot().keys() == resumed.snapshot().keys()
    for name, array in whole.snapshot().items():
        assert array.dtype == resumed.snapshot()[name].dtype and np.array_equal(array, resumed.snapshot()[name]), name


# Recent and older clips


def filled(share: float, older: int = 8, rollouts: int = 40) -> Mixed:
    """One clip of 5 steps per rollout: clip number c begins at 100 c; the newest 6 are recent."""
    memory = Mixed(length=5, capacity=6, seed=0, older=older, share=share)
    for start in range(0, 100 * rollouts, 100):
        memory.add(rollout(5, start=start))
    return memory


def drawn(memory: Mixed, n: int = 400, clips: int = 2) -> list[list[int]]:
    return [[begin // 100 for begin in begins(list(question))] for question in memory.sample(n, clips, np.random.default_rng(0))]


def test_older_clips_are_evenly_spaced_and_never_recent_ones() -> None:
    """34 of 40 clips have left: every one until 8 are kept, then every second, every fourth, every eighth."""
    memory = filled(share=0.5)
    assert len(memory) == 6 + 5
    assert {number for question in drawn(memory) for number in question} == {0, 8, 16, 24, 32, *range(34, 40)}


def test_each_clip_is_an_older_one_with_the_probability_asked_for() -> None:
    questions = drawn(filled(share=0.25), n=2000)
    old = np.array([[number < 34 for number in question] for question in questions])
    assert all(len({*question}) == 2 for question in questions)
    assert old.mean(axis=0) == pytest.approx([0.25, 0.25], abs=0.03)  # on either side
    assert old.all(axis=1).mean() == pytest.approx(1 / 16, abs=0.02)


def test_where_one_part_holds_too_little_the_other_gives() -> None:
    questions = drawn(filled(share=1, rollouts=8), clips=3)
    assert all(len({*question} - {0, 1}) == 1 for question in questions)  # there are but two older ones
    assert all(len({*question}) == 10 for question in drawn(filled(share=0), n=20, clips=10))  # six recent ones
    with pytest.raises(ValueError):
        drawn(filled(share=0.5), clips=12)


def test_before_anything_has_left_all_clips_are_recent() -> None:
    memory = filled(share=1, rollouts=6)
    assert {number for question in drawn(memory) for number in question} == {*range(6)} and len(memory) == 6


def test_a_restored_mixed_memory_goes_on_bit_for_bit() -> None:
    whole, resumed = filled(share=0.5, rollouts=23), Mixed(5, 6, seed=0, older=8, share=0.5)
    resumed.restore({name: array.copy() for name, array in whole.snapshot().items()})
    for memory in (whole, resumed):
        for start in range(2300, 5000, 100):
            memory.add(rollout(5, start=start))
    assert drawn(whole) == drawn(resumed)
    assert whole.snapshot().keys() == resumed.snapshot().keys()
    assert all(np.array_equal(array, resumed.snapshot()[name]) for name, array in whole.snapshot().items())


def test_senseless_mixtures_are_refused() -> None:
    for wrong in ({"older": 0}, {"share": 1.5}, {"share": -0.1}, {"capacity": 1}):
        with pytest.raises(UserError):
            Mixed(**({"length": 5, "capacity": 6, "seed": 0} | wrong))  # type: ignore[arg-type]


def test_an_empty_memory_can_be_saved() -> None:
    memory = Recent(5, 10, seed=0)
    memory.restore(Recent(5, 10, seed=0).snapshot())
    assert len(memory) == 0 and memory.heldout == []


def test_senseless_sizes_are_refused() -> None:
    with pytest.raises(UserError):
        Recent(length=0, capacity=10, seed=0)
    with pytest.raises(UserError):
        Recent(length=1, capacity=1, seed=0)


def test_a_stretch_is_laid_against_its_reset() -> None:
    """100 steps with a reset in their middle, clips of 30: without `ends` the last step before it is in a clip now and then."""
    shown = {0.0: [], 1.0: []}
    for ends, found in shown.items():
        for seed in range(60):
            memory = Recent(length=30, capacity=1000, seed=seed, ends=ends)
            memory.add(rollout(100, cuts=(49,)))
            first = begins(all_clips(memory))
            found.append((20 in first, 50 in first))
            assert all(begin + 30 <= 50 or begin >= 50 for begin in first)
    before, after = (np.mean([seen[side] for seen in shown[1.0]]) for side in (0, 1))
    assert before == after == 1.0
    assert np.mean(shown[0.0]) < 0.2
    with pytest.raises(UserError, match=r"memory.ends is 1.5"):
        Recent(length=30, capacity=1000, seed=0, ends=1.5)


def test_rollouts_shorter_than_a_clip_are_put_together() -> None:
    """Clips of 10, rollouts of 4: cut once there are 40 steps."""
    memory, halfway = Recent(length=10, capacity=100, seed=0), Recent(length=10, capacity=100, seed=0)
    for i in range(9):
        memory.add(rollout(4, envs=2, start=4 * i, state=True))
        assert len(memory) == 0 and memory.pending == 4 * (i + 1)
    halfway.restore(memory.snapshot())
    for each in (memory, halfway):
        each.add(rollout(4, envs=2, start=36, state=True))
        assert each.pending == 0 and len(all_clips(each)) == 8
        for clip in all_clips(each):
            assert np.array_equal(np.diff(clip.obs[:, 0]), np.ones(9)) and np.array_equal(clip.state, clip.obs)
        assert begins(kept(each)) == begins(kept(memory))


def test_a_memory_is_refused_clips_that_no_episode_holds_and_not_short_rollouts() -> None:
    setup = SimpleNamespace(env=SimpleNamespace(horizon=20), agent=SimpleNamespace(n_steps=5), reset_interval=None)
    Recent(length=20, capacity=100, seed=0).check(setup)
    with pytest.raises(UserError, match="exceeds the episode length of 20"):
        Recent(length=21, capacity=100, seed=0).check(setup)
