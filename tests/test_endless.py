"""Episodes that time alone ends, and CarRacing's repeated actions."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from rlhp.agent import Recorder
from rlhp.envs import gym
from rlhp.envs.endless import Endless
from rlhp.evaluate import returns
from rlhp.types import UserError


class Corridor(gymnasium.Env):
    """Five squares: each step to the right is one; the fifth pays 1 and ends the episode."""

    observation_space, action_space = spaces.Box(0, 5, (1,), np.float32), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return np.array([0], np.float32), {}

    def step(self, action):
        self.at += int(action)
        return np.array([self.at], np.float32), float(self.at == 5), self.at == 5, False, {"at": self.at}


gymnasium.register("Corridor-v0", Corridor, max_episode_steps=13)
ENDLESS = ["rlhp.envs.endless:Endless"]


def test_the_next_episode_begins_unseen_and_time_alone_ends_one():
    env = Endless(gymnasium.make("Corridor-v0"))
    env.reset(seed=0)
    steps = [env.step(1) for _ in range(13)]
    assert [step[0][0] for step in steps] == [1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert [step[1] for step in steps] == [0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]
    assert [step[4].get("cut", False) for step in steps] == [i in (4, 9) for i in range(13)]
    assert [step[2:4] for step in steps] == [(False, False)] * 12 + [(False, True)]


def test_an_end_in_the_last_step_is_the_episodes_own():
    env = Endless(gymnasium.make("Corridor-v0"), steps=5)
    env.reset(seed=0)
    observation, reward, terminated, truncated, info = [env.step(1) for _ in range(5)][-1]
    assert (observation[0], reward, terminated, truncated, info) == (5, 1, False, True, {"at": 5, "score": 1})


def test_an_episode_begins_with_its_whole_time():
    env = Endless(gymnasium.make("Corridor-v0"), steps=7)
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(1)[3] for _ in range(7)] == [False] * 6 + [True]
        env.reset()
        env.step(1)


def test_returns_are_of_whole_episodes_and_clips_do_not_cross_a_hidden_end():
    """Thirteen steps to the right arrive twice; thirteen more, from another start, as often."""
    env = gym.make("Corridor-v0", 1, seed=0, wrappers=ENDLESS)
    recorder = Recorder(env)
    recorder.reset()
    for _ in range(26):
        recorder.step(np.array([1]))
    rollout = recorder.rollout()
    assert env.horizon == 13 and rollout.returns.tolist() == [2, 2]
    assert np.flatnonzero(rollout.cut[:, 0]).tolist() == [4, 9, 12, 17, 22, 25]
    assert returns(lambda obs: np.ones(1, int), env, 3).tolist() == [2, 2, 2]


def test_it_wants_a_limit():
    with pytest.raises(UserError, match=r"set env\.max_episode_steps"):
        Endless(Corridor())


def test_what_one_decision_in_carracing_shows_and_pays_is_what_eight_steps_do():
    pytest.importorskip("Box2D", reason="Box2D is not installed (pip install 'rlhp[box2d]')")
    from rlhp.envs.car_racing import Repeat

    repeated, plain = (gymnasium.make("CarRacing-v3", continuous=False, disable_env_checker=True) for _ in range(2))
    repeated = Repeat(repeated, steps=3)
    assert np.array_equal(repeated.reset(seed=3)[0], plain.reset(seed=3)[0])
    for action in (3, 3, 1, 3, 2, 0):
        seen, paid, *_ = repeated.step(action)
        steps = [plain.step(action) for _ in range(3)]
        assert np.array_equal(seen, steps[-1][0]) and paid == pytest.approx(sum(step[1] for step in steps))
    assert seen.std() > 10 and "_render" not in vars(repeated.unwrapped)
    with pytest.raises(UserError, match="for CarRacing-v3 alone"):
        Repeat(Corridor())


def test_who_gets_nearer_to_a_rooms_goal_is_paid_for_it():
    """In a room of 5 x 5 squares the walk is from (1, 1), facing right, to (3, 3): four tenths of width and height together."""
    pytest.importorskip("minigrid", reason="minigrid is not installed (pip install 'rlhp[minigrid]')")
    from rlhp.envs.minigrid import Nearer

    env = Nearer(gymnasium.make("minigrid:MiniGrid-Empty-5x5-v0"))
    own = gymnasium.make("MiniGrid-Empty-5x5-v0")
    forward, right, left = 2, 1, 0
    for _ in range(2):
        env.reset(seed=0)
        own.reset(seed=0)
        for action, nearer in ((forward, 0.1), (left, 0), (left, 0), (forward, -0.1), (right, 0), (right, 0), (forward, 0.1)):
            assert env.step(action)[1] == pytest.approx(nearer)
            own.step(action)
        walk = [(env.step(action), own.step(action)) for action in (forward, right, forward, forward)]
        paid = [shaped[1] - plain[1] for shaped, plain in walk]
        assert paid == pytest.approx([0.1, 0, 0.1, 0.1]) and walk[-1][0][2] and walk[-1][1][1] > 0.8
    with pytest.raises(UserError, match="for MiniGrid's rooms alone"):
        Nearer(Corridor())


def test_a_room_can_be_observed_as_the_place_where_the_agent_stands_and_looks():
    """At the start at (1, 1), facing right (0); then one square on, facing down (1)."""
    pytest.importorskip("minigrid", reason="minigrid is not installed (pip install 'rlhp[minigrid]')")
    from rlhp.envs.minigrid import Place

    env = Place(gymnasium.make("minigrid:MiniGrid-Empty-5x5-v0"))
    first, _ = env.reset(seed=0)
    env.step(2)
    later = env.step(1)[0]
    assert np.flatnonzero(first).tolist() == [1, 5 + 1, 10 + 0] and np.flatnonzero(later).tolist() == [2, 5 + 1, 10 + 1]
    assert first.shape == (14,) and first.dtype == np.float32 and env.observation_space.contains(later)
