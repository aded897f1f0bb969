"""What draws the clips of a run: found by its settings alone, of older runs too, or a class from a folder outside."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pages import make_run, until

from rlhp import evaluate, film
from rlhp.agent.stack import stack_frames
from rlhp.atari import games
from rlhp.atari.emulator import Emulator
from rlhp.envs import atari, point
from rlhp.film import load, render
from rlhp.run.directory import may_change
from rlhp.types import Drawing, Segment, UserError

CONF = Path(__file__).parents[1] / "conf" / "env"
TASKS = [file.stem for file in sorted(CONF.glob("*.yaml"))]
OWN = """
from contextlib import contextmanager
import numpy as np

class Shades:
    fps, dt = 5, 0.2

    def __init__(self, shade, size=None):
        if shade > 255:
            raise ValueError(f"{shade} is no shade")
        self.shade = shade

    def check(self):
        pass

    @contextmanager
    def clip_renderer(self, size):
        yield lambda segment: (np.full((size, size, 3), self.shade, np.uint8) for _ in segment.act)

class Half:
    fps, dt = 5, 0.2
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside the package, with a class that draws."""
    (tmp_path / "shades_of_ones_own.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def clip(steps: int, state: np.ndarray | None = None) -> Segment:
    flat = np.zeros((steps, 2), np.float32)
    return Segment(flat, flat, flat[:, 0], state)


@pytest.mark.parametrize("task", TASKS)
def test_every_environment_names_what_draws_it_and_is_found_with_hydra_and_without(task: str) -> None:
    settings = composed(task)
    found = film.find(settings)
    assert type(found) is type(instantiate(settings["film"]))
    assert isinstance(
        found, film.SelfRendered | Drawing
    )  # the first is not asked for its speed, which it asks an environment for


def composed(task: str) -> dict[str, Any]:
    own = ["env.id='odd_envs:Plain-v0'"] if task == "gym" else []
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        node = compose("config", [f"env={task}", *own]).film
    return {"task": task, "film": OmegaConf.to_container(node, resolve=True)}


@pytest.mark.parametrize("task", load.EARLIER)
def test_a_run_that_is_older_than_the_setting_is_drawn_as_its_environment_says_today(task: str) -> None:
    now = composed(task)
    assert load.EARLIER[task].items() <= now["film"].items(), "what helps to judge motion came later"
    assert film.drawing({"task": task}).fps == film.drawing(now).fps
    assert film.find({"task": task, "film": None}) is None, "unless it says that nothing does"


def test_what_draws_may_change_between_two_attempts_at_a_run() -> None:
    assert may_change("film") and may_change("film._target_")


def test_what_cannot_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "_loads", lambda library: False)
    film.drawing({"task": "point"})  # takes no OpenGL
    assert film.find({"task": "hopper"}) is not None, "which another machine draws"
    for settings, said in [
        ({"task": "hopper"}, "libegl1"),
        ({"task": "MountainCar-v0"}, "MountainCar-v0 cannot be drawn"),
        ({"task": "hopper", "film": None}, "hopper cannot be drawn"),
    ]:
        with pytest.raises(UserError, match=said):
            film.drawing(settings)


def test_clips_without_states_cannot_be_drawn_from_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlhp.film.mujoco.clip_renderer", lambda *args, **options: __import__("contextlib").nullcontext(iter))
    with film.MuJoCo("hopper").clip_renderer(64) as shoot, pytest.raises(UserError, match="no simulator states"):
        shoot(clip(3))


def test_speed_is_the_paper_s() -> None:
    assert [film.MuJoCo(robot).fps for robot in ("hopper", "walker", "halfcheetah")] == [40, 30, 20]
    assert film.Point().fps == Fraction(20, 3) and film.Point().dt == point.STEP


def test_a_class_of_ones_own(own: Path) -> None:
    node = {"_target_": "shades_of_ones_own.Shades", "shade": 7}
    drawing = film.drawing({"task": "mine", "film": node})
    with drawing.clip_renderer(4) as shoot:
        pictures = list(shoot(clip(3)))
    assert [picture.tolist() for picture in pictures] == [[[[7, 7, 7]] * 4] * 4] * 3


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"_target_": "shades_of_ones_own.Missing"}, "film is set to shades_of_ones_own.Missing, but module .*PYTHONPATH"),
        ({"_target_": "nowhere.Shades"}, "film is set to nowhere.Shades, but No module named 'nowhere'; correct its name"),
        ({"_target_": "Shades"}, "film is set to Shades, but Empty module name"),
        ({"_target_": "shades_of_ones_own.Shades"}, "cannot be built from these settings .*missing .* 'shade'"),
        ({"_target_": "shades_of_ones_own.Shades", "shade": 256}, "cannot be built from these settings .256 is no shade"),
        ({"_target_": "shades_of_ones_own.Half"}, "lacks fps, dt, check or clip_renderer"),
        ({"_target_": "rlhp.film.MuJoCo", "robot": "hoper"}, "no robot 'hoper': did you mean 'hopper'"),
        ({"shade": 3}, "give a mapping whose _target_ names"),
        ("hopper", "film is 'hopper': give a mapping"),
    ],
)
def test_what_cannot_be_built_is_a_sentence(own: Path, node: object, said: str) -> None:
    with pytest.raises(UserError, match=said):
        film.find({"task": "mine", "film": node})


def test_the_filming_process_finds_a_class_of_ones_own(own: Path, tmp_path: Path) -> None:
    node = {"_target_": "shades_of_ones_own.Shades", "shade": 7}
    run = make_run(tmp_path / "run", questions=1, task="mine", film=node)
    command = [sys.executable, "-m", "rlhp.web.clip_renderer", str(run), "64", "h264", "1"]
    environment = {**os.environ, "PYTHONPATH": str(own)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        until(lambda: len(list((run / "clips").glob("*.mp4"))) == 2)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


def test_games_are_played_again_in_colour_at_an_integer_scale() -> None:
    """A clip that begins two steps later shows the same from there on."""
    emulator, act = Emulator(games.find("breakout")), np.array([1, 2, 2, 3])
    emulator.begin(0)
    states = []
    for action in act:
        states.append(emulator.save())
        emulator.step(int(action))
    flat = np.zeros((4, 84, 84), np.uint8)
    with film.Atari("breakout").clip_renderer(400) as shoot:
        whole = np.stack(list(shoot(Segment(flat, act, flat[:, 0, 0], states[0][None]))))
        later = np.stack(list(shoot(Segment(flat[2:], act[2:], flat[2:, 0, 0], states[2][None]))))
    assert whole.shape == (4, 420, 320, 3) and (whole[:, ::2, ::2] == whole[:, 1::2, 1::2]).all()
    assert (whole[2:] == later).all() and (whole[0] != whole[-1]).any()
    assert whole[..., 0].any() and (whole[..., 0] != whole[..., 2]).any(), "in colour"


def test_a_game_s_clip_without_a_state_cannot_be_drawn() -> None:
    with film.Atari("pong").clip_renderer(64) as shoot, pytest.raises(UserError, match="no emulator state"):
        list(shoot(clip(3)))
    with pytest.raises(UserError, match="no game 'pung': did you mean 'pong'"):
        film.Atari("pung")


def test_a_clip_of_25_steps_of_a_game_lasts_as_long_as_the_paper_s() -> None:
    assert 25 / film.Atari.fps == pytest.approx(1.7, abs=0.05)
    assert film.frame_rate(film.Atari.dt) == (1, 15)


@pytest.mark.parametrize("game", ["breakout", "seaquest"])
def test_people_see_in_colour_what_the_agent_sees_across_games(game: str) -> None:
    """Picture t, in grey and small, is the frame after action t; the grey of a sprite that flickers differs a little."""
    env, rng = atari.make(game, 1, seed=0, max_frames=400), np.random.default_rng(0)
    clips = list(evaluate.watch(lambda obs: rng.integers(0, 4, 1), stack_frames(env), 150))
    env.close()
    assert len(clips) == 2 and sum(len(clip.act) for clip in clips) == 150
    with film.Atari(game).clip_renderer(210) as shoot:
        for segment in clips:
            grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in shoot(segment)]
            small = np.stack([cv2.resize(picture, (84, 84), interpolation=cv2.INTER_AREA) for picture in grey])
            after, before = (np.abs(small[:-1] - frames.astype(float)).mean() for frames in (segment.obs[1:], segment.obs[:-1]))
            assert after < 0.01 and before > 0.1
