"""Environments of one's own: their numbers are Stable-Baselines3's, in any number of processes, and go on exactly where saved."""

import os
import pickle
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from typing import Any

import gymnasium
import mujoco
import numpy as np
import odd_envs
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import register
from gymnasium.wrappers import FrameStackObservation, TimeLimit
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import DummyVecEnv

from rlhp.envs import gym
from rlhp.envs.gym import notes, observation, resume, share, trial
from rlhp.envs.gym.build import factory
from rlhp.envs.gym.plain import is_plain, pack, put_back, unpack
from rlhp.envs.gym.share import Share
from rlhp.envs.gym.single import Single
from rlhp.envs.gym.vec import GymVecEnv
from rlhp.types import UserError

QUICK = {"disable_env_checker": True}


def made(id: str, n_envs: int = 3, workers: int = 1, clone: bool = False, seed: int = 4, **kwargs: Any) -> GymVecEnv:
    build = factory(id, {**QUICK, **kwargs})
    return GymVecEnv(id, [build] * n_envs, seed, Share(workers), clone=clone)


def acts(env: Any, steps: int, seed: int = 0) -> list[np.ndarray]:
    env.action_space.seed(seed)
    return [np.array([env.action_space.sample() for _ in range(env.num_envs)]) for _ in range(steps)]


def play(env: Any, actions: list[np.ndarray]) -> list[Any]:
    return [env.step(action) for action in actions]


def same(one: list[Any], other: list[Any]) -> bool:
    """Observations, rewards, dones and infos, bit for bit."""
    return len(one) == len(other) and all(
        all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(x[:3], y[:3], strict=True)) and told(x[3]) == told(y[3])
        for x, y in zip(one, other, strict=True)
    )


def told(infos: list[dict[str, Any]]) -> list[Any]:
    return [sorted((k, v.tobytes() if isinstance(v, np.ndarray) else v) for k, v in info.items()) for info in infos]


# The numbers


@pytest.mark.parametrize(
    "id", ["CartPole-v1", "Pendulum-v1", "Hopper-v5", "odd_envs:Term-v0", "odd_envs:F64-v0", "odd_envs:Image-v0"]
)
def test_numbers_are_those_of_stable_baselines3(id):
    env = made(id)
    reference = DummyVecEnv([factory(id, QUICK)] * 3)
    reference._seeds = list(env.seed())
    assert np.array_equal(env.reset(), reference.reset())
    actions = acts(env, 220)
    ended = 0
    for ours, theirs in zip(play(env, actions), play(reference, actions), strict=True):
        assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(ours[:3], theirs[:3], strict=True))
        for i in np.flatnonzero(ours[2]):
            ended += 1
            assert np.array_equal(ours[3][i]["terminal_observation"], theirs[3][i]["terminal_observation"])
            assert ours[3][i]["TimeLimit.truncated"] == theirs[3][i]["TimeLimit.truncated"]
    assert ended > 0


class Buffer(gymnasium.Env):
    """It returns the array that it goes on writing into, and keeps the actions that it is given."""

    observation_space = spaces.Box(-9, 9, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, told: dict[str, Any] | None = None) -> None:
        self.at, self.taken, self.told = np.zeros(1, np.float32), [], told or {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at[:] = 0 if options is None else options["at"]
        self.taken = []
        return self.at, {"begun": True, "self": self}

    def step(self, action):
        self.at += 1
        self.taken.append(action)
        return self.at, float(np.sum(self.taken)), bool(self.at > 2), False, {"all": self, "lap": 3, **self.told}


def test_an_environment_may_write_into_what_it_returned_and_keep_what_it_was_given():
    env = GymVecEnv("Buffer", [Buffer] * 2, 0)
    env.set_options({"at": 1})
    assert env.reset().tolist() == [[1], [1]] and env.reset_infos == [{"begun": True}] * 2
    first = env.step(np.array([[0.25], [0.5]]))
    assert first[0].tolist() == [[2], [2]] and first[3] == [{}, {}]
    obs, reward, done, infos = env.step(np.array([[0.5], [0.5]]))
    assert obs.tolist() == [[0], [0]] and reward.tolist() == [0.75, 1.0] and done.all()
    assert infos[0] == {"lap": 3, "terminal_observation": np.array([3.0]), "TimeLimit.truncated": False}
    assert first[0].tolist() == [[2], [2]], "what was returned is a copy"


def test_what_the_protocol_names_is_told_at_any_step():
    told = {"cut": True, "score": 7.0}
    env = GymVecEnv("Buffer", [lambda: Buffer({**told, "other": 1})], 0)
    env.reset()
    assert env.step(np.zeros((1, 1)))[3] == [told]


def test_a_constructor_that_returns_one_object_twice_is_refused():
    only = Buffer()
    with pytest.raises(UserError, match="same object twice"):
        GymVecEnv("Buffer", [lambda: only] * 2, 0)


# Processes


@pytest.mark.parametrize("id", ["odd_envs:Term-v0", "Hopper-v5"])
def test_numbers_do_not_depend_on_the_number_of_workers(id):
    runs = []
    for workers in (1, 2):
        env = made(id, workers=workers)
        assert (env.workers == workers and env._stepping is None) or workers == 1
        first = env.reset()
        steps = play(env, acts(env, 60))
        saved = env.snapshot()
        steps += play(env, acts(env, 9, seed=1))
        env.close()
        runs.append((first, steps, saved))
    (first, steps, saved), other = runs
    assert np.array_equal(first, other[0]) and same(steps, other[1]) and any(done.any() for _, _, done, _ in steps)
    for workers, snapshot in ((1, other[2]), (2, saved)):
        again = made(id, workers=workers)
        assert np.array_equal(again.restore(snapshot), steps[59][0]) and same(play(again, acts(again, 9, seed=1)), steps[60:])
        again.close()


def test_environments_in_processes_are_asked_and_told_as_here():
    for workers in (1, 2):
        env = made("odd_envs:Plain-v0", workers=workers, render_mode="rgb_array")
        assert env.render_mode == "rgb_array"
        env.reset()
        assert len({image.tobytes() for image in env.get_images()}) >= 1 and env.get_images()[0].shape == (80, 120, 3)
        assert env.get_attr("ends") == [0.0] * 3 and not env.has_attr("nothing")
        env.set_attr("speed", 7, indices=[1])
        assert env.env_method("observe", indices=2)[0].shape == (3,)
        assert env.get_attr("speed", indices=[1]) == [7]
        assert env.env_is_wrapped(TimeLimit) == [True] * 3 and env.env_is_wrapped(FrameStackObservation, 0) == [False]
        env.close()


def test_what_clips_are_drawn_from_is_the_state_at_the_current_observation():
    for workers in (1, 2):
        build = factory("Hopper-v5", QUICK)
        env = GymVecEnv("Hopper-v5", [build] * 2, 0, Share(workers))
        env.reset()
        obs = env.step(np.zeros((2, 3)))[0]
        assert env.states().dtype == np.float64 and np.array_equal(env.states()[:, 1:6], obs[:, :5])
        env.close()


def test_frames_are_those_of_the_first_environments_here_and_in_processes():
    frames = []
    for workers in (1, 2):
        env = GymVecEnv(
            "Plain", [factory("odd_envs:Plain-v0", {**QUICK, "render_mode": "rgb_array"})] * 3, 0, Share(workers), None
        )
        assert env.films
        env.reset()
        assert env.states() is None
        env.film(lambda: 2)
        play(env, acts(env, 3))
        frames.append([frame.array() for frame in env.states()])
        assert len(frames[-1]) == 2 and np.array_equal(frames[-1][1], env.get_images()[1])
        env.close()
    assert np.array_equal(*frames)


def test_observations_are_read_in_processes_as_here():
    for id in ("odd_envs:Camera-v0", "odd_envs:Nested-v0"):
        one, two = (gym.make(id, 2, 0, workers=workers) for workers in (1, 2))
        assert np.array_equal(one.reset(), two.reset())
        actions = acts(one, 45)
        assert same(play(one, actions), play(two, actions))
        two.close()


def test_what_stable_baselines3_takes_for_an_image_is_known_without_it():
    for shape, dtype, high in (((3, 8, 8), np.uint8, 255), ((8, 8), np.uint8, 255), ((3, 8, 8), np.uint8, 254)):
        space = spaces.Box(0, high, shape, dtype)
        assert observation.taken_for_image(space) == is_image_space(space)
    real = spaces.Box(0, 255, (3, 8, 8), np.float32)
    assert not observation.taken_for_image(real) and not is_image_space(real)


def test_what_a_worker_raises_comes_with_where_it_happened():
    env = made("odd_envs:Failing-v0", workers=2)
    env.reset()
    play(env, acts(env, 4))
    with pytest.raises(RuntimeError, match=r"(?s)in divide.*ZeroDivisionError"):
        env.step(acts(env, 1)[0])
    assert all(process.poll() is not None for process in env._stepping._processes)


def test_what_an_environment_here_raises_passes():
    env = made("odd_envs:Failing-v0")
    env.reset()
    play(env, acts(env, 4))
    with pytest.raises(ZeroDivisionError):
        env.step(acts(env, 1)[0])


def test_a_worker_that_dies_is_told_in_a_sentence_and_ends_the_others():
    env = made("odd_envs:Failing-v0", workers=2, way="die")
    env.reset()
    play(env, acts(env, 4))
    with pytest.raises(UserError, match=r"is gone.*env\.workers=1"):
        env.step(acts(env, 1)[0])
    assert all(process.poll() is not None for process in env._stepping._processes)
    with pytest.raises(UserError, match="is gone"):
        env.reset()
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_whoever_began_them_also_amid_a_step(end):
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"  # a shell may have it ignored
        "import numpy as np; from test_own_envs import made, acts, play;"
        "env = made('odd_envs:Failing-v0', 2, workers=2, way='hang'); env.reset(); play(env, acts(env, 4));"
        "env.step_async(acts(env, 1)[0]); print(*(p.pid for p in env._stepping._processes), flush=True); env.step_wait()"
    )
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.send_signal(end)
    parent.wait()
    while any(map(alive, pids)):  # pytest's time limit is what fails
        time.sleep(0.05)
    parent.stdout.close()


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # a zombie waits for its new parent
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_imports_nothing_heavy():
    heavy = "{'torch', 'mujoco', 'stable_baselines3', 'hydra'}"
    code = f"import sys, rlhp.envs.gym.group, rlhp.envs.gym.observation; print(*{heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == ""


def test_a_class_that_no_other_process_can_import_is_stepped_there():
    """It is local to a function, and registered in this process alone."""

    class Local(odd_envs.Line):
        def reward(self):
            return 3.0

    register("Local-v0", Local, max_episode_steps=40)
    env = gym.make("Local-v0", 2, 0, workers=2)
    env.reset()
    assert env.step(np.zeros((2, 1)))[1].tolist() == [3.0, 3.0]
    env.close()


def test_what_cannot_be_sent_to_a_process_is_stepped_here(monkeypatch):
    lock = threading.Lock()

    def build():
        with lock:
            return odd_envs.Line()

    with pytest.raises(UserError, match=r"cannot be made in other processes.*env\.workers=1"):
        share.chosen("Line", build, 4, 2, 8)
    monkeypatch.setattr(trial, "step_seconds", lambda build: 0.1)
    assert share.chosen("Line", build, 4, None, 8).workers == 1


@pytest.mark.parametrize(
    ("seconds", "n_envs", "threads", "workers", "wanted"),
    [
        (0.001, 8, 4, None, 4),
        (0.001, 8, 32, None, 8),
        (0.0001, 8, 4, None, 1),
        (0.001, 8, 1, None, 1),
        (1.0, 1, 4, None, 1),
        (0.0001, 8, 1, 3, 3),
        (0.0001, 2, 1, 3, 2),
        (1.0, 8, 4, 1, 1),
    ],
)
def test_a_slow_step_is_worth_processes(monkeypatch, seconds, n_envs, threads, workers, wanted):
    monkeypatch.setattr(trial, "step_seconds", lambda build: seconds)
    found = share.chosen("Task", odd_envs.Line, n_envs, workers, threads)
    assert found.workers == wanted
    assert bool(found.why) == (wanted > 1 and workers is None)
    if found.why:
        assert f"takes {seconds * 1e3:.2g} ms: {wanted} worker processes" in found.why


def test_a_trial_leaves_global_random_streams_alone():
    class Global(odd_envs.Line):
        def reward(self):
            return np.random.uniform() + random.random()

    before = np.random.get_state()[1].tolist(), random.getstate()
    assert trial.step_seconds(Global) > 0
    assert "different results" in trial.obstacle(Global)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before


# Saved and restored


class Held:
    """An ordinary object with something of an environment's state."""

    __slots__ = ("inner", "past")

    def __init__(self):
        self.past, self.inner = deque(maxlen=3), {"rng": np.random.default_rng(1), "count": 0}


class Deep(odd_envs.Line):
    """State in objects, containers, streams and views, with something large that never changes."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode, spaces.Box(-1, 1, (1,), np.float32))
        self.held, self.dice, self.table = Held(), random.Random(3), np.arange(100_000)
        self.legacy, self.itself = np.random.RandomState(5), self
        self.array = np.zeros(4)
        self.view = self.array[1:]

    def step(self, action):
        observation, reward, *rest = super().step(action)
        held = self.held
        held.past.append(float(reward))
        held.inner["count"] += 1
        self.view += held.inner["rng"].random() + self.dice.random() + self.legacy.rand() + self.action_space.np_random.random()
        return observation, float(sum(held.past) + held.inner["count"] + self.array.sum()), *rest


class Randomised(gymnasium.Wrapper):
    """The robot's masses are drawn anew for each episode."""

    def reset(self, **settings):
        observation, info = self.env.reset(**settings)
        self.unwrapped.model.body_mass[:] = self.unwrapped.np_random.uniform(1, 3, self.unwrapped.model.nbody)
        return observation, info


class Clocked(gymnasium.Wrapper):
    def __init__(self, env):
        super().__init__(env)
        self.seen = [0.0]

    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        self.seen.append(float(reward))
        return observation, reward + 0.1 * len(self.seen), *rest


EXACT = {
    "classic": factory("CartPole-v1", QUICK),
    "robot": factory("Hopper-v5", QUICK),
    "humanoid": factory("Humanoid-v5", QUICK),  # rewards by positions in space, which lag the state
    "goal": factory("Pusher-v5", QUICK),
    "tells": factory("odd_envs:Told-v0", QUICK),
    "objects": lambda: TimeLimit(Deep(), 50),
    "stack": lambda: FrameStackObservation(factory("Pendulum-v1", QUICK)(), 3),
    "masses": lambda: Randomised(factory("Hopper-v5", QUICK)()),
    "wrapper": lambda: Clocked(factory("odd_envs:Told-v0", QUICK)()),
    "table": factory("FrozenLake-v1", QUICK),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_saved_environment_goes_on_with_the_same_numbers(name):
    """In another object, which has been elsewhere before, and over the ends of episodes."""
    build = EXACT[name]
    assert trial.obstacle(build) is None
    one, other = Single(build), Single(build)
    one.reset(seed=1)
    other.reset(seed=2)
    space = one.env.action_space
    chosen = [space.sample() for _ in range(90)]
    for action in chosen[:25]:
        one.step(action)
        other.step(action)
    saved = one.save()
    assert isinstance(saved, bytes)
    other.load(saved)
    for action in chosen[25:]:
        a, b = one.step(action), other.step(action)
        assert np.array_equal(a.observation, b.observation) and a[1:3] == b[1:3]
    assert np.array_equal(one.reset()[0], other.reset()[0])


def test_what_is_large_and_never_changes_is_not_saved():
    single = Single(Deep)
    single.reset(seed=0)
    assert len(single.save()) < 20_000 < single.env.table.nbytes
    single.env.table[0] = 1
    assert len(single.save()) > single.env.table.nbytes


class Generating(odd_envs.Line):
    def __init__(self):
        super().__init__()
        self.script = (k for k in range(9))


class Subclass(odd_envs.Line):
    def __init__(self):
        super().__init__()
        self.log = type("Log", (list,), {})()


class Threaded(odd_envs.Line):
    def __init__(self):
        super().__init__()
        self.held = Held()
        self.held.past = threading.Lock()


class Native(odd_envs.Line):
    def __init__(self):
        super().__init__()
        self.scene = mujoco.MjvScene()


class Wrong(odd_envs.Line):
    def get_state(self):
        return self

    def set_state(self, state):
        raise AssertionError


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Generating, "Generating.script is a builtins.generator"),
        (Subclass, "Subclass.log is a .*Log"),
        (Threaded, "Threaded.held.past is a _thread.lock"),
        (Native, "Native.scene is a mujoco.*MjvScene"),
        (Wrong, r"Wrong.get_state\(\) returns a Wrong"),
        (lambda: Clocked(Generating()), "Generating.script"),
        (odd_envs.Forgetful, "different results"),
    ],
)
def test_what_cannot_be_saved_is_said_not_lost(kind, reason, capfd):
    assert re.search(reason, trial.obstacle(kind))
    env = GymVecEnv("Kind", [kind] * 2, 0)
    env.desynchronise()
    assert re.search(f"Kind cannot be saved .*{reason}.*continues from a reset.*env.clone=true", capfd.readouterr().err)


def test_what_can_no_longer_be_saved_amid_a_run_is_said_once(capfd):
    env = GymVecEnv("Line", [odd_envs.Line] * 2, 0)
    env.desynchronise()
    env.reset()
    assert "saved" in env.snapshot() and "cannot be saved" not in capfd.readouterr().err
    env.set_attr("script", threading.Lock(), indices=[1])
    assert set(env.snapshot()) == set(env.snapshot()) == {"steps"}
    assert capfd.readouterr().err.count("Line cannot be saved (Line.script is a _thread.lock)") == 1


def test_what_an_environment_draws_with_is_no_state():
    pytest.importorskip("pygame")
    build = factory("CartPole-v1", {**QUICK, "render_mode": "rgb_array"})
    single = Single(build)
    single.reset(seed=0)
    single.render()
    assert single.env.unwrapped.screen is not None and isinstance(single.save(), bytes)
    assert trial.obstacle(build) is None


def test_an_environment_that_cannot_be_saved_goes_on_from_a_reset():
    env = made("odd_envs:Closed-v0")
    env.reset()
    play(env, acts(env, 3))
    saved = env.snapshot()
    assert {name: int(value) for name, value in saved.items()} == {"steps": 3}
    assert made("odd_envs:Closed-v0").restore(saved) is None


# Cloned


class Recipe(gymnasium.utils.EzPickle, odd_envs.Line):
    """Its pickle is the recipe it is made by, without what has happened since."""

    def __init__(self):
        gymnasium.utils.EzPickle.__init__(self)
        odd_envs.Line.__init__(self)


@pytest.mark.parametrize("id", ["odd_envs:Copied-v0", "odd_envs:Closed-v0", "odd_envs:Plain-v0"])
def test_a_clone_goes_on_with_the_same_numbers(id, capfd):
    env = made(id, clone=True)
    env.desynchronise()
    assert "env.clone=true: each checkpoint contains" in capfd.readouterr().err
    env.reset()
    play(env, acts(env, 7))
    saved = env.snapshot()
    rest = play(env, acts(env, 60))
    again = made(id, workers=2, clone=True, seed=9)
    assert np.array_equal(again.restore(saved), saved["obs"]) and same(play(again, acts(again, 60)), rest)
    again.close()


def test_a_pickle_that_is_no_copy_is_refused():
    with pytest.raises(UserError, match=r"Recipe does not resume from its pickle.*env\.clone=false"):
        notes.cloned("Recipe", Recipe)
    with pytest.raises(UserError, match=r"Threaded cannot be pickled.*lock.*env\.clone=false"):
        notes.cloned("Threaded", Threaded)


def test_nothing_is_unpickled_that_the_user_did_not_ask_for():
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("it was unpickled",)

    one, cloned = Single(odd_envs.Line), Single(odd_envs.Line, clone=True)
    for single in (one, cloned):
        single.reset(seed=0)
    with pytest.raises(UserError, match=r"set env\.clone=true"):
        one.load(resume.PICKLED + pickle.dumps(Bomb()))
    with pytest.raises(UserError, match=r"set env\.clone=false"):
        cloned.load(one.save())
    with pytest.raises((UserError, ValueError)):
        one.load(resume.PLAIN + pickle.dumps(Bomb()))


# What does not fit


def test_a_snapshot_of_another_kind_is_refused():
    env = made("odd_envs:Plain-v0")
    env.reset()
    saved = env.snapshot()
    with pytest.raises(UserError, match=r"does not fit 2 environments.*n_envs"):
        made("odd_envs:Plain-v0", 2).restore(saved)
    with pytest.raises(UserError, match="not of CartPole-v1"):
        made("CartPole-v1").restore({"physics": np.zeros(1)})
    other = GymVecEnv("Line", [odd_envs.Line] * 3, 0)
    with pytest.raises(UserError, match="resume with the same wrappers"):
        other.restore(saved)


# Plain values


@pytest.mark.parametrize(
    "value",
    [
        None,
        [True, -3, 2**80, 0.1, float("inf"), "a\nb", b"\0\1"],
        (1, [2, {"a": (3,), 4: {5, 6}}], frozenset({7})),
        deque([1, 2], maxlen=2),
        {
            "x": np.arange(6, dtype=np.int8).reshape(2, 3)[:, ::2],
            "y": np.float32(0.1),
            "z": np.array("ab"),
            "e": np.zeros((0, 2)),
        },
        np.bool_(True),
    ],
)
def test_plain_values_come_back_as_they_were(value):
    again = unpack(pack(value))
    assert is_plain(value) and repr(again) == repr(value) and type(again) is type(value)


def test_random_streams_come_back_as_they_were():
    for stream in (
        np.random.default_rng(2),
        np.random.Generator(np.random.MT19937(1)),
        np.random.RandomState(3),
        random.Random(4),
    ):
        draw = stream.random if isinstance(stream, random.Random) else stream.normal
        again, held = unpack(pack(stream)), type(stream)(np.random.MT19937(9)) if type(stream) is np.random.Generator else stream
        wanted = [draw() for _ in range(3)]
        redraw = again.random if isinstance(again, random.Random) else again.normal
        assert [redraw() for _ in range(3)] == wanted and is_plain(held)


def test_what_is_put_back_is_seen_by_whoever_holds_it():
    array, names, rng = np.zeros(3), [1], np.random.default_rng(0)
    wanted = np.random.default_rng(7)
    assert put_back(array, np.arange(3.0)) is array and array.tolist() == [0, 1, 2]
    assert put_back(names, [2, 3]) is names == [2, 3]
    assert put_back(rng, wanted) is rng and rng.random() == wanted.random()
    assert put_back(array, np.zeros(2)) is not array and put_back(3, 4) == 4


@pytest.mark.parametrize("value", [object(), [object()], {"a": lambda: 0}, np.array([object()]), np.ma.array([1]), 1j])
def test_other_values_are_not_plain(value):
    assert not is_plain(value)


def test_bytes_of_another_kind_are_refused():
    for packed in (b"", b"abc", pickle.dumps([1]), pack([1])[:-2]):
        with pytest.raises(ValueError):
            unpack(packed)
