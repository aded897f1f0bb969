"""Clips of environments of one's own: the frames of those very steps, of as many environments as questions need."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import odd_envs
import pytest
from films import decoded
from gymnasium import spaces
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp import film, report
from rlhp.agent import BlindPPO
from rlhp.agent.build import make as make_agent
from rlhp.envs import gym
from rlhp.envs.gym.pictures import Kept
from rlhp.memory import Recent
from rlhp.physics import physics
from rlhp.query import Uniform
from rlhp.render import rendered, shrunk
from rlhp.run import RunDirectory
from rlhp.schedule import Annealed, Constant, Upfront
from rlhp.store import Store, digest
from rlhp.store.codec import decode, encode
from rlhp.train import build, filming, load, train
from rlhp.types import Array, Deflated, Film, Frames, Rollout, Segment, Setup, UserError, deflated
from rlhp.types import film as filmed

LINE = "odd_envs:Plain-v0"
needs_gl = pytest.mark.skipif(not film.draws(), reason=f"no OpenGL library: {film.APT}")


def line(position: float) -> Array:
    """What a `Line` looks like at a position; drawn by itself, apart from any training."""
    env = odd_envs.Line()
    env.position = position
    return env.render()


def noise(count: int, side: int = 40) -> Array:
    """Pictures of which each differs from the one before in a few pixels, apart from the third, which is another one."""
    rng = np.random.default_rng(0)
    pictures = np.repeat(rng.integers(0, 256, (1, side, side, 3), np.uint8), count, axis=0)
    for i in range(1, count):
        pictures[i:, i, : 2 * i] += 200
    pictures[2:] = rng.integers(0, 256, (1, side, side, 3), np.uint8)
    return pictures


# Compression


def test_a_film_is_exact_and_smaller_than_its_frames_apart():
    pictures = noise(6)
    frames = [deflated(picture) for picture in pictures]
    together = filmed(frames)
    assert (together.array() == pictures).all() and together.shape == (6, 40, 40, 3)
    assert len(together.data) < 2.3 * len(frames[0].data), "two pictures and a few pixels"
    lengths = np.frombuffer(together.data, "<i4", 6)
    assert (np.sign(lengths) == [1, -1, 1, -1, -1, -1]).all(), "each is kept as it is, or as a difference, whichever is smaller"


def test_frames_of_one_film_have_one_size():
    with pytest.raises(ValueError, match="of one size"):
        filmed([deflated(np.zeros((4, 4, 3), np.uint8)), deflated(np.zeros((4, 5, 3), np.uint8))])


def test_a_film_goes_into_the_store_and_comes_back():
    pictures = noise(3)
    clip = Segment(np.zeros((3, 2), np.float32), np.zeros((3, 1), np.float32), np.zeros(3, np.float32), filmed_of(pictures))
    name, content = encode(clip)
    assert len(content) < 2.5 * len(deflated(pictures[0]).data)
    back = decode(name, content)
    assert isinstance(back.packed_state, Film) and (back.state == pictures).all() and digest(back) == name
    other = Segment(clip.obs, clip.act, clip.true_reward, filmed_of(pictures[::-1]))
    assert digest(other) != name, "another film is another clip"


def filmed_of(pictures: Array) -> Film:
    return filmed([deflated(picture) for picture in pictures])


# Exactly the frames of those steps


def recorded(seed: int, steps: int, filmed: int, n_envs: int = 3) -> tuple[Rollout, Rollout]:
    """Two rollouts of an untrained policy."""
    env = gym.make(LINE, n_envs, seed, max_episode_steps=7, watched=True, filmed=filmed)
    agent = make_agent(BlindPPO, env, gamma=0.9, n_steps=steps, batch_size=steps, n_epochs=1, seed=0)
    rollouts = agent.rollouts(2 * n_envs * steps)
    first = next(rollouts)
    agent.update(first.true_reward)
    return first, next(rollouts)


def test_clips_show_the_frames_of_their_own_steps():
    """Every frame of every clip is what an environment that never trained draws where the clip's observation says it was."""
    memory = Recent(3, 100, seed=0)
    for rollout in recorded(1, 20, filmed=2):
        assert isinstance(rollout.state, Frames) and rollout.sources == 2 == rollout.state.envs
        memory.add(rollout)
    assert len(memory) > 10
    drawing = film.SelfRendered(LINE)
    with drawing.clip_renderer(120) as shoot:
        for clip in [*memory.clips, *memory.heldout]:
            pictures = list(shoot(clip))
            assert len(pictures) == 3
            for picture, observed in zip(pictures, clip.obs, strict=True):
                assert (picture == line(float(observed[0]))).all()


def test_frames_are_those_of_an_episode_played_again():
    """The same seeds and actions in environments of the test's own, rendered there: no observation is read."""
    steps = 20
    rollout, _ = recorded(4, steps, filmed=3)
    assert isinstance(rollout.state, Frames)
    seeds = gym.make(LINE, 3, 4).seed()
    for i, seed in enumerate(seeds):
        env = gymnasium.make(LINE, render_mode="rgb_array", max_episode_steps=7)
        env.reset(seed=seed)
        for t in range(steps):
            assert (rollout.state.rows[t][i].array() == env.render()).all(), (i, t)
            _, _, terminated, truncated, _ = env.step(rollout.act[t, i])
            assert (terminated or truncated) == rollout.cut[t, i]
            if rollout.cut[t, i]:
                env.reset()


@pytest.mark.parametrize(("id", "steps"), [("CartPole-v1", 30), ("LunarLander-v3", 30), ("CarRacing-v3", 6)])
def test_frames_of_gymnasiums_own_environments(id, steps):
    """As of an environment of the test's own that takes the same actions; shrunk to 400 pixels, after it has ended too."""
    pytest.importorskip("pygame")
    pytest.importorskip("Box2D")
    env = gym.make(id, 1, 7, watched=True, filmed=1)
    alone = gymnasium.make(id, render_mode="rgb_array")
    (seed,) = env.seed()
    alone.reset(seed=seed)
    env.reset()
    env.action_space.seed(0)
    seen, ended = [], 0
    for _ in range(steps):
        (frame,) = env.states() or ()
        assert isinstance(frame, Deflated)
        assert (frame.array() == shrunk(rendered(alone), 400)).all()
        seen.append(frame.data)
        action = env.action_space.sample()
        _, _, terminated, truncated, _ = alone.step(action)
        _, _, done, _ = env.step(np.array([action]))
        if terminated or truncated:
            alone.reset()
            ended += 1
        assert bool(done[0]) == (terminated or truncated)
    assert len(set(seen)) > steps / 2, "it moves"
    assert ended > 0 or id != "CartPole-v1"
    env.close()
    alone.close()


def test_clips_and_heldout_clips_are_cut_from_filmed_environments_alone():
    obs = np.tile(np.arange(4, dtype=np.float32)[np.newaxis, :, np.newaxis], (12, 1, 1))  # says of which environment it is
    rows = tuple(tuple(deflated(np.full((4, 4, 3), 10 * t + i, np.uint8)) for i in range(2)) for t in range(12))
    flat = np.zeros((12, 4), np.float32)
    rollout = Rollout(obs, flat[..., np.newaxis], flat, np.zeros((12, 4), bool), Frames(rows), np.zeros(0))
    memory = Recent(3, 100, seed=0)
    memory.add(rollout)
    assert len(memory) == 7 and len(memory.heldout) == 1, "4 clips of each of two"
    everything = [*memory.clips, *memory.heldout]
    assert {float(clip.obs[0, 0]) for clip in everything} == {0.0, 1.0}
    firsts = sorted(int(clip.state[0, 0, 0, 0]) for clip in everything if clip.state is not None)
    assert firsts == [0, 1, 30, 31, 60, 61, 90, 91], "and with the frames of their own steps"
    memory.add(replace(rollout, state=None))
    assert len(memory) == 7 + 16 - 1, "of all four, where no frames are kept"


def test_a_share_of_the_environments_has_that_share_of_memory():
    flat = np.zeros((10, 4), np.float32)
    frame = deflated(np.zeros((4, 4, 3), np.uint8))
    rollout = Rollout(flat[..., None], flat[..., None], flat, flat > 0, Frames(((frame,),) * 10), np.zeros(0))
    memory = Recent(1, 8, seed=0)
    for _ in range(3):
        memory.add(rollout)
    assert len(memory) == 2, "1 of 4, so 2 of 8"


def test_short_rollouts_with_frames_are_put_together_and_survive_a_checkpoint():
    flat = np.zeros((2, 3), np.float32)

    def short(begin: int, envs: int) -> Rollout:
        rows = tuple(
            tuple(deflated(np.full((4, 4, 3), 10 * t + i, np.uint8)) for i in range(envs)) for t in range(begin, begin + 2)
        )
        return Rollout(flat[..., None], flat[..., None], flat, flat > 0, Frames(rows), np.zeros(0))

    one, two = Recent(3, 100, seed=0), Recent(3, 100, seed=0)
    for i, envs in enumerate((3, 2, 2)):
        one.add(short(2 * i, envs))
    two.restore(one.snapshot())
    for i, memory in enumerate((one, two)):
        for begin in (6, 8, 10):
            memory.add(short(begin, 2))
        states = [clip.state for clip in memory.clips if clip.state is not None]
        assert len(states) == len(memory.clips) == 7, i  # 4 clips of 3 of 12 steps of two environments, less one held out
        for state in states:
            assert (np.diff(state[:, 0, 0, 0].astype(int)) == 10).all(), "in a row"
    assert [digest(clip) for clip in one.clips] == [digest(clip) for clip in two.clips]


# What frames are kept of


def settings(*more: str, id: str = LINE) -> dict[str, Any]:
    tiny = ["n_envs=4", "agent.n_steps=16", "total_steps=256", "agent.batch_size=32", "labels=8", "clip_steps=4", "threads=1"]
    tiny += ["first_labels=4", "torch_threads=1", "checkpoint_every=64"]
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        resolved = OmegaConf.to_container(compose("config", ["env=gym", f"env.id='{id}'", *tiny, *more]), resolve=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ([], 0),
        (["watched=true"], 4),
        (["teacher=human", "page=null"], 4),
        (["env.filmed=3"], 3),
        (["watched=true", "env.filmed=0"], 0),
        (["watched=true", "condition=true_reward"], 0),
    ],
)
def test_frames_are_kept_where_somebody_will_look(more, kept, capfd):
    setup = build(settings(*more))
    assert (0 if setup.sources is None else setup.sources(0)) == kept
    assert ("frames are kept" in capfd.readouterr().err) == (kept > 0)
    setup.env.close()


def test_people_are_not_asked_about_clips_of_which_nothing_is_kept():
    with pytest.raises(UserError, match=r"people need clips, and env\.filmed=0 keeps no frames"):
        build(settings("teacher=human", "env.filmed=0"))


def test_a_synthetic_teacher_has_nothing_rendered(monkeypatch, tmp_path):
    monkeypatch.setattr(odd_envs.Line, "render", lambda self: pytest.fail("rendered"))
    train(settings(), tmp_path)


class Sized:
    """The least that a plan of frames reads."""

    def __init__(self, schedule: Callable[[int], int], n_envs: int, n_steps: int, **query: Any) -> None:
        self.films, self.num_envs = True, n_envs
        self.n_steps, self.schedule, self.query = n_steps, schedule, Uniform(seed=0, **query)

    def film(self, wanted: Callable[[], int]) -> None:
        """A run does this."""

    def setup(self, total: int, capacity: int, length: int) -> Setup:
        memory = Recent(length, capacity, seed=0)
        parts: dict[str, Any] = {"env": self, "agent": self, "memory": memory, "query": self.query, "schedule": self.schedule}
        rest = {name: None for name in ("teacher", "reward", "training_schedule", "tracker", "max_pending", "reset_interval")}
        return Setup(**parts, **rest, total_steps=total, settings={})


def test_as_many_environments_are_filmed_as_questions_need():
    """700 labels of the paper in a million steps, 32 environments, clips of 25: two clips of each environment in a rollout.

    175 labels come first. The others fall off as 1 / (T + 100,000): ln(1.48) / ln(11) of 525, that is 85.6, in the 23 rollouts
    (47,104 steps) that memory's 1,500 clips reach back over after the first: 3.7 a rollout, from 14.9 clips, of 8 environments.
    """
    setup = Sized(Annealed(labels=700, total_steps=1_000_000), 32, 64).setup(1_000_000, 1500, 25)
    sources = filming.sources(setup)
    assert sources is not None and [sources(asked) for asked in (0, 174, 175, 699, 700)] == [32, 32, 8, 8, 0]
    everything = 32 * 2 * 1_000_000 // 2048
    assert filming.needed(setup) / 32 * everything > 4 * 525, "which is more clips than the questions are chosen from"


@pytest.mark.parametrize(
    ("schedule", "more", "later"),
    [
        (Constant(labels=110, total_steps=10_000, first=10), {}, 4),  # 1 label a rollout of 100 steps: 4 clips, 1 of each
        (Constant(labels=110, total_steps=10_000, first=10), {"min_segments_per_label": 2}, 2),
        (Constant(labels=1010, total_steps=10_000, first=10), {}, 10),  # 40 clips a rollout: of all
        (Constant(labels=20, total_steps=10_000, first=10), {}, 1),
    ],
)
def test_more_labels_want_more_environments(schedule, more, later):
    setup = Sized(schedule, 10, 10, **more).setup(10_000, 1000, 10)
    assert filming.needed(setup) == later


def test_without_further_questions_none_is_filmed():
    sources = filming.sources(Sized(Upfront(labels=10), 4, 10).setup(10_000, 1000, 10))
    assert sources is not None and (sources(9), sources(10)) == (4, 0)


def test_a_run_asks_about_films_and_goes_on_filming_after_it_was_killed(tmp_path, monkeypatch):
    cfg = settings("watched=true", "query.min_segments_per_label=4")
    train(cfg, tmp_path / "whole")
    store = Store(tmp_path / "whole" / "preferences.sqlite")
    with store.database.reading() as db:
        names = [name for (name,) in db.execute("SELECT id FROM segment")]
    clips = [store.segment(name) for name in names]
    store.close()
    assert len(clips) >= 8 and all(clip is not None and isinstance(clip.packed_state, Film) for clip in clips)
    for clip in clips:
        assert clip is not None and clip.state is not None
        assert (clip.state == np.stack([line(float(x)) for x in clip.obs[:, 0]])).all()
    rendered_frames = []
    monkeypatch.setattr(Kept, "state", counted(Kept.state, rendered_frames))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunDirectory, "end_step", dies(RunDirectory.end_step, at=192))
        train(cfg, tmp_path / "killed")
    train(cfg, tmp_path / "killed")
    # 16 clips are chosen from for the first four questions, and a rollout of 4 environments, 16 steps each, has 16, less one held
    # out: frames of all in two rollouts, of one environment in the third, and of none once the last question is asked
    assert len(rendered_frames) == 2 * 64 + 16
    for name in ("metrics.csv", "heldout.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def counted(function: Any, calls: list) -> Any:
    def call(self):
        calls.append(self)
        return function(self)

    return call


def dies(tick: Any, at: int) -> Any:
    def call(self, step):
        tick(self, step)
        if step == at:
            raise KeyboardInterrupt

    return call


@pytest.mark.parametrize(
    ("more", "said"),
    [({"filmed": 3}, "env.filmed is 3: give 0 to n_envs=2"), ({"film_size": 8}, "env.film_size is 8 pixels, too few")],
)
def test_numbers_that_make_no_sense(more, said):
    with pytest.raises(UserError, match=said):
        gym.make(LINE, 2, 0, watched=True, **more)


# Pictures


class Drawn(odd_envs.Line):
    def __init__(self, picture: Any) -> None:
        super().__init__("rgb_array")
        self.picture = picture

    def render(self):
        return self.picture


@pytest.mark.parametrize(
    ("picture", "shape"),
    [
        (np.zeros((20, 30, 3), np.uint8), (20, 30, 3)),
        (np.zeros((20, 30, 4), np.uint8), (20, 30, 3)),
        (np.zeros((20, 30), np.uint8), (20, 30, 3)),
        (np.zeros((900, 300, 3), np.uint8), (400, 133, 3)),
    ],
)
def test_pictures_of_all_kinds(picture, shape):
    frame = Kept(Drawn(picture), 400).state()
    assert isinstance(frame, Deflated) and frame.array().shape == shape


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (None, "draws no pictures"),
        (np.zeros((5, 5, 3)), r"array of float64, \[5, 5, 3\]"),
        (np.zeros((2, 5, 5, 3), np.uint8), "one pic"),
    ],
)
def test_what_is_no_picture(picture, said):
    with pytest.raises(UserError, match=said):
        rendered(Drawn(picture))


def test_pictures_that_change_their_size():
    env = Drawn(np.zeros((20, 30, 3), np.uint8))
    kept = Kept(env, 400)
    kept.state()
    env.picture = np.zeros((20, 31, 3), np.uint8)
    with pytest.raises(UserError, match="pictures of 30 x 20 and of 31 x 20 pixels"):
        kept.state()


def test_a_picture_is_shrunk_by_area():
    picture = np.zeros((8, 12, 3), np.uint8)
    picture[:, ::2] = 100
    assert (shrunk(picture, 6) == np.full((4, 6, 3), 50)).all() and shrunk(picture, 12) is picture


# Drawing


def test_speed_is_the_environments_own_but_no_faster_than_people_can_see():
    assert film.SelfRendered(LINE).fps == 30 and film.SelfRendered(LINE).dt == 1 / 30
    assert film.SelfRendered(LINE, clip_steps=25).fps == Fraction(50, 3), "25 pictures in 1.5 s"
    assert film.SelfRendered(LINE, clip_steps=90).fps == 30 and film.SelfRendered(LINE, clip_steps=25, fps=20).fps == 20
    with pytest.raises(UserError, match=r"film\.fps is 0"):
        film.SelfRendered(LINE, fps=0)


def test_small_pictures_are_enlarged_sharply_and_large_ones_shrunk():
    flat = np.zeros((1, 1), np.float32)
    for side, size, shape in ((40, 400, (400, 400, 3)), (40, 90, (80, 80, 3)), (400, 96, (96, 96, 3))):
        clip = Segment(flat, flat, flat[:, 0], filmed_of(noise(1, side)))
        with film.SelfRendered(LINE).clip_renderer(size) as shoot:
            (picture,) = shoot(clip)
        assert picture.shape == shape
    with film.SelfRendered(LINE).clip_renderer(90) as shoot:
        (picture,) = shoot(Segment(flat, flat, flat[:, 0], filmed_of(noise(1))))
    assert (picture[::2, ::2] == noise(1)[0]).all() and (picture[1::2, 1::2] == noise(1)[0]).all()


def test_clips_without_frames_say_what_to_do():
    flat = np.zeros((3, 1), np.float32)
    with (
        film.SelfRendered(LINE).clip_renderer(90) as shoot,
        pytest.raises(UserError, match="their frames were not stored; train with watched=true"),
    ):
        list(shoot(Segment(flat, flat, flat[:, 0], None)))


@pytest.mark.parametrize(
    ("id", "said"), [("odd_envs:NoRender-v0", "draws no pictures"), ("Nothing-v0", "cannot make 'Nothing-v0'")]
)
def test_what_cannot_be_drawn_is_one_sentence(id, said, recwarn):
    with pytest.raises(UserError, match=said):
        film.SelfRendered(id).check()
    assert not list(recwarn)


def test_a_film_of_the_policy(tmp_path):
    train(settings(), tmp_path)
    made = report.film_policy(tmp_path, tmp_path / "policy.mp4", seconds=1.0)
    shown, rate = decoded(made)
    assert len(shown) == rate == 30
    env = load(tmp_path).make_env(1, 10_000)
    assert np.abs(shown[0].astype(int)[::4, ::4].mean(axis=2) - _enlarged(env.reset()[0, 0])).mean() < 8


def _enlarged(position: float) -> Array:
    return line(position).repeat(4, axis=0).repeat(4, axis=1)[::4, ::4].mean(axis=2)


# MuJoCo


class Goal(gymnasium.Env):
    """A ball that slides along a line, a target that the model itself places, and one that is drawn where `goal` says."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    XML = """<mujoco><worldbody><light pos='0 0 3'/><geom type='plane' size='2 2 .1' rgba='.9 .9 .9 1'/>
    <body name='target' pos='0 0 .1'><geom pos='.1 0 0' size='.1' rgba='0 1 0 1'/></body>
    <site name='goal' size='.1' rgba='0 0 1 1'/>
    <body pos='0 0 .2'><joint type='slide' axis='1 0 0'/><geom size='.1' rgba='1 0 0 1'/></body>
    <camera name='c' pos='0 0 4'/></worldbody></mujoco>"""

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.model = mujoco.MjModel.from_xml_string(self.XML)
        self.data = mujoco.MjData(self.model)
        one = spaces.Box(-np.inf, np.inf, (3,), np.float64)
        self.observation_space = spaces.Dict(observation=one, desired_goal=one, achieved_goal=one)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.goal, self._renderer = np.zeros(3), None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.model.body("target").pos[:2] = self.np_random.uniform(-1, 1, 2)
        self.goal = np.append(self.np_random.uniform(-1, 1, 2), 0.1)
        mujoco.mj_forward(self.model, self.data)
        return self.observe(), {}

    def step(self, action):
        self.data.qvel[0] = action[0]
        mujoco.mj_step(self.model, self.data, 50)
        return self.observe(), 0.0, False, False, {}

    def observe(self):
        return {name: np.zeros(3) for name in ("observation", "desired_goal", "achieved_goal")}

    def render(self):
        self.model.site("goal").pos[:] = self.goal
        mujoco.mj_forward(self.model, self.data)
        self._renderer = self._renderer or mujoco.Renderer(self.model, 64, 64)
        self._renderer.update_scene(self.data, "c")
        return self._renderer.render()


def test_a_simulation_is_put_where_another_was_with_all_that_the_model_places():
    one, two = Goal(), Goal()
    one.reset(seed=1)
    two.reset(seed=2)
    one.step(np.array([1.0], np.float32))
    one.model.geom_pos[1] = 0.1, 0.2, 0.3  # the target's, within its body
    read, placed = physics(one), physics(two)
    assert read is not None and placed is not None
    # qpos, qvel; place and direction of the two bodies; of the fixed geoms, the floor and the target; of the site; the goal
    assert read.state().shape == (2 + 2 * 7 + 2 * 3 + 3 + 3,)
    placed.place(read.state())
    mujoco.mj_forward(one.model, one.data)
    assert (two.data.geom_xpos == one.data.geom_xpos).all() and (two.goal == one.goal).all()
    assert abs(two.data.geom_xpos[2, 0]) > 0.05, "it has moved"


@pytest.mark.parametrize("id", ["Hopper-v5", "Humanoid-v5", "Pusher-v5"])
def test_states_of_gymnasiums_own_robots(id):
    env = gym.make(id, 2, 0)
    env.reset()
    states = env.states()
    model, data = env.get_attr("model")[0], env.get_attr("data")[1]
    assert isinstance(states, np.ndarray) and states.dtype == np.float64 and not env.films
    assert (states[1, : model.nq + model.nv] == np.concatenate([data.qpos, data.qvel])).all()
    env.close()


@needs_gl
def test_clips_of_what_mujoco_simulates_are_rendered_again(monkeypatch):
    """In another environment, which was never stepped: the same as the one that acted draws of itself."""
    monkeypatch.setenv("MUJOCO_GL", film.backend())
    acting = gymnasium.make("Hopper-v5", render_mode="rgb_array", width=96, height=96)
    model = acting.unwrapped.model  # type: ignore[attr-defined]
    model.light_castshadow[:], model.mat_reflectance[:] = 0, 0  # as in a film
    acting.reset(seed=3)
    read = physics(acting)
    assert read is not None
    drawn, states = [], []
    for _ in range(5):
        states.append(read.state())
        mujoco.mj_forward(model, acting.unwrapped.data)  # type: ignore[attr-defined]
        drawn.append(acting.render())
        acting.step(np.array([1, -1, 1], np.float32))
    flat = np.zeros((5, 1), np.float32)
    with film.SelfRendered("Hopper-v5", {"width": 96, "height": 96}).clip_renderer(96) as shoot:
        again = list(shoot(Segment(flat, flat, flat[:, 0], np.stack(states))))
    assert all((one == two).all() for one, two in zip(drawn, again, strict=True))
    assert (drawn[0] != drawn[4]).any()
    acting.close()


def test_a_run_on_a_mujoco_id_has_states_and_renders_nothing(tmp_path: Path):
    cfg = settings("watched=true", id="InvertedPendulum-v5")
    train(cfg, tmp_path)
    store = Store(tmp_path / "preferences.sqlite")
    with store.database.reading() as db:
        (name,) = db.execute("SELECT id FROM segment LIMIT 1").fetchone()
    clip = store.segment(name)
    store.close()
    assert clip is not None and clip.state is not None and clip.state.ndim == 2
    if film.draws():
        frames, rate = decoded(report.film_policy(tmp_path, tmp_path / "policy.webm", seconds=0.2))
        assert (len(frames), rate) == (5, 25) and frames[0].std() > 10, "the pole on its ground"


def test_a_process_that_draws_by_pygame_ends_when_it_is_told_to() -> None:
    code = (
        "import gymnasium, signal; from rlhp.render import headless; headless();"
        "env = gymnasium.make('CartPole-v1', render_mode='rgb_array'); env.reset(); env.render();"
        "print('drawn', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "drawn\n"
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM
