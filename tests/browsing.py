"""A real browser at the page: a tab that notes what goes wrong in it, and what a person does in one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pages import held_port, until

from rlhp.run import Served, key_of
from rlhp.store import Store

if TYPE_CHECKING:
    import playwright.sync_api as playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"),
]
APT = "sudo apt-get install -y --no-install-recommends chromium libatomic1"
SHOWN = "body[data-phase=showing]"
TIMES = "[...document.querySelectorAll('.stage:not([hidden]) video')].map(video => video.currentTime)"
RANKS = {  # what is stored of a key, where the question's first clip was shown left, and where it was shown right
    "ArrowLeft": ("[0, 1]", "[1, 0]"),
    "ArrowRight": ("[1, 0]", "[0, 1]"),
    "ArrowDown": ("[0, 0]", "[0, 0]"),
    "ArrowUp": (None, None),
}
PLAYS = "[...document.querySelectorAll('.stage:not([hidden]) video')].every(video => !video.paused && video.currentTime > 0)"
STILL = "[...document.querySelectorAll('.stage:not([hidden]) video')].every(video => video.paused)"
NEXT_IS_HERE = "[...document.querySelectorAll('.stage[hidden] video')].every(video => video.readyState >= 3)"
PAIR = "document.body.dataset.pair"
SHOWING = "document.body.dataset.phase === 'showing' && !!document.body.dataset.pair"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[playwright.BrowserContext]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
    if CHROMIUM is None:
        pytest.skip(f"no Chromium: {APT}")
    with api.sync_playwright() as driver:
        profile = tmp_path_factory.mktemp("profile")
        browser = driver.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=ARGUMENTS, headless=True)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: playwright.BrowserContext) -> Iterator[playwright.Page]:
    """A tab that notes what goes wrong in it."""
    tab = chromium.new_page()
    tab.faults = []
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.on("console", lambda line: tab.faults.append(line.text) if line.type == "error" else None)
    yield tab
    tab.close()


@pytest.fixture
def port() -> Iterator[str]:
    with held_port() as port:
        yield str(port)


def at(tab: playwright.Page, page: Served, name: str = "annotator-1") -> playwright.Page:
    """The tab, with a pair in front of the person."""
    tab.goto(page.address(name))
    tab.wait_for_selector(SHOWN, timeout=60_000)
    return tab


def answers(run: Path) -> dict[int, str | None]:
    return {question: ranks for question, (ranks,) in rows(run, "ranks").items()}


def rows(run: Path, columns: str) -> dict[int, tuple]:
    """Columns of all answers, by question."""
    with Store(run / "preferences.sqlite").database.reading() as db:
        found = db.execute(f"SELECT query, {columns} FROM answer ORDER BY answered_at").fetchall()
    assert len({question for question, *_ in found}) == len(found), "no question is answered twice"
    return {question: tuple(rest) for question, *rest in found}


def wait(tab: playwright.Page, what: str) -> None:
    """Until an expression holds on the page, whose content policy keeps Playwright's own waiting from being evaluated."""
    until(lambda: tab.evaluate(what) or tab.wait_for_timeout(20))


def press(tab: playwright.Page, key: str) -> int:
    """Answer by a key, once there is a pair; the question that it was about. Waits for the next, or for none to be left."""
    wait(tab, "!!document.body.dataset.pair")
    pair = tab.evaluate("document.body.dataset.pair")
    tab.keyboard.press(key)
    wait(tab, f"document.body.dataset.pair !== '{pair}'")
    wait(tab, "document.querySelector('.stage:not([hidden]) video')?.readyState >= 2 || !document.body.dataset.pair")
    return int(pair.split("/")[0])


def acknowledged(tab: playwright.Page, page: Served, name: str = "annotator-1") -> None:
    """Until the tab knows that the server has every answer."""
    wait(tab, f"localStorage.getItem('rlhp {key_of(page.token, name)[-8:]} {name}') === '[]'")


def stored(run: Path, count: int) -> dict[int, str | None]:
    return until(lambda: (there := answers(run)) and len(there) == count and there)


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two boxes share some of the screen."""
    sides = (("x", "width"), ("y", "height"))
    return all(max(one[at], other[at]) < min(one[at] + one[size], other[at] + other[size]) for at, size in sides)


LAYOUT = """() => {
    const box = element => { const {x, y, width, height} = element.getBoundingClientRect(); return {x, y, width, height}; };
    const all = selector => [...document.querySelectorAll(selector)].map(box);
    return {clips: all('.stage:not([hidden]) figure'), answers: all('#answers button'), head: all('#task, #state, #who'),
            wide: document.documentElement.scrollWidth};
}"""
