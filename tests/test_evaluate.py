"""True returns and recordings of a policy."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from rlhp import evaluate, report
from rlhp.envs import mujoco, point
from rlhp.types import UserError


class Counter(gymnasium.Env):
    """Episodes of a fixed length with reward 1 a step; the observation counts the steps; draws its count."""

    observation_space = spaces.Box(0, np.inf, (1,))
    action_space = spaces.Box(-1, 1, (1,))

    def __init__(self, length: int, render_mode: str | None = None) -> None:
        self.length, self.count, self.render_mode = length, 0, render_mode

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.count += 1
        return np.full(1, self.count, np.float32), 1.0, False, self.count == self.length, {}

    def render(self):
        return np.full((2, 2, 3), self.count, np.uint8)


def counters(*lengths: int, render_mode: str | None = None) -> DummyVecEnv:
    return DummyVecEnv([lambda n=n: Counter(n, render_mode) for n in lengths])


def still(obs: np.ndarray) -> np.ndarray:
    return np.zeros((len(obs), 1), np.float32)


def test_short_episodes_are_not_favoured():
    """Whichever end first would be four of one step."""
    assert sorted(evaluate.returns(still, counters(1, 10), 4)) == [1, 1, 10, 10]


@pytest.mark.parametrize("episodes", [1, 2, 3, 7])
def test_as_many_episodes_as_asked_for(episodes):
    assert len(evaluate.returns(still, counters(2, 3, 4), episodes)) == episodes


def test_no_episode_is_refused():
    with pytest.raises(UserError, match="at least one"):
        evaluate.returns(still, counters(1), 0)


def test_an_episode_whose_limit_is_known_is_given_up_by_that():
    env = counters(10)
    env.horizon = 10
    with pytest.raises(UserError, match=r"at most 10 steps: give a larger --max-steps$"):
        evaluate.returns(still, env, 1, max_steps=9)


@pytest.mark.parametrize("lengths", [(10,), (3, 10)])
def test_an_episode_that_does_not_end_is_given_up(lengths):
    env = counters(*lengths)
    env.task = "Counter"
    with pytest.raises(UserError, match=r"Counter made 9 steps without ending.*env\.max_episode_steps=.*--max-steps"):
        evaluate.returns(still, env, len(lengths), max_steps=9)
    assert len(evaluate.returns(still, counters(*lengths), len(lengths), max_steps=10)) == len(lengths)
    assert evaluate.returns(still, counters(3, 10), 1, max_steps=10).tolist() == [10]  # the last environment's share is first


def test_an_environment_that_has_done_its_share_may_go_on():
    """Of three episodes the first environment makes one, the other two, while the first's second never ends."""
    env = counters(2, 4)

    def slower(obs):
        if env.envs[1].count == 2:
            env.envs[0].length = 1000
        return still(obs)

    assert sorted(evaluate.returns(slower, env, 3, max_steps=5)) == [2, 4, 4]


def test_an_episode_that_was_cut_short_is_no_return():
    class Cut(DummyVecEnv):
        cuts = 0

        def step_wait(self):
            obs, reward, dones, infos = super().step_wait()
            if dones.any() and self.cuts < 2:
                self.cuts += 1
                infos[0]["shortened"] = True
            return obs, reward, dones, infos

    env = Cut([lambda: Counter(3)])
    assert evaluate.returns(still, env, 1, max_steps=9).tolist() == [3] and env.cuts == 2
    env = Cut([lambda: Counter(3)])
    with pytest.raises(UserError, match="without ending"):
        evaluate.returns(still, env, 1, max_steps=6)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("observation", r"returned nan as its observation\[0\] at step 2"),
        ("reward", "returned inf as its reward at step 2"),
        ("action", r"has diverged: its action\[0\] for environment 0 of DummyVecEnv at step 1 is nan"),
    ],
)
def test_numbers_that_are_not_finite_are_no_return(wrong, sentence):
    class Wrong(Counter):
        def step(self, action):
            obs, reward, *rest = super().step(action)
            odd = self.count == 2
            return (
                obs * np.nan if odd and wrong == "observation" else obs,
                np.inf if odd and wrong == "reward" else reward,
                *rest,
            )

    policy = lambda obs: still(obs) + (np.nan if wrong == "action" and obs[0, 0] == 1 else 0)  # noqa: E731
    with pytest.raises(UserError, match=sentence):
        evaluate.returns(policy, DummyVecEnv([lambda: Wrong(5)]), 1)


def test_watch_records_each_state_before_its_action():
    env = mujoco.make("pendulum", 2, seed=3)
    first = env.reset() is not None and env.states()[0]
    (seen,) = evaluate.watch(lambda obs: np.ones((2, 1), np.float32), mujoco.make("pendulum", 2, seed=3), 5)
    assert seen.state is not None and seen.state.shape == (5, 4) and (seen.state[0] == first).all()
    assert len(np.unique(seen.state[:, 0])) == 5 and len(seen.act) == len(seen.true_reward) == 5
    env.close()


class Reel(DummyVecEnv):
    """A counter of 4 steps whose end is hidden, stacked by 2; one state and the actions render its clips."""

    stack, replays = 2, True

    def states(self):
        return np.array([[self.envs[0].count]], np.uint8)

    def reset(self):
        return np.stack([super().reset()] * 2, axis=1)

    def step_wait(self):
        obs, reward, done, _infos = super().step_wait()
        return np.stack([obs - 1, obs], axis=1), reward, done & False, [{"cut": bool(end)} for end in done]


def test_what_is_watched_is_cut_at_hidden_resets_and_keeps_the_newest_frame_and_one_state():
    clips = list(evaluate.watch(lambda obs: obs[:, -1] * 0.1, Reel([lambda: Counter(4)]), 6))
    assert [clip.obs.ravel().tolist() for clip in clips] == [[0, 1, 2, 3], [0, 1]]
    assert [clip.state.tolist() for clip in clips if clip.state is not None] == [[[0]], [[0]]]
    assert np.allclose(clips[0].act.ravel(), [0, 0.1, 0.2, 0.3]) and clips[1].true_reward.tolist() == [1, 1]


def test_what_is_watched_for_long_comes_in_pieces_as_it_happens(monkeypatch):
    monkeypatch.setattr(evaluate, "LONGEST", 3)
    env = Reel([lambda: Counter(4)])
    clips = evaluate.watch(lambda obs: obs[:, -1] * 0.1, env, 9)
    assert len(next(clips)) == 3 and env.envs[0].count == 3, "no further than asked for"
    assert [clip.obs.ravel().tolist() for clip in clips] == [[3], [0, 1, 2], [3], [0]]


def test_an_environment_without_a_simulator_is_watched_by_its_observations():
    (clip,) = evaluate.watch(lambda obs: np.ones((1, 2), np.float32), point.make(1, seed=0), 3)
    assert clip.state is None and np.allclose(np.diff(clip.obs, axis=0), 0.1)


def test_pictures_come_before_their_actions():
    drawn = list(evaluate.pictures(still, counters(3, render_mode="rgb_array"), 4))
    assert [image[0, 0, 0] for image in drawn] == [0, 1, 2, 0]


def test_environment_that_does_not_draw():
    class Blank(Counter):
        def render(self):
            return None

    env = DummyVecEnv([lambda: Blank(3, "rgb_array")])
    with pytest.raises(UserError, match="draws no pictures"):
        list(evaluate.pictures(still, env, 1))


def test_environment_without_pictures():
    with pytest.raises(UserError, match="draws no pictures"):
        list(evaluate.pictures(still, point.make(1, seed=0), 1))


def test_missing_library_for_drawing():
    class Bare(Counter):
        def render(self):
            raise gymnasium.error.DependencyNotInstalled("pygame is not installed")

    with pytest.raises(UserError, match="pygame"):
        list(evaluate.pictures(still, DummyVecEnv([lambda: Bare(3, "rgb_array")]), 1))


class Acts:
    """What a run has learned: a policy that says how it is asked to act, or draws."""

    def policy(self, obs: np.ndarray, deterministic: bool = True) -> np.ndarray:
        return np.full(len(obs), -1.0) if deterministic else torch.rand(len(obs)).numpy()


@pytest.mark.parametrize(
    ("space", "given", "deterministic"),
    [
        (spaces.Box(-1, 1, (2,)), None, True),
        (spaces.Discrete(6), None, False),
        (spaces.MultiDiscrete([2, 3]), None, False),
        (spaces.Discrete(6), True, True),
        (spaces.Box(-1, 1, (2,)), False, False),
    ],
)
def test_discrete_actions_are_drawn_unless_one_says_otherwise(space, given, deterministic):
    trained, env, obs = Acts(), SimpleNamespace(action_space=space), np.zeros((3, 1))
    policy, how = report.acting(trained, env, 7, given)
    assert how == ("deterministic policy" if deterministic else "stochastic policy")
    first = policy(obs)
    assert (first == -1).all() == deterministic
    assert np.array_equal(report.acting(trained, env, 7, given)[0](obs), first), "by the seed"
    assert deterministic or not np.array_equal(report.acting(trained, env, 8, given)[0](obs), first)
