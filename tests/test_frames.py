"""Frames kept once: what a stack shows, and what it costs to hold a clip."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from rlhp.agent import Recorder
from rlhp.evaluate import returns
from rlhp.memory import Recent
from rlhp.types import Clips, Deflated, Rollout, Segment, packed, seen_space, stacked


def test_a_stack_of_a_rollout_holds_the_newest_frames_oldest_first():
    time, env = np.arange(7)[:, None, None, None], 100 * np.arange(2)[None, :, None, None]
    frames = np.broadcast_to(time + env, (7, 2, 4, 4))  # 3 of history and 4 steps, in 2 environments
    seen = stacked(frames, 4)
    assert seen.shape == (4, 2, 4, 4, 4)
    assert seen[0, 1, :, 0, 0].tolist() == [100, 101, 102, 103] and seen[3, 0, :, 2, 1].tolist() == [3, 4, 5, 6]


def test_a_stack_of_clips_runs_along_the_second_axis():
    frames = np.arange(2 * 5).reshape(2, 5, 1)
    assert stacked(frames, 3, axis=1)[1, :, :, 0].tolist() == [[5, 6, 7], [6, 7, 8], [7, 8, 9]]


def test_without_history_observations_are_themselves():
    obs = np.zeros((6, 2, 3))
    assert stacked(obs, 6) is obs
    with pytest.raises(ValueError):
        stacked(obs, 7)


def test_a_network_sees_a_stack_of_frames_as_channels():
    seen = seen_space(spaces.Box(0, 255, (84, 84), np.uint8), 4)
    assert seen == spaces.Box(0, 255, (4, 84, 84), np.uint8)
    vectors = spaces.Box(-1, 1, (3,))
    assert seen_space(vectors, 1) is vectors


def frames(count: int, first: int = 0) -> np.ndarray:
    """Frames that tell their number, large enough to be deflated."""
    return np.broadcast_to(np.arange(first, first + count, dtype=np.uint8)[:, None, None], (count, 40, 40)).copy()


def a_clip(first: int) -> Segment:
    """4 steps with 2 earlier frames."""
    steps = np.arange(first, first + 4)
    return Segment(frames(6, first), steps, steps.astype(np.float32), np.full((1, 5000), first, np.uint8))


def test_a_clip_of_frames_is_held_in_little_memory_and_read_as_it_was():
    clip = a_clip(7)
    assert isinstance(clip.packed_obs, Deflated) and len(clip.packed_obs.data) < 9600 / 20 and len(clip) == 4
    assert clip.obs.dtype == np.uint8 and np.array_equal(clip.obs, frames(6, 7))
    assert np.array_equal(clip.state, np.full((1, 5000), 7))


def test_sensors_and_small_bytes_are_not_deflated():
    for obs in (np.zeros((50, 40, 40), np.float32), np.zeros((4, 100), np.uint8)):
        assert packed(obs) is obs


def of(firsts: list[int]) -> Clips:
    clips = [a_clip(first) for first in firsts]
    return Clips(tuple(c.packed_obs for c in clips), np.stack([c.act for c in clips]), np.stack([c.true_reward for c in clips]))


def test_only_the_clips_that_are_asked_for_are_stacked():
    clips = of([0, 10, 20])
    some = clips[np.array([2, 0, 2])]
    assert some.obs.shape == (3, 6, 40, 40) and some.obs[:, 0, 0, 0].tolist() == [20, 0, 20]
    assert some.act[:, 1].tolist() == [21, 1, 21] and len(clips[1:]) == 2 and len(clips[slice(0)]) == 0


@pytest.mark.parametrize("deflated", [True, False])
def test_single_steps_come_with_their_history(deflated):
    clips = of([0, 10, 20])
    if not deflated:
        clips = Clips(clips[:].obs, clips.act, clips.true_reward)
    steps = clips.at(np.array([2, 0, 2]), np.array([1, 3, 0]))
    assert steps.obs[:, :, 5, 5].tolist() == [[21, 22, 23], [3, 4, 5], [20, 21, 22]]
    assert steps.act.tolist() == [[21], [3], [20]] and steps.true_reward.tolist() == [[21], [3], [20]]
    assert stacked(steps.obs, 1, axis=1).shape == (3, 1, 3, 40, 40)


def test_what_was_sent_before_and_what_comes_after_are_the_whole():
    clips = of([0, 10, 20])
    joined = Clips(clips.obs[:1], clips.act[:1], clips.true_reward[:1]).joined(clips.after(1))
    assert joined.obs == clips.obs and np.array_equal(joined.act, clips.act) and len(clips.after(3)) == 0


def test_a_snapshot_holds_clips_deflated():
    memory = Recent(4, 100, 0)
    memory.add(a_rollout(20))
    state = memory.snapshot()
    assert "clips/obs" not in state and state["clips/obs/data"].nbytes < 4 * 9600 / 10
    again = Recent(4, 100, 0)
    again.restore(state)
    for one, two in zip(memory.clips, again.clips, strict=True):
        assert np.array_equal(one.obs, two.obs) and np.array_equal(one.state, two.state) and np.array_equal(one.act, two.act)


def a_rollout(steps: int, cut: tuple[int, ...] = ()) -> Rollout:
    """One environment, 2 frames of history before the first step: the frame at step t says t + 2."""
    cuts = np.zeros((steps, 1), bool)
    cuts[list(cut)] = True
    states = np.broadcast_to(np.arange(steps, dtype=np.uint8)[:, None, None], (steps, 1, 5000)).copy()
    act = np.arange(steps)[:, None]
    return Rollout(
        frames(steps + 2)[:, None], act, act.astype(np.float32), cuts, states, np.zeros(0), frames(1, steps + 2), replays=True
    )


def test_a_clip_has_its_history_its_first_state_and_no_reset_within():
    memory = Recent(5, 100, 0)
    memory.add(a_rollout(30, cut=(12,)))
    for clip in [*memory.clips, *memory.heldout]:
        first = int(clip.act[0])
        assert clip.obs[:, 0, 0].tolist() == list(range(first, first + 7)), "2 frames of history, then one before each action"
        assert clip.state.shape == (1, 5000) and (clip.state == first).all()
        assert not first <= 12 < first + 4, "a clip ends with the step that a reset follows"


def test_what_follows_an_action_is_the_next_frame():
    rollout = a_rollout(6)
    assert rollout.seen_after().shape == (6, 1, 3, 40, 40)
    assert rollout.seen_after()[0, 0, :, 0, 0].tolist() == [1, 2, 3]
    assert rollout.seen_after()[-1, 0, :, 0, 0].tolist() == [6, 7, 8]


def test_short_rollouts_of_frames_are_one_with_the_history_of_the_first():
    parts = a_rollout(6), a_rollout(6)
    parts = parts[0], replace(parts[1], obs=frames(8, 6)[:, None], act=parts[1].act + 6, state=parts[1].state + 6)
    joined = parts[0].joined(parts[1])
    assert joined.obs[:, 0, 0, 0].tolist() == list(range(14)) and joined.act[:, 0].tolist() == list(range(12)) and joined.replays
    assert joined.clip(5, 0, 4).obs[:, 0, 0].tolist() == [5, 6, 7, 8, 9, 10] and (joined.clip(5, 0, 4).state == 5).all()


def test_an_end_that_the_agent_is_told_stands_in_its_own_stack_alone():
    rollout = replace(a_rollout(6), ends=((2, 0, np.full((40, 40), 99, np.uint8)),))
    seen = rollout.seen_after()
    assert seen[:, 0, :, 0, 0].tolist() == [[1, 2, 3], [2, 3, 4], [3, 4, 99], [4, 5, 6], [5, 6, 7], [6, 7, 8]]


class Screen(VecEnv):
    """Two environments whose frames count steps; a hidden reset follows every 5th step, and the score then is 50."""

    task, horizon, stack, replays = "screen", 5, 3, True

    def __init__(self):
        super().__init__(2, spaces.Box(0, 255, (40, 40), np.uint8), spaces.Discrete(3))
        self.count = 0

    def reset(self):
        return np.repeat(frames(1, self.count), 2, axis=0)

    def states(self):
        return np.full((2, 5000), self.count, np.uint8)

    def step_async(self, actions):
        self.count += 1

    def step_wait(self):
        over = self.count % 5 == 0
        infos = [{"cut": True, "score": 50.0} if over else {} for _ in range(2)]
        return np.repeat(frames(1, self.count), 2, axis=0), np.ones(2, np.float32), np.zeros(2, bool), infos

    def close(self): ...
    def get_attr(self, name, indices=None):
        return [getattr(self, name, None)] * 2

    def set_attr(self, name, value, indices=None): ...
    def env_method(self, name, *args, indices=None, **kwargs): ...
    def env_is_wrapped(self, wrapper_class, indices=None): ...


def test_the_recorder_keeps_history_over_rollouts_and_tells_hidden_resets():
    recorder = Recorder(Screen())
    recorder.reset()
    seen = []
    for _ in range(2):
        for _ in range(6):
            _, reward, done, _ = recorder.step(np.zeros(2, int))
            assert not done.any() and not reward.any()
        seen.append(recorder.rollout())
    one, two = seen
    assert one.obs[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 5], "before the first frame there is itself"
    assert two.obs[:, 1, 0, 0].tolist() == [4, 5, 6, 7, 8, 9, 10, 11] and (two.last == 12).all()
    assert np.flatnonzero(one.cut[:, 0]).tolist() == [4] and np.flatnonzero(two.cut[:, 0]).tolist() == [3]
    assert one.returns.tolist() == [50, 50] and one.replays and one.state.shape == (6, 2, 5000)


def test_an_evaluation_counts_hidden_ends_and_their_scores():
    assert returns(lambda obs: np.zeros(2, int), Screen(), episodes=4).tolist() == [50.0] * 4
