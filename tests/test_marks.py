"""What is added to pictures of robots so that motion can be judged."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest
from test_film import at, model, needs_gl

from rlhp import film
from rlhp.film import marks, render
from rlhp.types import Segment, UserError
from rlhp.web.clip_cache import RenderSettings

SIZE = 96


def test_a_line_at_each_metre_from_the_start() -> None:
    """A robot at 2.6 m whose clip began at 0.5 m is near the line at +2 m; six lines are drawn to either side of it."""
    shapes = marks.lines(start=0.5, robot=(2.6, 1.0), floor=-0.1, width=1.0)
    drawn, labels = shapes[::2], shapes[1::2]
    assert [shape.at[0] for shape in drawn] == [0.5 + metre for metre in range(-4, 9)]
    assert {shape.at[1] for shape in drawn} == {1.0} and {round(label.at[1], 9) for label in labels} == {0.2}
    assert [label.text for label in labels[3:7]] == ["-1 m", "start", "+1 m", "+2 m"]
    thick = [shape.size[0] for shape in drawn]
    assert thick[4] == 3 * marks.LINE and set(thick) == {marks.LINE, 3 * marks.LINE}


@pytest.mark.parametrize(("x", "said"), [(1.84, "moved +0.8 m"), (0.96, "moved +0.0 m"), (-0.5, "moved -1.5 m")])
def test_the_caption_tells_how_far_a_robot_has_moved(x: float, said: str) -> None:
    assert marks.moved(1.0, x) == said


def test_watched_bodies_are_coloured_and_joints_become_balls() -> None:
    hopper = model("hopper")
    watched, data = marks.watch(hopper, ["foot", "thigh_joint"]), mujoco.MjData(hopper)
    mujoco.mj_forward(hopper, data)
    own = hopper.geom_bodyid == mujoco.mj_name2id(hopper, mujoco.mjtObj.mjOBJ_BODY.value, "foot")
    assert (
        own.sum() == 1 and np.allclose(hopper.geom_rgba[own], marks.WATCHED) and (hopper.geom_rgba[~own] != marks.WATCHED).any()
    )
    (ball,) = watched.balls(data)
    assert ball.at == pytest.approx((0.0, 0.0, 1.05)) and ball.size[0] == pytest.approx(0.05 + marks.BALL)


def test_a_part_that_the_robot_lacks_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(UserError, match=r"film.watch names 'wing'.*torso, thigh, leg, foot, .*thigh_joint"):
        marks.watch(model("hopper"), ["wing"])


def clip(gone: float) -> Segment:
    """HalfCheetah at the start, and `gone` metres further on; far along its floor."""
    states = np.concatenate([at(model("halfcheetah"), gone=61.3), at(model("halfcheetah"), gone=61.3 + gone)])
    return Segment(np.zeros((2, 1), np.float32), np.zeros((2, 1), np.float32), np.zeros(2, np.float32), states)


def green(picture: np.ndarray) -> float:
    """Where the start line is, from 0, the left edge, to 1."""
    red, of_green, blue = np.moveaxis(picture.astype(int), -1, 0)
    found = np.argwhere((of_green > red + 40) & (of_green > blue + 10))
    assert len(found) > 10, "the line is in the picture"
    return float(found[:, 1].mean()) / picture.shape[1]


@needs_gl
def test_the_start_line_stays_where_the_robot_was() -> None:
    with film.MuJoCo("halfcheetah").clip_renderer(2 * SIZE) as shoot:
        first, second = shoot(clip(0.5))
    assert green(first) == pytest.approx(0.5, abs=0.05) and green(second) < green(first) - 0.1


@needs_gl
def test_marks_and_captions_are_settings() -> None:
    def pictures(**settings: bool) -> list[np.ndarray]:
        with film.MuJoCo("halfcheetah", **settings).clip_renderer(SIZE) as shoot:
            return list(shoot(clip(0.5)))

    plain, marked, captioned = pictures(marks=False), pictures(), pictures(marks=False, caption=True)
    assert (plain[0] != marked[0]).any() and (plain[0] != captioned[0]).any()
    below = captioned[0][SIZE // 3 :] == plain[0][SIZE // 3 :]
    assert below.all(), "a caption is written at the top"


@needs_gl
def test_what_cannot_leave_has_no_marks() -> None:
    reacher = model("reacher")
    with render.clip_renderer(reacher, film.MuJoCo("reacher").view, SIZE, render.Aids(marks=True, caption=True)) as shoot:
        (marked,) = shoot(at(reacher))
    with render.clip_renderer(reacher, film.MuJoCo("reacher").view, SIZE) as shoot:
        (plain,) = shoot(at(reacher))
    assert (marked == plain).all()


@needs_gl
def test_a_picture_of_600_pixels_is_drawn_whole() -> None:
    """MuJoCo's own buffer has 480 rows; a picture of twice the size is the same picture."""
    hopper, view = model("hopper"), film.MuJoCo("hopper").view
    (large,), (small,) = (film.frames(hopper, at(hopper), view, size) for size in (600, 300))
    shrunk = large.reshape(300, 2, 300, 2, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small).mean() < 6


def test_clips_are_filmed_anew_where_their_drawing_changes(tmp_path: Path) -> None:
    node = {"_target_": "rlhp.film.MuJoCo", "robot": "hopper"}
    looks = [
        RenderSettings.of({"task": "hopper", **more}, 600, "h264")
        for more in ({}, {"film": node}, {"film": {**node, "caption": True}})
    ]
    assert len({look.file(tmp_path, "a") for look in looks}) == 3
    assert looks[0] == RenderSettings("hopper", 600, "h264"), "where a run does not say, its clips keep their names"
