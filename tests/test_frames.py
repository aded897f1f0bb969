"""Frames kept once: what a stack shows, and what it costs to hold a clip."""

import numpy as np
import pytest
from gymnasium import spaces

from rlhp.types import seen_space, stacked


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
