"""A real browser at the page: keys, clips that play, second thoughts, and a tab that is closed and opened again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations, product
from pathlib import Path

import numpy as np
import odd_envs
import pytest
from browsing import (
    LAYOUT,
    NEXT_IS_HERE,
    PAIR,
    PLAYS,
    RANKS,
    SHOWING,
    SHOWN,
    STILL,
    acknowledged,
    answers,
    at,
    overlap,
    press,
    rows,
    stored,
    wait,
)
from pages import filmed, label, make_run, start, until

from rlhp.envs import atari
from rlhp.run import Served, served
from rlhp.run.record import read_table
from rlhp.store import Source, Store
from rlhp.types import Answer, Segment
from rlhp.web.clip_cache import RenderSettings

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")

KILLS = int(os.environ.get("RLHP_KILLS", "5"))  # of the server, in the test of that


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return filmed(make_run(tmp_path / "run", questions=25))


def test_twenty_pairs_by_keyboard(run: Path, tab: playwright.Page) -> None:
    keys = ["ArrowLeft", "ArrowRight", "ArrowDown", "ArrowUp"]
    with label(run) as page:
        at(tab, page)
        said = {press(tab, keys[i % 4]): keys[i % 4] for i in range(12)}
        assert len(stored(run, 12)) == 12 == len(said)
        tab.reload()
        tab.wait_for_selector(SHOWN, timeout=60_000)
        for i in range(8):
            said[press(tab, keys[i % 4])] = keys[i % 4]
        assert tab.faults == []
        got = stored(run, 20)
    assert len(said) == 20 and set(got) == set(said)
    for question, key in said.items():
        assert got[question] in {"ArrowUp": (None,), "ArrowDown": ("[0, 0]",)}.get(key, ("[0, 1]", "[1, 0]"))
    assert None in got.values()


@pytest.mark.parametrize("hurry", [False, True])
def test_undo_goes_several_deep(run: Path, tab: playwright.Page, hurry: bool) -> None:
    """Each Z takes back one more, newest first, also when they are pressed faster than the server answers."""
    with label(run, "--repeats", "0") as page:
        at(tab, page)
        said = [press(tab, "ArrowLeft") for _ in range(5)]
        stored(run, 5)
        wait(tab, "!document.getElementById('undo').disabled")
        for question in reversed(said[1:]):
            tab.keyboard.press("z")
            if not hurry:
                wait(tab, f"{PAIR} === '{question}/0'")
        wait(tab, f"{PAIR} === '{said[1]}/0'")
        assert set(stored(run, 1)) == {said[0]}
        again = [press(tab, "ArrowDown") for _ in range(4)]
        assert again == said[1:], "what was taken back comes again in the order in which it came first"
        got = stored(run, 5)
        assert [got[question] for question in again] == ["[0, 0]"] * 4 and tab.faults == []


def test_undo_of_what_the_server_does_not_have_yet(run: Path, tab: playwright.Page) -> None:
    with label(run) as page:
        at(tab, page)
        wait(tab, NEXT_IS_HERE)
    first, second = press(tab, "ArrowDown"), press(tab, "ArrowDown")
    wait(tab, "document.getElementById('say').textContent.includes('kept here')")
    for question in (second, first):
        tab.keyboard.press("z")
        wait(tab, f"{PAIR} === '{question}/0'")
    wait(tab, "document.getElementById('undo').disabled")
    assert answers(run) == {}


def test_undo_while_the_server_is_away_says_so(run: Path, tab: playwright.Page) -> None:
    with label(run) as page:
        at(tab, page)
        press(tab, "ArrowLeft")
        acknowledged(tab, page)
        tab.route("**/api/**", lambda route: route.abort())
        wait(tab, "document.getElementById('state').textContent === 'No connection'")
        tab.keyboard.press("z")
        wait(tab, "document.getElementById('say').textContent.startsWith('Nothing was undone. The server does not respond')")
        tab.unroute_all(behavior="ignoreErrors")
        assert len(answers(run)) == 1


def test_a_late_word_on_where_a_person_stands_does_not_lead_undo_to_an_older_answer(run: Path, tab: playwright.Page) -> None:
    held = []  # what /api/state said between the two answers

    def hold(route: playwright.Route) -> None:
        held.append((route, route.fetch().json() if not held else None))  # later ones are never answered

    with label(run, "--repeats", "0") as page:
        at(tab, page)
        first = press(tab, "ArrowLeft")
        acknowledged(tab, page)
        tab.route("**/api/state*", hold)
        until(lambda: held or tab.wait_for_timeout(20))
        second = press(tab, "ArrowRight")
        acknowledged(tab, page)
        route, said = held[0]
        assert said["mine"]["undoable"]["query"] == first
        route.fulfill(json={**said, "instructions": "Late."})
        wait(tab, "document.getElementById('instructions').textContent === 'Late.'")
        tab.keyboard.press("z")
        wait(tab, f"{PAIR} === '{second}/0'")
        tab.unroute_all(behavior="ignoreErrors")
        assert set(answers(run)) == {first}


def test_pairs_that_come_late_do_not_show_again_what_is_answered(tmp_path: Path, tab: playwright.Page) -> None:
    run, held = filmed(make_run(tmp_path / "run", questions=2)), []

    def hold(route: playwright.Route) -> None:
        held.append((route, route.fetch().json() if not held else None))

    with label(run, "--repeats", "0") as page:
        at(tab, page)
        wait(tab, NEXT_IS_HERE)
        tab.route("**/api/next", hold)
        press(tab, "ArrowLeft")
        until(lambda: held or tab.wait_for_timeout(20))
        answered = press(tab, "ArrowLeft")
        acknowledged(tab, page)
        route, said = held[0]
        assert [pair["query"] for pair in said["questions"]] == [answered]
        route.fulfill(json=said)
        until(lambda: len(held) > 1 or tab.wait_for_timeout(20))  # the page has read it, and asks anew
        assert tab.evaluate("document.body.dataset.phase") == "idle"
        tab.unroute_all(behavior="ignoreErrors")


def test_the_next_pair_plays_without_a_word_from_the_server(run: Path, tab: playwright.Page) -> None:
    with label(run) as page:
        at(tab, page)
        wait(tab, NEXT_IS_HERE)
        tab.route("**/api/**", lambda route: None)  # never answered
        before = tab.evaluate(PAIR)
        tab.keyboard.press("ArrowLeft")
        wait(tab, f"{PAIR} && {PAIR} !== '{before}' && {PLAYS}")
        tab.unroute_all(behavior="ignoreErrors")


def paused(tab: playwright.Page, page: Served) -> None:
    """Open the page, and stop its clips once they play."""
    at(tab, page)
    wait(tab, PLAYS)
    tab.keyboard.press(" ")
    wait(tab, STILL)


def test_both_clips_play_in_step(run: Path, tab: playwright.Page) -> None:
    with label(run) as page:
        paused(tab, page)
        apart = """() => {
            const [left, right] = document.querySelectorAll('.stage:not([hidden]) video');
            left.currentTime = 0.2;
            right.currentTime = 0.9;
            left.dispatchEvent(new Event('timeupdate'));
            return Math.abs(left.currentTime - right.currentTime);
        }"""
        assert tab.evaluate(apart) < 0.1


def test_pause_and_slow(run: Path, tab: playwright.Page) -> None:
    with label(run) as page:
        paused(tab, page)
        assert tab.get_attribute("#pause", "aria-pressed") == "true" and "Play" in tab.inner_text("#pause")
        tab.keyboard.press("s")
        wait(tab, "[...document.querySelectorAll('.stage:not([hidden]) video')].every(v => !v.paused && v.playbackRate < 0.5)")
        assert tab.get_attribute("#pause", "aria-pressed") == "false"


def test_a_hasty_key_is_no_answer(run: Path, tab: playwright.Page) -> None:
    with label(run, "--minimum-view", "60") as page:
        at(tab, page)
        first = tab.evaluate(PAIR)
        tab.keyboard.press("ArrowLeft")
        assert "moment longer" in tab.inner_text("#say") and tab.evaluate(PAIR) == first
        assert answers(run) == {}


def test_a_key_in_time_is_an_answer(run: Path, tab: playwright.Page) -> None:
    with label(run, "--minimum-view", "0.3") as page:
        at(tab, page)
        wait(tab, "!document.body.classList.contains('early')")
        assert press(tab, "ArrowLeft") in stored(run, 1)


def test_an_answer_survives_the_server(run: Path, chromium: playwright.BrowserContext, tab: playwright.Page, port: str) -> None:
    """What is said while nobody listens is sent when somebody does."""
    with label(run, "--port", port) as page:
        at(tab, page)
    question = press(tab, "ArrowDown")
    wait(tab, "document.getElementById('say').textContent.includes('kept here')")
    tab.close()
    assert answers(run) == {}
    with label(run, "--port", port) as again:
        assert again.address() == page.address()
        other = at(chromium.new_page(), again)
        assert stored(run, 1) == {question: "[0, 0]"}
        other.close()


# clips that do not play


def made(file: Path) -> int | None:
    """When a file was made, in ns since 1970; None while there is none."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def clip_of(run: Path, question: int) -> Path:
    """The file of a question's first clip."""
    with Store(run / "preferences.sqlite").database.reading() as db:
        (names,) = db.execute("SELECT segments FROM query WHERE id = ?", (question,)).fetchone()
    return RenderSettings("point", 64, "h264").file(run, json.loads(names)[0])


@pytest.mark.parametrize("damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"x" * 3000, lambda whole: b""])
def test_a_damaged_clip_is_filmed_anew_and_other_pairs_are_shown_meanwhile(
    run: Path, tab: playwright.Page, damage: Callable[[bytes], bytes]
) -> None:
    newest = max(query.id for query in Store(run / "preferences.sqlite").unanswered())
    clip = clip_of(run, newest)
    clip.write_bytes(damage(clip.read_bytes()))
    damaged = made(clip)
    with label(run, "--repeats", "0") as page:
        at(tab, page)
        said = press(tab, "ArrowLeft")
        assert said != newest
        until(lambda: made(clip) not in (None, damaged))
        with tab.expect_response("**/api/answer"):  # which deals the clip that is whole again
            seen = [said, press(tab, "ArrowLeft")]
            wait(tab, SHOWING)
            shown = tab.evaluate(PAIR)
        tab.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")
        assert tab.evaluate(PAIR) == shown, "what somebody looks at stays in front of them"
        while newest not in seen:
            seen.append(press(tab, "ArrowLeft"))
        assert len(seen) < 10 and set(seen) == set(stored(run, len(seen)))


def test_a_clip_that_breaks_while_it_plays(run: Path, tab: playwright.Page) -> None:
    with label(run) as page:
        at(tab, page)
        question = int(tab.evaluate(PAIR).split("/")[0])
        before = made(clip := clip_of(run, question))
        tab.evaluate("document.querySelectorAll('.stage:not([hidden]) video').forEach(v => v.dispatchEvent(new Event('error')))")
        until(lambda: made(clip) not in (None, before))
        wait(tab, f"document.body.dataset.phase === 'showing' && {PLAYS}")
        # a question assigned before its clip was discarded may still ask for it, which the browser logs
        assert [fault for fault in tab.faults if "404" not in fault] == []


def test_only_a_browser_that_cannot_play_what_was_just_filmed_is_told_of_vp9(run: Path, tab: playwright.Page) -> None:
    def spoil(route: playwright.Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=b"a codec from elsewhere" if answer.ok else answer.body())

    with label(run, "--repeats", "0") as page:
        tab.route("**/api/clips/*", spoil)
        tab.goto(page.address("annotator-1"))
        wait(tab, "document.body.dataset.phase === 'idle' && document.getElementById('why').textContent.includes('--codec vp9')")
        tab.unroute_all(behavior="ignoreErrors")
        tab.reload()
        tab.wait_for_selector(SHOWN, timeout=60_000)


# storage and links


KEY = "`rlhp ${new URLSearchParams(location.search).get('token').slice(-8)} annotator-1`"
BLOCKED = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied', 'SecurityError') }})"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"
GARBAGE = [
    "{",
    "null",
    "5",
    '"x"',
    "[1, null, []]",
    '[{"query": "x"}]',
    '[{"query": 1, "round": 0, "seen": 1, "choice": "left"}]',
]


@pytest.mark.parametrize("script", [BLOCKED, FULL, *(f"localStorage.setItem({KEY}, {json.dumps(value)})" for value in GARBAGE)])
def test_storage_that_is_blocked_full_or_damaged(run: Path, tab: playwright.Page, script: str) -> None:
    tab.add_init_script(script)
    with label(run) as page:
        at(tab, page)
        question = press(tab, "ArrowDown")
        assert stored(run, 1) == {question: "[0, 0]"}
        assert tab.faults == []


def test_a_tab_that_cannot_store_says_that_it_must_stay_open(run: Path, tab: playwright.Page, port: str) -> None:
    tab.add_init_script(FULL)
    with label(run, "--port", port) as page:
        at(tab, page)
    question = press(tab, "ArrowDown")
    wait(tab, "document.getElementById('say').textContent.includes('leave it open')")
    with label(run, "--port", port):
        assert stored(run, 1) == {question: "[0, 0]"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda address: address.replace("annotator-1", "annotator%201"), "without spaces"),
        (lambda address: address.replace("annotator-1", "%3Cb%3E"), "<b>"),
        (lambda address: address.rpartition("token=")[0], "The token is missing or wrong"),
        (lambda address: address + "x", "The token is missing or wrong"),
        (lambda address: address.replace("/?", "/nowhere?"), "Not Found"),
        (lambda address: address.replace("/?", "/labels?") + "x", "The token is missing or wrong"),
    ],
)
def test_a_link_that_is_wrong_leads_to_a_sentence(
    run: Path, tab: playwright.Page, change: Callable[[str], str], said: str
) -> None:
    with label(run) as page:
        tab.goto(change(page.address().replace("?", "?annotator=annotator-1&")))
        assert said in tab.inner_text("[role=alert]") and "{" not in tab.inner_text("body")


def test_an_open_tab_whose_token_no_longer_holds_says_so(tmp_path: Path, tab: playwright.Page, port: str) -> None:
    run = filmed(make_run(tmp_path / "run", questions=1))
    with label(run, "--port", port) as page:
        press(at(tab, page), "ArrowLeft")
        stored(run, 1)
    (run / "page.json").unlink()
    with label(run, "--port", port):
        wait(tab, "document.getElementById('why').textContent.startsWith('The token is missing or wrong')")
        assert tab.inner_text("#state") == "No access" and not tab.is_visible(".spinner")


def test_a_first_look_that_is_refused_is_no_endless_spinner(run: Path, tab: playwright.Page) -> None:
    with label(run) as page:
        tab.route("**/api/**", lambda route: route.fulfill(status=401, json={"detail": "the token is missing or wrong"}))
        tab.goto(page.address("annotator-1"))
        wait(tab, "document.getElementById('why').textContent === 'The token is missing or wrong.'")
        assert not tab.is_visible(".spinner")
        tab.unroute_all(behavior="ignoreErrors")
        tab.wait_for_selector(SHOWN, timeout=60_000)


def test_the_end_of_training_is_said_and_the_pair_stays(tmp_path: Path, tab: playwright.Page) -> None:
    run = filmed(make_run(tmp_path / "run", questions=3))
    with label(run) as page:
        at(tab, page)
        store = Store(run / "preferences.sqlite")
        store.answer({0: Answer((0, 1)), 1: Answer((1, 0))}, "human:annotator-2")
        store.collect(1)
        store.close()
        wait(tab, "document.getElementById('progress').textContent.startsWith('2 of 10')")
        (run / "finished.json").write_text("{}")
        wait(tab, "document.getElementById('progress').textContent === 'Training is finished: it used 2 of 40 labels'")
        assert tab.inner_text("#state") == "Training is finished" and "not learned from" in tab.inner_text("#say")
        for _ in range(3):
            press(tab, "ArrowLeft")
        wait(tab, "document.getElementById('why').textContent.includes('it used 2 of 40 labels')")


@pytest.mark.slow
def test_no_key_is_lost_when_the_server_is_killed(tmp_path: Path, tab: playwright.Page, port: str) -> None:
    """Killed at random moments, while keys are pressed at a tab that stays open: every answer is stored once, as it was given."""
    run, rng = filmed(make_run(tmp_path / "run", questions=4 * KILLS + 4)), random.Random(5)
    options = ("--port", port, "--repeats", "0")
    server, said = start(run, *options), {}
    at(tab, until(lambda: served(run)))

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
        server = start(run, *options)  # with the same token
        until(lambda: served(run))
    answer()
    stored(run, len(said))
    got = rows(run, "ranks, swapped")
    server.send_signal(signal.SIGTERM)
    server.wait()
    print(f"{len(said)} keys pressed, {len(got)} answers in the store, {KILLS} kills")
    assert got == {question: (RANKS[key][got[question][1]], got[question][1]) for question, key in said.items()}


WIDTHS = (320, 360, 390, 480, 481, 540, 560, 561, 720, 721, 844, 1024, 1280, 1920, 2560)
HEIGHTS = (256, 300, 390, 480, 520, 521, 600, 640, 641, 800, 1080, 1440)
LONG = "Choose the clip in which the point is nearer to the circle in the middle, and averylongwordthatdoesnotbreak. " * 6


def test_it_fits_every_window(tmp_path: Path, tab: playwright.Page) -> None:
    """Clips and answers are on the first screen, whatever is to be read besides, and a thumb finds each answer."""
    run = filmed(make_run(tmp_path / "run", questions=3, instructions=LONG))
    with label(run) as page:
        at(tab, page, "annotator-with-quite-a-long-name")
        for width, height in product(WIDTHS, HEIGHTS):
            tab.set_viewport_size({"width": width, "height": height})
            layout = tab.evaluate(LAYOUT)
            assert layout["wide"] <= width, (width, height)
            for box in layout["clips"] + layout["answers"]:
                assert box["x"] >= 0 and box["x"] + box["width"] <= width + 0.01, (width, height, box)
                assert box["y"] >= 0 and box["y"] + box["height"] <= height + 0.01, (width, height, box)
            assert all(min(box["width"], box["height"]) >= 140 for box in layout["clips"]), (width, height, layout["clips"])
            assert all(box["height"] >= 44 for box in layout["answers"]), (width, height, layout["answers"])
            shown = [*layout["clips"], *layout["answers"], *layout["head"]]
            assert not any(overlap(one, other) for one, other in combinations(shown, 2)), (width, height)


def test_an_arrow_key_answers_or_scrolls_but_never_both(run: Path, tab: playwright.Page) -> None:
    with label(run) as page:
        at(tab, page)
        tab.set_viewport_size({"width": 320, "height": 300})
        assert tab.evaluate("document.documentElement.scrollHeight > innerHeight + 300"), "there is something to scroll"
        for key in RANKS:
            press(tab, key)
        assert tab.evaluate("scrollY") == 0
        stored(run, 4)
        wait(tab, SHOWING)
        pair = tab.evaluate(PAIR)
        tab.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        wait(tab, "scrollY > 300")
        below = tab.evaluate("scrollY")
        for key in ("ArrowLeft", "ArrowRight", "ArrowUp"):
            tab.keyboard.press(key)
        wait(tab, f"scrollY < {below}")
        assert tab.evaluate(PAIR) == pair and len(answers(run)) == 4 and "Scroll back" in tab.inner_text("#say")
        tab.evaluate("scrollTo(0, 0)")
        wait(tab, "scrollY === 0")
        press(tab, "ArrowDown")
        assert len(stored(run, 5)) == 5


def test_who_prefers_no_motion_sees_none_until_asking_for_it(run: Path, tab: playwright.Page) -> None:
    tab.emulate_media(reduced_motion="reduce")
    with label(run) as page:
        at(tab, page)
        assert tab.evaluate(STILL) and tab.get_attribute("#pause", "aria-pressed") == "true"
        press(tab, "ArrowLeft")
        assert tab.evaluate(STILL) and "Play" in tab.inner_text("#pause")
        tab.keyboard.press(" ")
        wait(tab, PLAYS)
        press(tab, "ArrowLeft")
        wait(tab, PLAYS)


CONTRAST = """() => [...document.querySelectorAll('kbd')].map(kbd => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
    const path = []; for (let each = kbd; each; each = each.parentElement) path.unshift(each);
    const paint = (colour, alpha) => { canvas.globalAlpha = alpha; canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); };
    const luminance = () => {
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let alpha = 1;
    for (const each of path) { alpha *= +getComputedStyle(each).opacity; paint(getComputedStyle(each).backgroundColor, alpha); }
    const ground = luminance();
    paint(getComputedStyle(kbd).color, alpha);
    const ink = luminance();
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_keys_on_the_buttons_can_be_read(run: Path, tab: playwright.Page, scheme: str) -> None:
    tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # colours change at once
    with label(run) as page:
        at(tab, page)
        press(tab, "ArrowLeft")
        wait(tab, "![...document.querySelectorAll('main button')].some(button => button.disabled)")
        wait(tab, "!document.querySelector('.hit')")
        found = tab.evaluate(CONTRAST)
        assert len(found) == 8 and min(found) >= 4.5, found


def test_the_page_of_labels(run: Path, tab: playwright.Page) -> None:
    store = Store(run / "preferences.sqlite")
    store.answer(dict.fromkeys(range(6), Answer((0, 1))), "human:annotator-1", Source.HUMAN)
    store.answer(dict.fromkeys(range(6), Answer((0, 1))), "human:<b>annotator-2</b>", Source.HUMAN)
    store.close()
    with label(run) as page:
        tab.goto(page.address(path="/labels"))
        tab.wait_for_selector("table", timeout=30_000)
        assert tab.inner_text("#head") == "run: 12 answers to 6 questions"
        people = tab.locator("table").nth(0)
        assert people.locator("tbody th").all_inner_texts() == ["<b>annotator-2</b>", "annotator-1"], (
            "a name is text, whatever it holds"
        )
        assert people.locator("tbody tr").nth(1).locator("td").all_inner_texts()[:5] == ["6", "6", "0", "0", "0"]
        assert tab.locator("table").nth(1).locator("tbody td").all_inner_texts() == ["6", "100 %", "–"]
        assert tab.faults == []


def game(path: Path) -> Path:
    """A run of Pong with three open questions, each of 25 steps."""
    env, rng = atari.make("pong", 2, seed=0), np.random.default_rng(0)
    frames, states, acts = env.reset()[None].repeat(4, axis=0), env.states(), rng.integers(6, size=(25, 2))
    obs = np.concatenate([frames, [env.step(act)[0] for act in acts[:-1]]])
    env.close()
    clips = [
        Segment(obs[:, i], acts[:, i], np.full(25, reward, np.float32), states[i : i + 1]) for i, reward in enumerate((0, 1))
    ]
    settings = {"task": "pong", "film": {"_target_": "rlhp.film.Atari", "game": "pong"}}
    run = make_run(path, questions=0, **settings)
    store = Store(run / "preferences.sqlite")
    store.ask([tuple(clips)] * 3, 0)
    store.close()
    return run


def test_clips_of_a_game_have_its_own_size_and_fit_every_window(tmp_path: Path, tab: playwright.Page) -> None:
    """Filmed by the page itself: 25 pictures of 160 x 210 in 25 / 15 seconds, without bars beside them."""
    run = game(tmp_path / "run")
    with label(run, "--size", "210") as page:
        at(tab, page)
        shown = tab.evaluate(
            "[...document.querySelectorAll('.stage:not([hidden]) video')].map(v => [v.videoWidth, v.videoHeight, v.duration])"
        )
        assert shown == [[160, 210, pytest.approx(25 / 15, abs=1e-3)]] * 2
        for width, height in ((320, 568), (390, 844), (844, 390), (1280, 800), (1920, 1080)):
            tab.set_viewport_size({"width": width, "height": height})
            for box in tab.evaluate(LAYOUT)["clips"]:
                assert box["width"] / box["height"] == pytest.approx(160 / 210, abs=0.01), (width, height)
                assert box["x"] >= 0 and box["x"] + box["width"] <= width + 0.01 and box["y"] + box["height"] <= height
        said = press(tab, "ArrowRight")
        stored(run, 1)
    ((question, (ranks, swapped)),) = rows(run, "ranks, swapped").items()
    assert question == said and ranks == RANKS["ArrowRight"][swapped] and tab.faults == []


@contextmanager
def training(folder: Path, *settings: str) -> Iterator[tuple[Path, Served]]:
    """`rlhp train teacher=human ...` in a process of its own: its run, and the page that it serves meanwhile."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    words = [*settings, "teacher=human", "page.port=0", "page.minimum_view=0", f"hydra.run.dir={folder}", "threads=1"]
    with (folder.parent / "train.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "rlhp.cli", "train", *words], env=environment, stdout=log, stderr=log)
    try:
        yield folder, until(lambda: served(folder) if process.poll() is None else pytest.fail("the training has ended"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def test_an_environment_of_ones_own_is_trained_by_a_person(tmp_path: Path, tab: playwright.Page) -> None:
    """Its clips are the frames that it drew itself, of the steps that a question is about; the first four are answered."""
    settings = ["env=gym", "env.id='odd_envs:Plain-v0'", "n_envs=2", "agent.n_steps=32", "agent.batch_size=32", "clip_steps=8"]
    settings += ["total_steps=100000", "labels=1000", "first_labels=4", "agent.n_epochs=2"]
    with training(tmp_path / "run", *settings) as (run, page):
        at(tab, page)
        shown = tab.evaluate(
            "[...document.querySelectorAll('.stage:not([hidden]) video')].map(v => [v.videoWidth, v.videoHeight])"
        )
        assert shown == [[600, 400]] * 2, "120 x 80 pixels, enlarged to about 600"
        said = {press(tab, "ArrowLeft" if i % 2 else "ArrowRight") for i in range(4)}
        until(lambda: answers(run).keys() >= said)
        store = Store(run / "preferences.sqlite")
        with store.database.reading() as db:
            names = [
                name for (name,) in db.execute("SELECT DISTINCT value FROM query, json_each(query.segments) WHERE query.id <= 4")
            ]
        for name in names:
            clip = store.segment(name)
            assert clip is not None and clip.state is not None
            assert (clip.state == np.stack([line(float(position)) for position in clip.obs[:, 0]])).all()
        store.close()
        until(lambda: len(read_table(run / "metrics.csv")) > 4)  # training goes on with what was answered
    assert tab.faults == []


def line(position: float) -> np.ndarray:
    """What the environment looks like there."""
    env = odd_envs.Line()
    env.position = position
    return env.render()
