"""Pictures of the page for each kind of question, in light and dark, on a screen and on a phone.

    python experiments/page/screenshots.py            # all of them, beside this file
    python experiments/page/screenshots.py ranking    # one

Each is a page as `rlhp annotate` serves it, with clips of HalfCheetah under random actions; its progress, its history and the run
beside it are made up.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import yaml
from playwright.sync_api import Browser, Page, Route, sync_playwright

from rlhp import robots
from rlhp.run import Served, served
from rlhp.store import Store
from rlhp.types import Segment

HERE = Path(__file__).parent
ENV = yaml.safe_load((HERE.parents[1] / "conf/env/halfcheetah_one_leg.yaml").read_text())
CLIPS = {"comparison": 2, "graded_comparison": 2, "ranking": 4, "rating": 1, "good_bad": 1}
SAID = {
    "comparison": ["left", "right", "equal", "left"],
    "graded_comparison": ["left_much", "right", "left", "equal"],
    "ranking": [[0, 1, 2, 2], [1, 0, 0, 2], "unsure"],
    "rating": [0.75, 0.2, 0.5],
    "good_bad": ["good", "bad", "bad"],
}
SCREEN, PHONE = (1280, 800), (390, 844)


@dataclass(frozen=True, slots=True)
class Shot:
    """What a picture shows. `act`: what a person does before it is taken; `answers`: of theirs so far."""

    name: str
    kind: str = "comparison"
    size: tuple[int, int] = SCREEN
    scheme: str = "light"
    answers: int = 30
    panel: bool = False
    act: Callable[[Page], None] = lambda page: None


def rank(page: Page) -> None:
    """The third clip is best, and the first as good."""
    for key in ("3", "1", "="):
        page.keyboard.press(key)


def review(page: Page) -> None:
    """Open an answer that the learner has used."""
    page.locator("#history button").nth(4).click()
    page.wait_for_timeout(800)


SHOTS = [
    Shot("comparison", answers=3, panel=True),
    Shot("comparison_dark", scheme="dark", size=(1440, 900)),
    Shot("comparison_phone", size=PHONE),
    Shot("graded_comparison", "graded_comparison"),
    Shot("ranking", "ranking", act=rank),
    Shot("ranking_phone", "ranking", PHONE, "dark", act=rank),
    Shot("rating", "rating"),
    Shot("good_bad_phone", "good_bad", PHONE),
    Shot("review", act=review),
    Shot("help", scheme="dark", act=lambda page: page.keyboard.press("?")),
]


def clip(model: mujoco.MjModel, rng: np.random.Generator) -> Segment:
    """30 steps of HalfCheetah, swinging its legs from somewhere."""
    data, states = mujoco.MjData(model), []
    data.qvel[0], data.qpos[2] = rng.uniform(-1, 4), rng.uniform(-1, 0.3)
    pace, phase = rng.uniform(5, 15, model.nu), rng.uniform(0, 6, model.nu)
    for step in range(30):
        data.ctrl[:] = np.sin(pace * step * 0.05 + phase)
        mujoco.mj_step(model, data, 5)
        states.append(np.concatenate([data.qpos, data.qvel]))
    shape = (30, 17), (30, 6)
    obs, act = (rng.normal(size=each).astype(np.float32) for each in shape)
    return Segment(obs, act, np.zeros(30, np.float32), np.array(states))


def make_run(path: Path, kind: str) -> Path:
    """A run directory with four open questions of a kind."""
    path.mkdir()
    settings = {"condition": "preferences", "labels": 800, "seed": 1, "total_steps": 1_000_000, "max_pending": 20, "page": None}
    asked = {"feedback": kind, "query": {"clips": CLIPS[kind]}}
    own = {name: ENV[name] for name in ("task", "instructions", "film")}
    (path / "config.yaml").write_text(yaml.safe_dump(settings | asked | own))
    model, rng, store = (
        robots.find("halfcheetah").model(),
        np.random.default_rng(1),
        Store(path / "preferences.sqlite", kind=kind),
    )
    store.ask([tuple(clip(model, rng) for _ in range(CLIPS[kind])) for _ in range(4)], 0)
    store.close()
    return path


@contextmanager
def label(run: Path) -> Iterator[Served]:
    """The page of a run, served meanwhile."""
    command = [sys.executable, "-m", "rlhp.cli", "annotate", str(run), "--port", "0", "--minimum-view", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while (page := served(run)) is None:
            if process.poll() is not None:
                raise RuntimeError("the page's server has ended")
            time.sleep(0.05)
        yield page
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def invent(page: Page, shot: Shot) -> None:
    """Let the page be told of a run under way, and of answers that nobody has given."""
    clips: list[str] = []
    mine = {"answers": shot.answers, "per_hour": 500, "undoable": {"query": 9, "round": 0}}
    way = {"state": "training", "step": 431_000, "asked": 230, "answered": 212, "taken": 205, "first": 100, "per_hour": 420}
    curve = [[step * 20_000, -300 + 40 * step**1.6 + 60 * ((step * 7919) % 5), None] for step in range(22)]
    told = {"curve": curve, "agreement": {"share": 0.83, "low": 0.71, "high": 0.91, "n": 42}, "paused": False}

    def deal(route: Route) -> None:
        dealt = route.fetch().json()
        clips[:] = [name for question in dealt["questions"] for name in question["clips"]]
        route.fulfill(json=dealt | {"mine": mine})

    def history(route: Route) -> None:
        if not clips:
            return route.fulfill(status=503, json={"detail": "not yet"})
        said, k = SAID[shot.kind], CLIPS[shot.kind]
        given = [
            {"query": i, "round": 0, "kind": shot.kind, "clips": clips[:k], "value": said[i % len(said)]}
            | {"answered_at": time.time() - 9 * i, "taken": i > 2, "flagged": i == 6}
            for i in range(20)
        ]
        return route.fulfill(json=given)

    def run(route: Route) -> None:
        film = f"api/clips/{clips[0]}" if clips else None
        route.fulfill(json=told | {"film": film, "stopping": False, "may_control": True, "may_grow": None})

    page.route("**/api/next", deal)
    page.route("**/api/state*", lambda route: route.fulfill(json=route.fetch().json() | way | {"labels": 800, "mine": mine}))
    page.route("**/api/history*", history)
    page.route("**/api/run*", run)


def take(browser: Browser, address: str, shot: Shot) -> None:
    """One picture, of clips that stand still."""
    width, height = shot.size
    phone: dict[str, Any] = {"has_touch": True, "is_mobile": True} if shot.size == PHONE else {}
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=shot.scheme, **phone)  # type: ignore[arg-type]
    context.add_init_script(f"localStorage.setItem('rlhp run', '{str(shot.panel).lower()}')")
    page = context.new_page()
    invent(page, shot)
    page.goto(address)
    page.wait_for_selector("body[data-phase=showing]", timeout=120_000)
    page.wait_for_timeout(6000 if shot.panel else 900)
    page.keyboard.press(" ")
    shot.act(page)
    page.wait_for_timeout(300)
    page.screenshot(path=HERE / f"{shot.name}.jpg", type="jpeg", quality=80)
    page.unroute_all(behavior="ignoreErrors")
    context.close()
    print(f"{shot.name}.jpg", flush=True)


def main() -> None:
    """Take the pictures that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(shot.name for shot in SHOTS))
    names = parser.parse_args().names
    wanted = [shot for shot in SHOTS if not names or shot.name in names]
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        )
        for kind in dict.fromkeys(shot.kind for shot in wanted):
            with label(make_run(Path(folder) / kind, kind)) as page:
                for shot in wanted:
                    if shot.kind == kind:
                        take(browser, page.address("annotator-1"), shot)
        browser.close()


if __name__ == "__main__":
    main()
