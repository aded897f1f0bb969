"""Pictures and videos from simulator states."""

from copy import deepcopy
from fractions import Fraction
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
from films import decoded

from rlhp import doctor, film
from rlhp.film import render, trial
from rlhp.types import Segment, UserError

ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
FILES = {
    "hopper": "hopper.xml",
    "walker": "walker2d_v5.xml",
    "halfcheetah": "half_cheetah.xml",
    "ant": "ant.xml",
    "swimmer": "swimmer.xml",
    "reacher": "reacher.xml",
    "pendulum": "inverted_pendulum.xml",
    "double_pendulum": "inverted_double_pendulum.xml",
}
SIZE = 96

# Truly: libraries that are there but do not draw are a failure here, not a reason to skip.
needs_gl = pytest.mark.skipif(not film.draws(), reason=f"no OpenGL library: {film.APT}")


def model(task: str) -> mujoco.MjModel:
    mujoco.set_mju_user_warning(lambda message: None)  # else MuJoCo writes MUJOCO_LOG.TXT
    return mujoco.MjModel.from_xml_path(str(ASSETS / FILES[task]))


def at(model: mujoco.MjModel, *, gone: float = 0.0) -> np.ndarray:
    """[1, nq + nv]: the start, `gone` metres further on."""
    qpos = model.qpos0.copy()
    qpos[render._ground(model)] += gone
    return np.concatenate([qpos, np.zeros(model.nv)])[None]


def picture(model: mujoco.MjModel, state: np.ndarray, view: film.View) -> np.ndarray:
    (image,) = film.frames(model, state, view, SIZE)
    return image


def robot_pixels(model: mujoco.MjModel, state: np.ndarray, view: film.View) -> np.ndarray:
    """[SIZE, SIZE] bool: where the picture changes when the robot is made invisible."""
    hidden = deepcopy(model)
    hidden.geom_rgba[hidden.geom_bodyid > 0, 3] = 0
    hidden.geom_matid[hidden.geom_bodyid > 0] = -1
    hidden.light_castshadow[:] = model.light_castshadow[:]
    difference = np.abs(picture(model, state, view).astype(int) - picture(hidden, state, view))
    return difference.max(axis=-1) > 12


@needs_gl
@pytest.mark.parametrize("task", FILES)
def test_picture_shows_the_robot_whole(task):
    simulated, view = model(task), film.MuJoCo(task).view
    image = picture(simulated, at(simulated), view)
    assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
    assert image.mean() > 40 and image.std() > 5  # neither black nor blank
    robot = robot_pixels(simulated, at(simulated), view)
    assert robot.sum() > 0.002 * SIZE**2
    edges = np.concatenate([robot[0], robot[-1], robot[:, 0], robot[:, -1]])
    assert not edges.any()  # nothing of it is cut off


@needs_gl
@pytest.mark.parametrize("task", ["hopper", "walker", "halfcheetah", "ant", "swimmer"])
def test_camera_and_floor_follow_the_robot(task):
    """Models' floors end after 20 to 40 metres; a cheetah runs 250 in an episode."""
    simulated, view = model(task), film.MuJoCo(task).view
    period = render._period(simulated)
    here, far = (picture(simulated, at(simulated, gone=gone), view).astype(int) for gone in (0, 200 * period))
    assert np.abs(here - far).max() <= 2


@needs_gl
def test_the_floor_moves_under_a_running_robot():
    simulated, view = model("halfcheetah"), film.MuJoCo("halfcheetah").view
    here, on = (picture(simulated, at(simulated, gone=gone), view).astype(int) for gone in (0, 0.3))
    assert np.abs(here - on).mean() > 3


@needs_gl
@pytest.mark.parametrize("cart", [-1, 1])
@pytest.mark.parametrize("task", ["pendulum", "double_pendulum"])
def test_cart_stays_in_the_picture_at_the_rails_ends(task, cart):
    simulated = model(task)
    state = at(simulated)
    state[0, :2] = cart, cart * np.pi / 2  # the pole lies outwards
    robot = robot_pixels(simulated, state, film.MuJoCo(task).view)
    assert robot.any() and not robot[:, 0].any() and not robot[:, -1].any()


@needs_gl
def test_drawing_leaves_the_simulation_as_it_is():
    simulated = model("halfcheetah")
    before = simulated.tex_data.copy(), simulated.light_pos.copy(), simulated.light_castshadow.copy()
    picture(simulated, at(simulated), film.MuJoCo("halfcheetah").view)
    assert (simulated.tex_data == before[0]).all() and (simulated.light_pos == before[1]).all()
    assert (simulated.light_castshadow == before[2]).all()


@needs_gl
def test_doctor_agrees_that_this_machine_draws():
    assert [finding.status for finding in doctor._drawing()] == [doctor.OK]


HANGS = "import threading; threading.Event().wait()"
CRASHES = "import os; os.abort()"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("", None),
        ("raise SystemExit('first line\\nno driver')", "no driver"),
        ("import os; raise SystemExit(os.environ['MUJOCO_GL'])", "osmesa"),
        (CRASHES, "it crashes"),
    ],
)
def test_a_way_to_draw_is_tried_in_a_process_of_its_own(program, why):
    assert film.complaint(program, "osmesa") == why


def test_a_driver_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(trial, "PATIENCE", 0.01)
    monkeypatch.setattr(trial, "SWITCH", HANGS)
    monkeypatch.setenv("MUJOCO_GL", "egl")
    said = film.refused()
    assert said is not None and "MUJOCO_GL=egl cannot draw here (it does not respond within 0.01 s); unset it" in said


def test_no_gl_gets_the_apt_line(monkeypatch):
    monkeypatch.setattr(render, "_loads", lambda library: False)
    simulated = model("hopper")
    with pytest.raises(UserError, match="apt-get install -y --no-install-recommends libegl1 libgl1"):
        picture(simulated, at(simulated), film.MuJoCo("hopper").view)


@pytest.mark.parametrize(
    ("wanted", "there", "chosen"),
    [("", "EGL GL OSMesa", "egl"), ("", "EGL OSMesa", "osmesa"), ("osmesa", "EGL GL OSMesa", "osmesa")],
)
def test_backend_is_chosen_by_what_is_there(wanted, there, chosen, monkeypatch):
    monkeypatch.setattr(render.sys, "platform", "linux")
    monkeypatch.setenv("MUJOCO_GL", wanted)
    monkeypatch.setattr(render, "_loads", lambda library: library.removeprefix("lib").partition(".")[0] in there.split())
    assert film.backend() == chosen


@pytest.mark.parametrize(("dt", "every", "fps"), [(0.05, 1, 20), (0.008, 3, Fraction(125, 3)), (0.02, 1, 50), (0.04, 1, 25)])
def test_a_simulated_second_takes_a_second(dt, every, fps):
    assert film.frame_rate(dt) == (every, fps)


@pytest.mark.parametrize(("codec", "name"), [("h264", "clip.mp4"), ("vp9", "clip.webm")])
def test_video_holds_every_frame_at_its_rate(codec, name, tmp_path):
    shades = [np.full((50, 64, 3), shade, np.uint8) for shade in range(0, 250, 25)]
    film.write(shades, tmp_path / name, Fraction(125, 3), codec)
    frames, rate = decoded(tmp_path / name)
    assert abs(rate - 125 / 3) < 0.1 and frames.shape == (10, 50, 64, 3)
    assert np.allclose(frames.mean(axis=(1, 2, 3)), range(0, 250, 25), atol=6)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_odd_sides_are_cut_to_even_ones(tmp_path):
    film.write([np.zeros((51, 65, 3), np.uint8)], tmp_path / "odd.mp4", 25)
    assert decoded(tmp_path / "odd.mp4")[0].shape == (1, 50, 64, 3)


def test_a_film_that_fails_leaves_nothing(tmp_path):
    def broken():
        yield np.zeros((48, 48, 3), np.uint8)
        raise RuntimeError("the simulator fell over")

    with pytest.raises(RuntimeError):
        film.write(broken(), tmp_path / "broken.mp4", 25)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("frames", "codec"), [([], "h264"), ([np.zeros((48, 48, 3), np.uint8)], "mpeg2")])
def test_nothing_to_film_and_unknown_codec(frames, codec, tmp_path):
    with pytest.raises(UserError):
        film.write(frames, tmp_path / "x.mp4", 25, codec)


@needs_gl
def test_one_studio_shoots_clip_after_clip():
    simulated, view = model("hopper"), film.MuJoCo("hopper").view
    fallen = at(simulated)
    fallen[0, 2] = 1.2
    with film.clip_renderer(simulated, view, SIZE) as shoot:
        first, second, again = (next(shoot(state)) for state in (at(simulated), fallen, at(simulated)))
    assert (first == again).all() and (first != second).any()
    assert (first == picture(simulated, at(simulated), view)).all()


def test_the_probe_is_drawn_where_it_is():
    positions = np.array([[0.0, 0.9], [0.9, 0.0]])
    with film.Point().clip_renderer(150) as shoot:
        up, right = shoot(Segment(positions, positions, positions[:, 0], None))
    red = [np.argwhere((picture == (190, 80, 50)).all(axis=-1)).mean(axis=0) for picture in (up, right)]
    assert np.allclose(red, [[30, 74.5], [74.5, 119]], atol=1)  # 0.9 of 1.5 m from the middle, 74.5 pixels


def test_an_encoder_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(film.video.av, "codecs_available", {"libvpx-vp9"})
    with pytest.raises(UserError, match="libx264 is missing; install it with: pip"):
        film.write([np.zeros((48, 48, 3), np.uint8)], tmp_path / "x.mp4", 25)
    film.write([np.zeros((48, 48, 3), np.uint8)], tmp_path / "x.webm", 25, "vp9")
