"""The report of `rlhp inspect` in a browser: films with a line that moves along r-hat's curves in step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlhp import film
from rlhp.inspect import films
from rlhp.inspect.page import document, films_of
from rlhp.inspect.truth import Rewards
from rlhp.types import Segment

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
LENGTH = 12
STEP = "Number(document.querySelector('figure.clip').dataset.step)"
AT = "document.querySelector('.cursor').transform.baseVal[0].matrix.e"
TIME = "document.querySelector('video').currentTime"


def clip(k: int) -> Segment:
    obs = np.linspace(-1, 1, LENGTH)[:, np.newaxis] * [1.0, 0.1 * k]
    return Segment(obs, np.zeros((LENGTH, 2), np.float32), -np.linalg.norm(obs, axis=1), None)


@pytest.fixture
def page(tab: playwright.Page, tmp_path: Path) -> playwright.Page:
    clips = [clip(k) for k in range(6)]
    true = np.stack([each.true_reward for each in clips])
    rewards = Rewards(np.stack([true + 0.1 * k for k in range(3)]), true)
    shown, problem = films.render({"task": "point"}, clips, rewards, 96, "h264")
    assert not problem and all(each.fps == float(film.Point.fps) for each in shown)
    (tmp_path / "report.html").write_text(document("Clips", "", [films_of(shown)]), "utf-8")
    tab.goto(f"file://{tmp_path / 'report.html'}")
    return tab


def test_the_line_is_at_the_step_that_the_film_shows(page: playwright.Page) -> None:
    page.wait_for_function(f"{TIME} > 0.2")
    page.evaluate("document.querySelectorAll('video').forEach(video => video.pause())")
    for step in (0, 5, LENGTH - 1):
        page.evaluate(f"document.querySelector('video').currentTime = {(step + 0.5) / float(film.Point.fps)}")
        page.wait_for_function(f"{STEP} === {step}")
        assert page.evaluate(AT) == pytest.approx((step + 0.5) / LENGTH * 320, abs=0.01)


def test_a_click_stops_a_film_and_another_goes_on(page: playwright.Page) -> None:
    page.wait_for_function(f"{TIME} > 0")
    page.click("video >> nth=0")
    assert page.evaluate("document.querySelector('video').paused")
    page.click("video >> nth=0")
    page.wait_for_function("!document.querySelector('video').paused")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(page: playwright.Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
