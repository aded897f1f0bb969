"""The DeepMind Control Suite under Gymnasium ids: its own numbers, seeds, exact resumption, pictures."""

import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from states import check_environment_goes_on, starts_by_seed

from rlhp import film

pytest.importorskip("dm_control", reason="dm_control is not installed (pip install 'rlhp[dmc]')")
from dm_control import suite

from rlhp.envs import dmc, gym
from rlhp.physics import physics


def made(task: str, **more) -> gymnasium.Env:
    return gymnasium.make(f"dmc/{task}-v0", disable_env_checker=True, **more)


def actions(env: gymnasium.Env, steps: int) -> np.ndarray:
    box = env.action_space
    assert isinstance(box, gymnasium.spaces.Box)
    return np.random.default_rng(0).uniform(box.low, box.high, (steps, *box.shape)).astype(np.float32)


@pytest.mark.parametrize(("task", "size"), [("walker-walk", 24), ("quadruped-walk", 78), ("cheetah-run", 17)])
def test_observations_and_rewards_are_the_suites_own(task, size):
    """Another environment of the suite, put into the same state, goes through the same numbers."""
    env = made(task)
    first, _ = env.reset(seed=4)
    domain, _, name = task.partition("-")
    theirs = suite.load(domain, name, task_kwargs={"random": np.random.RandomState(env.unwrapped._seed)})
    start = theirs.reset().observation
    assert first.shape == (size,) and first.dtype == np.float64
    assert np.array_equal(first, np.concatenate([np.ravel(part) for part in start.values()]))
    for action in actions(env, 60):
        observation, reward, terminated, truncated, _ = env.step(action)
        step = theirs.step(action)
        assert np.array_equal(observation, np.concatenate([np.ravel(part) for part in step.observation.values()]))
        assert reward == step.reward and 0 <= reward <= 1 and not terminated and not truncated


def test_time_alone_ends_an_episode_after_a_thousand_steps():
    env = made("cartpole-balance")
    env.reset(seed=0)
    ends = [env.step(action)[2:4] for action in actions(env, 1000)]
    assert ends == [(False, False)] * 999 + [(False, True)]


def test_seeds_decide_the_starts():
    starts = starts_by_seed(made("walker-walk"), made("walker-walk"))
    assert len({start.tobytes() for start in starts}) == 3


@pytest.mark.parametrize("task", ["walker-walk", "quadruped-walk", "reacher-easy"])
def test_another_environment_goes_on_bit_for_bit(task):
    env = made(task)
    check_environment_goes_on(env, made(task), actions(env, 80))


@pytest.mark.parametrize(("task", "drawn"), [("walker-walk", True), ("reacher-easy", True), ("quadruped-escape", False)])
def test_what_clips_are_drawn_from(task, drawn):
    """A state holds the place of a target, but not the shape of the ground, which is another one in each episode."""
    env = made(task)
    env.reset(seed=0)
    assert (physics(env) is not None) == drawn
    if drawn:
        assert np.array_equal(env.unwrapped.data.qpos, env.unwrapped._physics.data.qpos)


def test_it_keeps_to_gymnasiums_interface():
    env = gymnasium.make("dmc/pendulum-swingup-v0")
    with pytest.warns(UserWarning):  # unbounded observations
        check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("id", ["dmc/walker-walk-v0", "rlhp.envs.dmc:dmc/walker-walk-v0"])
def test_it_is_made_by_its_id(id):
    env = gym.make(id, 2, seed=1)
    assert env.reset().shape == (2, 24) and env.horizon == dmc.STEPS == 1000


@pytest.mark.skipif(not film.draws(), reason="no OpenGL library")
def test_it_draws_itself(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", film.backend())
    env = made("walker-walk", render_mode="rgb_array", width=64, height=48)
    env.reset(seed=0)
    picture = env.render()
    assert isinstance(picture, np.ndarray) and picture.shape == (48, 64, 3) and picture.dtype == np.uint8 and picture.std() > 5
    assert made("walker-walk").unwrapped.render() is None
    env.close()


def test_importing_it_leaves_the_way_to_draw_as_it_is_and_says_nothing():
    code = "import os; before = dict(os.environ); import rlhp.envs.dmc; assert dict(os.environ) == before"
    for chosen in ({}, {"MUJOCO_GL": "egl"}):
        environment = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"} | chosen
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_whoever_sets_logging_up_anew_leaves_standard_error_open():
    program = (
        "import io, logging, sys\n"
        "sys.stderr = before = io.StringIO()\n"
        "from rlhp.envs import dmc\n"
        "sys.stderr = io.StringIO()\n"
        "logging.shutdown()\n"
        "assert not before.closed"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
