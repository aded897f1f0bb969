"""NaN, infinity, and numbers that single precision cannot hold: where they enter, the run ends."""

import numpy as np
import pytest
import torch

from rlhp.agent import BlindA2C, BlindPPO, Recorder
from rlhp.agent.build import make
from rlhp.agent.fast import FastPPO
from rlhp.envs import gym, point
from rlhp.finite import check_actions, check_received, is_finite
from rlhp.types import UserError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 7, 11])
def test_one_bad_number_is_found(dtype, number, place):
    values = np.ones((3, 4), dtype)
    assert is_finite(values)
    values.flat[place] = number
    assert not is_finite(values)
    assert not is_finite(np.asfortranarray(values)) and not is_finite(values[:, ::-1])


def test_large_numbers_are_no_bad_ones_and_overflow_is():
    assert is_finite(np.array([3e38, -3e38, 1e20], np.float32)) and is_finite(np.array([3e38, 1e30]))
    assert not is_finite(np.array([1.0, 1e39]))  # infinity in single precision
    assert is_finite(np.zeros((0, 3))) and is_finite(np.array([1, 2])) and is_finite(np.array([True]))


def test_the_first_bad_number_is_named():
    values = np.ones((3, 2, 2))
    values[1, 0, 1] = values[2] = np.nan
    with pytest.raises(UserError, match=r"environment 1 of hopper returned nan as its observation\[0, 1\] at step 1,234"):
        check_received("hopper", "observation", values, 1234)
    with pytest.raises(UserError, match="environment 2 of hopper returned -inf as its reward at step 0"):
        check_received("hopper", "reward", np.array([0, 0, -np.inf]), 0)
    with pytest.raises(UserError, match=r"policy has diverged: its action\[1\] for environment 0 .* lower agent\.learning_rate"):
        check_actions("hopper", np.array([[0, np.nan]]), 0)


class Bad(point.PointVecEnv):
    """Two points; at one moment one number of theirs is bad."""

    wrong, number = "", np.nan

    def reset(self):
        obs = super().reset()
        if self.wrong == "first":
            obs[1, 0] = self.number
        return obs

    def step_wait(self):
        obs, reward, done, infos = super().step_wait()
        match self.wrong:
            case "observation":
                obs[0, 1] = self.number
            case "reward":
                reward[1] = self.number
            case "last" if done[0]:
                infos[0]["terminal_observation"][1] = self.number
        return obs, reward, done, infos


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("first", r"environment 1 of point returned nan as its observation\[0\] at step 0;"),
        ("observation", r"environment 0 of point returned nan as its observation\[1\] at step 2;"),
        ("reward", "environment 1 of point returned nan as its reward at step 2;"),
        ("last", r"environment 0 of point returned nan as its last observation\[1\] at step 6;"),
    ],
)
def test_the_recorder_lets_no_bad_number_in(wrong, sentence):
    env = Bad(2, 0, horizon=3)
    env.wrong = wrong
    recorder = Recorder(env)
    with pytest.raises(UserError, match=sentence):
        recorder.reset()
        for _ in range(3):
            recorder.step(np.zeros((2, 2), np.float32))


def test_no_bad_action_reaches_the_environment():
    class Counting(point.PointVecEnv):
        steps = 0

        def step_async(self, actions):
            self.steps += 1
            super().step_async(actions)

    recorder = Recorder(Counting(2, 0, horizon=3))
    recorder.reset()
    recorder.step(np.zeros((2, 2), np.float32))
    with pytest.raises(UserError, match=r"diverged: its action\[1\] for environment 0 of point at step 2 is nan"):
        recorder.step(np.array([[0, np.nan], [0, 0]], np.float32))
    assert recorder.venv.steps == 1


def test_steps_are_counted_on_after_a_resume():
    first, second = (Recorder(Bad(2, 0, horizon=3)) for _ in range(2))
    first.reset()
    first.step(np.zeros((2, 2), np.float32))
    assert second.restore(first.snapshot())
    second.venv.wrong = "reward"
    with pytest.raises(UserError, match="at step 4;"):
        second.step(np.zeros((2, 2), np.float32))


def agents():
    """An agent of each kind, about to learn with an absurd learning rate."""
    settings = {"gamma": 0.9, "n_steps": 8, "learning_rate": 1e30, "seed": 0, "max_grad_norm": 1e30}
    ppo = {**settings, "batch_size": 16, "n_epochs": 5}
    yield "lean", lambda: make(FastPPO, point.make(2, 0), **ppo)
    yield "ppo", lambda: make(BlindPPO, point.make(2, 0), **ppo)
    yield "a2c", lambda: make(BlindA2C, point.make(2, 0), **settings)
    yield "discrete", lambda: make(BlindPPO, gym.make("CartPole-v1", 2, 0), **ppo)


@pytest.mark.parametrize("build", [pytest.param(build, id=name) for name, build in agents()])
def test_a_policy_that_has_diverged_is_never_handed_on(build):
    agent = build()
    with pytest.raises(UserError, match=r"the policy has diverged: .*lower agent\.learning_rate"):
        for rollout in agent.rollouts(160):
            agent.update(rollout.true_reward)


def test_weights_that_are_not_finite_end_the_update():
    """That of the last rollout too, after which nobody acts."""
    agent = make(FastPPO, point.make(2, 0), gamma=0.9, n_steps=8, batch_size=16, n_epochs=1, seed=0)
    rollout = next(agent.rollouts(16))
    with torch.no_grad():
        agent.policy.log_std[0] = torch.nan
    with pytest.raises(UserError, match="by step 16 its parameters are not finite"):
        agent.update(rollout.true_reward)


def test_the_environment_whose_last_observation_is_not_finite_is_named():
    with pytest.raises(UserError, match=r"environment 5 of there returned nan as its last observation\[1\] at step 7"):
        check_received("there", "last observation", np.array([[0.0, np.nan]]), 7, first=5)


def test_an_environment_may_change_the_action_it_is_given():
    """What was done is recorded all the same."""

    class Doubles(point.PointVecEnv):
        def step_async(self, actions):
            super().step_async(actions)
            actions *= 2

    recorder = Recorder(Doubles(2, 0, 10))
    recorder.reset()
    recorder.step(np.full((2, 2), 0.25, np.float32))
    assert (recorder.rollout().act == 0.25).all()
