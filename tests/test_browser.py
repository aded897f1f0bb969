"""A real browser at the page: keys, clips that play, second thoughts, and a tab that is closed and opened again."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import filmed, label, make_run, start, until

from rlhp.run import Served, served
from rlhp.store import Source, Store
from rlhp.types import Answer

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")

KILLS = int(os.environ.get("RLHP_KILLS", "5"))  # of the server, in the test of that
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
NEXT = """key => new Promise(done => {
    const before = document.body.dataset.pair, began = performance.now();
    const look = () => {
        const videos = [...document.querySelectorAll('.stage:not([hidden]) video')];
        const plays = document.body.dataset.pair !== before && videos.every(video => !video.paused && video.currentTime > 0);
        plays ? done(performance.now() - began) : requestAnimationFrame(look);
    };
    dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    look();
})"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium: {APT}")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[playwright.BrowserContext]:
    with playwright.sync_playwright() as driver:
        profile = tmp_path_factory.mktemp("profile")
        browser = driver.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=ARGUMENTS, headless=True)
        yield browser
        browser.close()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return filmed(make_run(tmp_path / "run", questions=25))


def opened(chromium: playwright.BrowserContext, page: Served, name: str = "annotator-1") -> playwright.Page:
    tab = chromium.new_page()
    tab.faults = []
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.on("console", lambda line: tab.faults.append(line.text) if line.type == "error" else None)
    tab.goto(page.address(name))
    tab.wait_for_selector(SHOWN, timeout=30_000)
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


def stored(run: Path, count: int) -> dict[int, str | None]:
    return until(lambda: (there := answers(run)) and len(there) == count and there)


def test_twenty_pairs_by_keyboard(run: Path, chromium: playwright.BrowserContext) -> None:
    keys = ["ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp"]
    with label(run) as page:
        tab = opened(chromium, page)
        wait(tab, f"{TIMES}.every(time => time > 0.3)")
        moments = [tab.evaluate(TIMES), tab.wait_for_timeout(150) or tab.evaluate(TIMES)]
        assert all(abs(left - right) < 0.1 for left, right in moments), "in step"
        assert moments[0] != moments[1], "both play"
        said = {press(tab, keys[i % 4]): keys[i % 4] for i in range(12)}
        assert len(stored(run, 12)) == 12 == len(said)

        last = list(said)[-1]
        wait(tab, "!document.getElementById('undo').disabled")
        tab.keyboard.press("z")
        wait(tab, f"document.body.dataset.pair === '{last}/0'")
        assert last not in stored(run, 11)
        assert press(tab, "ArrowDown") == last and stored(run, 12)[last] == "[0, 0]"
        said[last] = "ArrowDown"

        tab.close()
        tab = opened(chromium, page)
        for i in range(8):
            said[press(tab, keys[i % 4])] = keys[i % 4]
        assert tab.faults == []
        got = stored(run, 20)  # a tab closed sooner keeps what is on its way until it is opened again
        tab.close()
    assert len(said) == 20 and set(got) == set(said)
    for question, key in said.items():
        assert got[question] in {"ArrowUp": (None,), "ArrowDown": ("[0, 0]",)}.get(key, ("[0, 1]", "[1, 0]"))
    assert None in got.values()


def test_the_next_pair_plays_at_once(run: Path, chromium: playwright.BrowserContext) -> None:
    with label(run) as page:
        tab = opened(chromium, page)
        waits = []
        for _ in range(9):
            tab.wait_for_timeout(700)  # nobody judges two clips sooner
            waits.append(tab.evaluate(NEXT, "ArrowLeft"))
        tab.close()
    print("ms from key to the next pair playing:", sorted(round(wait) for wait in waits))
    assert sorted(waits)[4] < 200, waits


def test_pause_slow_and_a_hasty_key(run: Path, chromium: playwright.BrowserContext) -> None:
    with label(run, "--minimum-view", "1.5") as page:
        tab = opened(chromium, page)
        first = tab.evaluate("document.body.dataset.pair")
        tab.keyboard.press("ArrowLeft")
        assert "moment longer" in tab.inner_text("#say") and tab.evaluate("document.body.dataset.pair") == first
        tab.keyboard.press(" ")
        wait(tab, "[...document.querySelectorAll('.stage:not([hidden]) video')].every(video => video.paused)")
        before = tab.evaluate(TIMES)
        tab.wait_for_timeout(200)
        assert tab.evaluate(TIMES) == before and tab.get_attribute("#pause", "aria-pressed") == "true"
        tab.keyboard.press("s")
        wait(tab, "[...document.querySelectorAll('.stage:not([hidden]) video')].every(v => !v.paused && v.playbackRate < 0.5)")
        tab.wait_for_timeout(1500)
        assert press(tab, "ArrowLeft") == int(first.split("/")[0])
        tab.close()
    assert len(answers(run)) == 1


def test_an_answer_survives_the_server(run: Path, chromium: playwright.BrowserContext) -> None:
    """What is said while nobody listens is sent when somebody does."""
    with label(run) as page:
        tab = opened(chromium, page)
        tab.wait_for_timeout(500)
    question = press(tab, "ArrowDown")
    wait(tab, "document.getElementById('say').textContent.includes('kept here')")
    tab.close()
    assert answers(run) == {}
    with label(run, "--port", "8321") as again:  # the last port is tried before
        assert again.port == page.port and again.token == page.token
        tab = opened(chromium, again)
        assert stored(run, 1) == {question: "[0, 0]"}
        tab.close()


@pytest.mark.slow
def test_no_key_is_lost_when_the_server_is_killed(tmp_path: Path, chromium: playwright.BrowserContext) -> None:
    """Killed at random moments, while keys are pressed at a tab that stays open: every answer is stored once, as it was given."""
    run, rng = filmed(make_run(tmp_path / "run", questions=4 * KILLS + 4)), random.Random(5)
    server, said = start(run, "--port", "0", "--repeats", "0"), {}
    tab = opened(chromium, until(lambda: served(run)))

    def answer() -> None:
        """Press a key at the pair that is shown, as soon as one is."""
        wait(tab, "document.body.dataset.phase === 'showing'")
        question, key = int(tab.evaluate("document.body.dataset.pair").split("/")[0]), rng.choice(list(RANKS))
        assert question not in said, "what is answered is not shown again"
        tab.keyboard.press(key)
        said[question] = key

    for _ in range(KILLS):
        for _ in range(rng.randint(1, 2)):
            answer()
        tab.wait_for_timeout(rng.uniform(0, 60))
        server.kill()
        server.wait()
        if tab.evaluate("document.body.dataset.phase === 'showing'"):  # else nothing more is here, and nobody to ask
            answer()
        server = start(run, "--repeats", "0")  # at the same port, with the same token
        until(lambda: served(run))
    answer()
    stored(run, len(said))
    got = rows(run, "ranks, swapped")
    tab.close()
    server.send_signal(signal.SIGTERM)
    server.wait()
    print(f"{len(said)} keys pressed, {len(got)} answers in the store, {KILLS} kills")
    assert got == {question: (RANKS[key][got[question][1]], got[question][1]) for question, key in said.items()}


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two boxes share some of the screen."""
    sides = (("x", "width"), ("y", "height"))
    return all(max(one[at], other[at]) < min(one[at] + one[size], other[at] + other[size]) for at, size in sides)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844), (360, 640), (844, 390)])
def test_it_fits_the_screen(run: Path, chromium: playwright.BrowserContext, width: int, height: int, scheme: str) -> None:
    with label(run) as page:
        tab = opened(chromium, page)
        tab.set_viewport_size({"width": width, "height": height})
        tab.emulate_media(color_scheme=scheme)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        for choice in ("left", "right", "equal", "unsure"):
            box = tab.locator(f"[data-choice={choice}]").bounding_box()
            assert box is not None and box["y"] + box["height"] <= height and box["x"] >= 0 and box["x"] + box["width"] <= width
            assert box["height"] >= 44, "a thumb finds it"
        task, state, who = (tab.locator(name).bounding_box() for name in ("#task", "#state", "#who"))
        assert task and state and who and not any(map(overlap, (task, state, who), (state, who, task)))
        tab.close()


def test_the_page_of_labels(chromium: playwright.BrowserContext, run: Path) -> None:
    store = Store(run / "preferences.sqlite")
    store.answer(dict.fromkeys(range(6), Answer((0, 1))), "human:annotator-1", Source.HUMAN)
    store.answer(dict.fromkeys(range(6), Answer((0, 1))), "human:<b>annotator-2</b>", Source.HUMAN)
    store.close()
    with label(run) as page:
        tab, faults = chromium.new_page(), []
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        tab.goto(page.address(path="/labels"))
        tab.wait_for_selector("table", timeout=30_000)
        assert tab.inner_text("#head") == "run: 12 answers to 6 questions"
        people = tab.locator("table").nth(0)
        assert people.locator("tbody th").all_inner_texts() == ["<b>annotator-2</b>", "annotator-1"], (
            "a name is text, whatever it holds"
        )
        assert people.locator("tbody tr").nth(1).locator("td").all_inner_texts()[:5] == ["6", "6", "0", "0", "0"]
        assert tab.locator("table").nth(1).locator("tbody td").all_inner_texts() == ["6", "100 %", "–"]
        assert faults == []
        tab.close()
