"""A real browser at the page of `rlhp play`: keys and touch move what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import APT, ARGUMENTS, CHROMIUM
from minari import MinariDataset
from pages import until
from test_axe import faults, needs_axe
from test_play import playing

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")

# the uppermost row of the green paddle, in native pixels; -1 where there is none
PADDLE = """() => {
  const canvas = document.getElementById("canvas"), k = canvas.width / 160, { data, width } =
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const at = data.findIndex((red, i) => i % 4 === 0 && red === 92 && data[i + 1] === 186 && data[i + 2] === 92);
  return at < 0 ? -1 : Math.floor(at / 4 / width / k);
}"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium: {APT}")]


@pytest.fixture
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def wait(tab: playwright.Page, phase: str) -> None:
    tab.wait_for_selector(f"body[data-phase={phase}]", timeout=60_000)


def moves(tab: playwright.Page, up: bool) -> None:
    """Until the paddle has moved so far that it is clear which way it goes."""
    first = until(lambda: ((row := tab.evaluate(PADDLE)) >= 0 and row) or tab.wait_for_timeout(20))
    until(lambda: ((first - tab.evaluate(PADDLE)) * (1 if up else -1) > 20) or tab.wait_for_timeout(20))


def test_a_person_plays_pong_and_keeps_it(browser: playwright.Browser, tmp_path: Path) -> None:
    with playing("env=pong", "-o", str(tmp_path / "me")) as (player, _):
        tab, faults = browser.new_page(), []
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        tab.goto(f"{player.client.base_url}?{player.client.headers['authorization'].replace('Bearer ', 'token=')}")
        wait(tab, "ready")
        tab.keyboard.press("Enter")
        wait(tab, "playing")
        tab.keyboard.down("ArrowDown")
        moves(tab, up=False)
        tab.keyboard.up("ArrowDown")
        tab.keyboard.down("ArrowUp")
        moves(tab, up=True)
        tab.evaluate("window.dispatchEvent(new Event('blur'))")  # nobody is there to let go of the key
        until(lambda: not tab.evaluate("document.querySelectorAll('.key.held').length") or tab.wait_for_timeout(20))
        tab.keyboard.press("Enter")
        wait(tab, "paused")
        tab.keyboard.press("k")
        until(lambda: tab.inner_text("#kept") == "1 episode kept" or tab.wait_for_timeout(20))
        assert faults == []
    (episode,) = MinariDataset(tmp_path / "me" / "data").iterate_episodes()
    assert {2, 3} <= set(episode.actions.tolist()) <= {0, 2, 3}


def test_a_phone_has_buttons_for_the_keys(browser: playwright.Browser, tmp_path: Path) -> None:
    with playing("env=point", "-o", str(tmp_path / "me")) as (player, _):
        context = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
        tab = context.new_page()
        tab.goto(f"{player.client.base_url}?{player.client.headers['authorization'].replace('Bearer ', 'token=')}")
        wait(tab, "ready")
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
        assert tab.locator(".key").count() == 4
        tab.tap("#go")
        wait(tab, "playing")
        tab.tap("[data-code=ArrowRight]")
        wait(tab, "over")
        tab.tap("#order-keep")
        until(lambda: tab.inner_text("#kept") == "1 episode kept" or tab.wait_for_timeout(20))
    (episode,) = MinariDataset(tmp_path / "me" / "data").iterate_episodes()
    assert [1, 0] in episode.actions.tolist()


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page(tmp_path: Path, tab: playwright.Page, scheme: str) -> None:
    tab.emulate_media(color_scheme=scheme)
    with playing("env=point", "-o", str(tmp_path / "me")) as (player, _):
        tab.goto(f"{player.client.base_url}?{player.client.headers['authorization'].replace('Bearer ', 'token=')}")
        wait(tab, "ready")
        assert faults(tab) == []
        tab.keyboard.press("Enter")
        wait(tab, "playing")
        tab.keyboard.down("ArrowUp")
        assert faults(tab) == []
        wait(tab, "over")
        assert faults(tab) == []
