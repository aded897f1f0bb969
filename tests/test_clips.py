"""Clips: they show exactly the states of their segments, at the speed of the paper, and are made once."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from films import decoded
from pages import filmed, make_run, walk

from rlhp import film
from rlhp.robots import find
from rlhp.store import Store
from rlhp.types import Array, Segment
from rlhp.web.clip_cache import ClipCache, RenderSettings
from rlhp.web.clip_renderer import ClipRenderer

SIZE = 128
needs_gl = pytest.mark.skipif(not film.draws(), reason=f"no OpenGL library: {film.APT}")


STEPS = {"hopper": 60, "reacher": 15}  # of the paper's clips
TURNS = {"hopper": 2, "reacher": 0}  # the joint of qpos that is seen to turn


def turning(task: str, speed: float) -> Segment:
    """A clip in which no two states look alike: a joint turns at a constant speed, in radians per step."""
    model, steps = find(task).model(), STEPS[task]
    states = np.tile(np.concatenate([model.qpos0, np.zeros(model.nv)]), (steps, 1))
    states[:, TURNS[task]] += speed * np.arange(steps)
    flat = np.zeros((steps, 1), np.float32)
    return Segment(flat, flat, flat[:, 0], states)


def shot(run: Path, task: str, pair: tuple[Segment, Segment], codec: str = "h264") -> list[tuple[Array, float]]:
    """The frames [L, SIZE, SIZE, 3] of both clips of a question as a browser decodes them, and their frames a second."""
    store = Store(make_run(run, questions=0) / "preferences.sqlite")
    store.ask([pair], 0)
    look, (clips,) = RenderSettings(task, SIZE, codec), named(store)
    filmer, drawing = ClipRenderer(run, look, overlap=1), film.drawing({"task": task})
    with drawing.clip_renderer(SIZE) as shoot:
        while (name := filmer.next()) is not None:
            filmer.film(shoot, drawing.fps, name)
    films = (decoded(look.file(run, clip)) for clip in clips)
    return [(frames.astype(np.int16), rate) for frames, rate in films]


def named(store: Store) -> list[tuple[str, str]]:
    with store.database.reading() as db:
        return [tuple(json.loads(names)) for (names,) in db.execute("SELECT segments FROM query")]


def nearest(frames: Array, pictures: Array) -> list[int]:
    """For each frame the picture that it looks like."""
    return [int(np.argmin([np.abs(frame - picture).mean() for picture in pictures])) for frame in frames]


@needs_gl
@pytest.mark.parametrize("task", ["hopper", "reacher"])
def test_a_clip_shows_its_segment_state_by_state(task: str, tmp_path: Path) -> None:
    pair = turning(task, 0.1), turning(task, -0.07)
    (left, rate), (right, _) = shot(tmp_path / "run", task, pair)
    steps = STEPS[task]
    assert len(left) == len(right) == steps and rate == pytest.approx(steps / 1.5)
    for frames, segment in zip((left, right), pair, strict=True):
        assert segment.state is not None
        with film.MuJoCo(task).clip_renderer(SIZE) as shoot:
            pictures = np.stack(list(shoot(segment))).astype(np.int16)
        assert np.abs(frames - pictures).mean() < 5, "what compression loses"
        assert nearest(frames, pictures) == list(range(steps))
    assert nearest(right, left)[1:] != list(range(1, steps)) and np.abs(left[-1] - right[-1]).mean() > 1, "two clips"


@pytest.mark.parametrize("codec", ["h264", "vp9"])
def test_without_opengl_the_probe_is_shown_state_by_state(codec: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pair = walk(rng), walk(rng)
    for (frames, rate), segment in zip(shot(tmp_path / "run", "point", pair, codec), pair, strict=True):
        assert rate == pytest.approx(10 / 1.5, rel=0.01) and len(frames) == 10
        for frame, (x, y) in zip(frames, segment.obs, strict=True):
            red = np.argwhere(frame[..., 0] - frame[..., 2] > 70).mean(axis=0)  # row, column
            assert np.allclose(red, [(1.5 - y) / 3 * (SIZE - 1), (1.5 + x) / 3 * (SIZE - 1)], atol=2.5)


def test_clips_on_disk_keep_their_names(tmp_path: Path) -> None:
    """Else all that has been filmed for a run is filmed anew."""
    wanted = blake2b(b"a hopper 400 h264", digest_size=16).hexdigest()
    assert RenderSettings("hopper", 400, "h264").file(tmp_path, "a") == tmp_path / "clips" / f"{wanted}.mp4"


def test_a_clip_is_made_once_and_again_for_another_look(tmp_path: Path) -> None:
    run = filmed(make_run(tmp_path / "run", questions=2))
    made = {file: file.stat().st_mtime_ns for file in (run / "clips").iterdir()}
    assert len(made) == 4 and all(file.suffix == ".mp4" for file in made)
    filmed(run)
    assert {file: file.stat().st_mtime_ns for file in (run / "clips").iterdir()} == made
    filmed(run, size=96)
    filmed(run, codec="vp9")
    assert sorted(file.suffix for file in (run / "clips").iterdir()) == [".mp4"] * 8 + [".webm"] * 4


def test_only_what_is_asked_is_filmed_newest_first(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", questions=5)
    store, look = Store(run / "preferences.sqlite"), RenderSettings("point", 64, "h264")
    filmer, films = ClipRenderer(run, look, overlap=1, ahead=2), ClipCache(run, look, overlap=1)
    with film.Point().clip_renderer(64) as shoot:
        for _ in range(2):
            filmer.film(shoot, film.Point.fps, filmer.next() or "")
        assert [films.ready(names) for names in named(store)] == [False] * 4 + [True]
        while (name := filmer.next()) is not None:
            filmer.film(shoot, film.Point.fps, name)
    assert [films.ready(names) for names in named(store)] == [False] * 3 + [True] * 2
    assert filmer.next() is None
    store.close()
