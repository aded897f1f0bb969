"""Meta-World under Gymnasium ids: its own numbers, seeds, exact resumption, pictures."""

import gymnasium
import numpy as np
import pytest
from states import check_environment_goes_on, starts_by_seed

from rlhp import film

pytest.importorskip("metaworld", reason="metaworld is not installed (pip install --no-deps 'metaworld>=3.1,<4')")
from metaworld.env_dict import ALL_V3_ENVIRONMENTS

from rlhp.envs import gym, metaworld


def made(task: str, **more) -> gymnasium.Env:
    return gymnasium.make(f"metaworld/{task}-v0", disable_env_checker=True, **more)


def actions(steps: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (steps, 4)).astype(np.float32)


def test_observations_and_rewards_are_meta_worlds_own():
    env = made("button-press")
    first, _ = env.reset(seed=4)
    theirs = ALL_V3_ENVIRONMENTS["button-press-v3"]()
    theirs._set_task_called, theirs._freeze_rand_vec, theirs.seeded_rand_vec = True, False, True
    theirs.np_random = np.random.default_rng(env.unwrapped._seed)
    assert np.array_equal(first, theirs.reset()[0]) and first.shape == (39,) and first.dtype == np.float64
    for action in actions(60):
        observation, reward, terminated, truncated, info = env.step(action)
        expected = theirs.step(action)
        assert np.array_equal(observation, expected[0]) and reward == expected[1] and info["success"] == expected[4]["success"]
        assert 0 <= reward <= 10 and not terminated and not truncated and env.observation_space.contains(observation)


def test_each_episode_has_its_places_and_seeds_decide_them():
    starts = starts_by_seed(made("button-press"), made("button-press"))
    assert len({tuple(start[4:7]) for start in starts}) == 3, "where the button is"


@pytest.mark.parametrize("task", ["button-press", "sweep-into"])
def test_another_environment_goes_on_bit_for_bit(task):
    check_environment_goes_on(made(task), made(task), actions(80))


def test_the_goal_is_observed_where_that_is_asked_for():
    hidden, shown = made("reach"), made("reach", goal=True)
    starts = [[env.reset(seed=seed)[0] for seed in (0, 1)] for env in (hidden, shown)]
    assert not np.any(starts[0][0][-3:]) and np.any(starts[1][0][-3:] != starts[1][1][-3:])
    assert all(shown.observation_space.contains(start) for start in starts[1])
    assert np.array_equal(starts[0][0][:-3], starts[1][0][:-3])


def test_time_ends_an_episode():
    env = gym.make("rlhp.envs.metaworld:metaworld/button-press-v0", 1, seed=1)
    env.reset()
    ends = [bool(env.step(action[None])[2][0]) for action in actions(1000)]
    assert env.horizon == metaworld.STEPS == 500 and ends == ([False] * 499 + [True]) * 2


@pytest.mark.skipif(not film.draws(), reason="no OpenGL library")
def test_it_draws_itself(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", film.backend())
    env = made("button-press", render_mode="rgb_array", width=64, height=48)
    env.reset(seed=0)
    picture = env.render()
    assert isinstance(picture, np.ndarray) and picture.shape == (48, 64, 3) and picture.dtype == np.uint8 and picture.std() > 5
    assert not hasattr(env.unwrapped, "model"), "its places change from episode to episode"
    env.close()
