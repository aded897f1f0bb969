"""The page in a browser, for every kind of question: keys, taps and drags; what it shows beside the clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsing import LAYOUT, PAIR, SHOWING, SHOWN, STILL, answers, at, press, stored, wait
from pages import Person, filmed, label, make_run, until

from rlhp.run import Served
from rlhp.store import Store

if TYPE_CHECKING:
    import playwright.sync_api as playwright

CLIPS = {"comparison": 2, "graded_comparison": 2, "ranking": 4, "rating": 1, "good_bad": 1}
TIME = "document.querySelector('.stage:not([hidden]) video').currentTime"

# A key that comes before anything is drawn again after the help was closed, which is when its box loses the focus.
AT_ONCE = """() => {
    const help = document.getElementById('help'), box = document.getElementById('notify');
    help.showModal();
    box.focus();
    help.close();
    box.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true}));
}"""
CHOSEN = """() => {
    const figures = [...document.querySelectorAll('.stage:not([hidden]) figure')];
    figures[1].click();
    return figures.map(figure => figure.classList.contains('chosen'));
}"""


def run_of(path: Path, kind: str, questions: int = 4, **settings: Any) -> Path:
    """A run that asks questions of a kind, filmed."""
    return filmed(make_run(path, questions, clips=CLIPS[kind], feedback=kind, query={"clips": CLIPS[kind]}, **settings))


def said(run: Path, tab: playwright.Page, *keys: str) -> Any:
    """What the server has of an answer that is given by these keys, as it was sent."""
    with tab.expect_request("**/api/answer") as sent:
        for key in keys:
            tab.keyboard.press(key)
    body = json.loads(sent.value.post_data or "")
    until(lambda: body["query"] in answers(run))
    return body["value"]


def history(page: Served) -> list[dict[str, Any]]:
    """What the server says that the annotator has answered, newest first."""
    person = Person(page, "annotator-1")
    return person.client.get("/api/history", params={"annotator": person.name}).json()


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("graded_comparison", {"1": "left_much", "2": "left", "Shift+ArrowRight": "right_much", "ArrowDown": "equal"}),
        ("good_bad", {"ArrowLeft": "bad", "g": "good", "ArrowUp": "unsure"}),
        ("rating", {"1": 0, "4": 0.75, "ArrowUp": "unsure"}),
    ],
)
def test_a_key_for_each_answer(tmp_path: Path, tab: playwright.Page, kind: str, keys: dict[str, Any]) -> None:
    run = run_of(tmp_path / "run", kind)
    with label(run, "--repeats", "0") as page:
        at(tab, page)
        assert tab.locator(".stage:not([hidden]) video").count() == CLIPS[kind]
        for key, value in keys.items():
            pair = tab.evaluate(PAIR)
            assert said(run, tab, key) == value
            wait(tab, f"{PAIR} !== '{pair}'")
        assert [given["value"] for given in history(page)] == list(keys.values())[::-1] and tab.faults == []


def test_a_ranking_by_keys_with_ties(tmp_path: Path, tab: playwright.Page) -> None:
    """The last clip finds its place by itself, ties join the place before, and a digit takes a clip out again."""
    run = run_of(tmp_path / "run", "ranking")
    with label(run, "--repeats", "0") as page:
        at(tab, page)
        for keys, ranks in (("3142", [1, 3, 0, 2]), ("31=42=", [0, 1, 0, 1]), ("121143", [1, 0, 3, 2])):
            pair = tab.evaluate(PAIR)
            assert said(run, tab, *keys, "Enter") == ranks, keys
            wait(tab, f"{PAIR} !== '{pair}'")
        tab.keyboard.press("1")
        tab.keyboard.press("Enter")
        assert len(answers(run)) == 3, "a ranking that is not whole is no answer"
        assert said(run, tab, "ArrowUp") == "unsure" and tab.faults == []


def test_a_ranking_by_dragging(tmp_path: Path, tab: playwright.Page) -> None:
    run = run_of(tmp_path / "run", "ranking")

    def drag(clip: int, place: int) -> None:
        chip, slot = tab.locator(f".chip[data-side='{clip}']"), tab.locator(f"[data-place='{place}']")
        middle = [
            (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in (chip.bounding_box(), slot.bounding_box())
        ]
        tab.mouse.move(*middle[0])
        tab.mouse.down()
        tab.mouse.move(*middle[1], steps=4)
        tab.mouse.up()

    with label(run, "--repeats", "0") as page:
        at(tab, page)
        tab.set_viewport_size({"width": 1280, "height": 800})
        for clip, place in ((2, 0), (0, 1), (3, 1), (1, 2)):  # the last but one onto a clip: a tie
            drag(clip, place)
        assert tab.locator(".stage:not([hidden]) .place").all_inner_texts() == ["2nd", "3rd", "1st", "2nd"]
        assert said(run, tab, "Enter") == [1, 2, 0, 1]


def test_the_slider_rates_between_the_keys(tmp_path: Path, tab: playwright.Page) -> None:
    run = run_of(tmp_path / "run", "rating")
    with label(run) as page:
        at(tab, page)
        tab.locator("#answers input").fill("37")
        with tab.expect_request("**/api/answer") as sent:
            tab.get_by_role("button", name="Send").click()
        assert json.loads(sent.value.post_data or "")["value"] == 0.37
        stored(run, 1)


def test_a_click_on_a_clip_chooses_it_and_outlines_it(tmp_path: Path, tab: playwright.Page) -> None:
    run = run_of(tmp_path / "run", "comparison")
    with label(run, "--repeats", "0") as page:
        at(tab, page)
        with tab.expect_request("**/api/answer") as sent:
            chosen = tab.evaluate(CHOSEN)  # in one go: it is outlined for a moment alone
        assert chosen == [False, True] and json.loads(sent.value.post_data or "")["value"] == "right"
        wait(tab, "document.body.dataset.phase === 'showing' && !document.querySelector('.stage:not([hidden]) .chosen')")


def test_the_guide_folds_after_five_answers_unless_it_is_wanted(tmp_path: Path, tab: playwright.Page) -> None:
    run = run_of(tmp_path / "run", "comparison", 8)
    with label(run, "--repeats", "0") as page:
        at(tab, page)
        for _ in range(4):
            press(tab, "ArrowLeft")
        assert tab.evaluate("document.getElementById('guide').open")
        press(tab, "ArrowLeft")
        assert not tab.evaluate("document.getElementById('guide').open") and "nearer" in tab.inner_text("#guide summary")
        tab.locator("#guide summary").click()
        press(tab, "ArrowLeft")
        assert tab.evaluate("document.getElementById('guide').open")


def one_step(tab: playwright.Page) -> float:
    """The seconds by which a clip that has played for a while moves at a step forward; then it plays on."""
    wait(tab, f"{TIME} > 0.5")
    tab.keyboard.press(",")
    wait(tab, STILL)
    before = tab.evaluate(TIME)
    tab.keyboard.press(".")
    step = tab.evaluate(TIME) - before
    tab.keyboard.press(" ")
    return step


def test_clips_step_by_pictures_and_keep_their_speed(tmp_path: Path, tab: playwright.Page) -> None:
    """At 20 / 3 pictures a second one lasts 0.15 s."""
    run = run_of(tmp_path / "run", "comparison")
    with label(run) as page:
        at(tab, page)
        until(lambda: one_step(tab) == pytest.approx(0.15, abs=0.01))  # measured as clips play; a busy browser drops frames
        tab.select_option("#speed", "0.5")
        tab.keyboard.press("-")
        tab.reload()
        tab.wait_for_selector(SHOWN)
        assert (
            tab.input_value("#speed") == "0.25"
            and tab.evaluate("document.querySelector('.stage:not([hidden]) video').playbackRate") == 0.25
        )


def test_the_last_answers_can_be_given_again_or_flagged(tmp_path: Path, tab: playwright.Page) -> None:
    run = run_of(tmp_path / "run", "comparison", 6)
    with label(run, "--repeats", "0") as page:
        at(tab, page)
        first, second = press(tab, "ArrowLeft"), press(tab, "ArrowDown")
        stored(run, 2)
        store = Store(run / "preferences.sqlite")
        store.settle()
        store.collect(1)
        store.close()
        third, fourth = press(tab, "ArrowUp"), press(tab, "ArrowUp")
        wait(tab, "document.querySelectorAll('#history button').length === 4")
        wait(tab, "document.querySelectorAll('#history [data-state=taken]').length === 2")
        for nth, question, ranks in ((0, fourth, "[0, 0]"), (1, third, "[0, 0]")):  # the newest, and the one before
            tab.locator("#history button").nth(nth).click()
            tab.get_by_role("button", name="Answer again").click()
            wait(tab, f"{PAIR} === '{question}/0'")
            press(tab, "ArrowDown")
            until(lambda: answers(run).get(question) == ranks)  # noqa: B023
        tab.locator("#history [data-state=taken]").nth(0).click()
        tab.get_by_role("button", name="Flag it as a mistake").click()
        wait(tab, "document.querySelectorAll('#history [data-state=flagged]').length === 1")
        assert {given["query"]: given["flagged"] for given in history(page)} == {
            first: False,
            second: True,
            third: False,
            fourth: False,
        }
        assert tab.faults == []


def test_help_opens_by_its_key_and_keys_do_not_answer_meanwhile(tmp_path: Path, tab: playwright.Page) -> None:
    run = run_of(tmp_path / "run", "comparison")
    with label(run) as page:
        at(tab, page)
        tab.keyboard.press("?")
        assert tab.is_visible("#help") and "Left is better" in tab.inner_text("#keys") and not tab.is_checked("#notify")
        tab.keyboard.press("ArrowLeft")
        tab.keyboard.press("Escape")
        assert not tab.is_visible("#help") and answers(run) == {}
        assert said(run, tab, "ArrowLeft") == "left"
        wait(tab, SHOWING)
        with tab.expect_request("**/api/answer"):
            tab.evaluate(AT_ONCE)


WAITING = {
    "filming": [({"filming": 1}, "The next question is being filmed."), ({"filming": 3}, "3 questions are being filmed.")],
    "leased": [
        (
            {"leased": [{"query": 1, "annotator": "a", "until": 0}]},
            "Somebody else has the last question; if it is not answered by",
        )
    ],
}


@pytest.mark.parametrize(("told", "shown"), [case for cases in WAITING.values() for case in cases])
def test_why_there_is_nothing_to_answer(tmp_path: Path, tab: playwright.Page, told: dict[str, Any], shown: str) -> None:
    run = make_run(tmp_path / "run", 3)
    with label(run) as page:
        tab.route("**/api/next", lambda route: route.fulfill(json={**route.fetch().json(), "questions": []}))
        tab.route("**/api/state*", lambda route: route.fulfill(json={**route.fetch().json(), "filming": 0, "leased": [], **told}))
        tab.goto(page.address("annotator-1"))
        wait(tab, f"document.getElementById('why').textContent.startsWith({json.dumps(shown)})")
        assert tab.title() == f"({3 - len(told.get('leased', []))}) Which is better? · rlhp"
        tab.unroute_all(behavior="ignoreErrors")


def test_a_pace_is_told_from_ten_answers_on(tmp_path: Path, tab: playwright.Page) -> None:
    run = run_of(tmp_path / "run", "comparison")
    mine = {"answers": 9, "per_hour": 500, "undoable": None}

    def tell(route: playwright.Route) -> None:
        route.fulfill(json={**route.fetch().json(), "answered": 30, "per_hour": 20, "mine": mine})

    with label(run) as page:
        tab.route("**/api/state*", tell)
        at(tab, page)
        wait(tab, "document.getElementById('progress').textContent === '30 of 40 labels'")
        assert tab.inner_text("#pace") == ""
        mine["answers"] = 10
        wait(tab, "document.getElementById('pace').textContent === '20 labels an hour, about 30 min to go'")
        tab.unroute_all(behavior="ignoreErrors")


SEEN = {
    "curve": [[0, None, -1.0], [1000, 5.0, 0.0], [2000, 25.0, 1.0]],
    "agreement": {"share": 0.8, "low": 0.6, "high": 0.92, "n": 25},
    **{"film": None, "paused": False, "stopping": False, "may_control": True, "may_grow": None},
}


def test_the_run_in_view_and_its_buttons(tmp_path: Path, tab: playwright.Page) -> None:
    run, asked = run_of(tmp_path / "run", "comparison"), []
    tab.set_viewport_size({"width": 1280, "height": 800})

    def serve(route: playwright.Route) -> None:
        if route.request.method == "POST":
            asked.append((route.request.url.rpartition("/")[2], json.loads(route.request.post_data or "null")))
            SEEN["paused"] = asked[-1][0] == "pause"
        route.fulfill(json=SEEN)

    with label(run) as page:
        tab.route("**/api/run**", serve)
        tab.route("**/api/state*", lambda route: route.fulfill(json={**route.fetch().json(), "state": "training"}))
        at(tab, page)
        tab.wait_for_selector("#run-panel")
        assert tab.inner_text("#curve-name") == "True return" and tab.locator("#curve polyline").count() == 1
        assert "agrees with you on 80 % of 25 held-out answers (60 to 92 %)" in tab.inner_text("#agreement")
        wait(tab, "!document.getElementById('hold').disabled")
        tab.get_by_role("button", name="Pause training").click()
        tab.get_by_role("button", name="Resume training").click()
        tab.locator("#labels").fill("30")
        tab.get_by_role("button", name="More labels").click()
        tab.locator("#stop").click()
        tab.get_by_role("button", name="Stop with a checkpoint").click()
        until(lambda: len(asked) == 4 or tab.wait_for_timeout(20))
        assert asked == [("pause", {}), ("resume", {}), ("labels", {"more": 30}), ("stop", {})]
        tab.locator("#panel").click()
        assert not tab.is_visible("#run-panel") and answers(run) == {}
        tab.unroute_all(behavior="ignoreErrors")


def test_a_sketch_shows_what_to_watch(tmp_path: Path, tab: playwright.Page) -> None:
    run = run_of(tmp_path / "run", "comparison")
    with label(run) as page:
        tab.route(
            "**/api/state*",
            lambda route: route.fulfill(
                json={**route.fetch().json(), "task": "halfcheetah_one_leg", "sketch": True, "watch": ["bfoot"]}
            ),
        )
        at(tab, page)
        tab.wait_for_selector("#sketch svg")
        assert tab.locator("#sketch .watched").count() == 1 and "back leg" in (
            tab.get_attribute("#sketch svg", "aria-label") or ""
        )
        tab.unroute_all(behavior="ignoreErrors")
        assert tab.faults == []


def test_the_page_works_below_any_prefix(tmp_path: Path, tab: playwright.Page) -> None:
    """Behind a proxy that serves it at /some/where/: every address that it asks for is relative."""
    run = run_of(tmp_path / "run", "comparison")
    with label(run, "--repeats", "0") as page:
        asked = []

        def pass_on(route: playwright.Route) -> None:
            asked.append(route.request.url)
            route.continue_(url=route.request.url.replace("/some/where/", "/"))

        tab.route("**/*", pass_on)
        tab.goto(page.address("annotator-1").replace("/?", "/some/where/?"))
        tab.wait_for_selector(SHOWN)
        press(tab, "ArrowLeft")
        stored(run, 1)
        tab.unroute_all(behavior="ignoreErrors")
        assert asked and all("/some/where/" in address or address.startswith("blob:") for address in asked)


def test_a_phone_stacks_two_clips_and_names_them_so(tmp_path: Path, tab: playwright.Page) -> None:
    """Held upright, each clip is larger than half of the screen's width, and the answers are on the first screen."""
    run = run_of(tmp_path / "run", "comparison")
    device = tab.context.new_cdp_session(tab)
    device.send("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True})
    device.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    with label(run) as page:
        at(tab, page)
        layout = tab.evaluate(LAYOUT)
        first, second = layout["clips"]
        assert layout["wide"] <= 390 and first["width"] > 250 and second["y"] >= first["y"] + first["height"]
        assert max(box["y"] + box["height"] for box in layout["answers"]) <= 844
        assert tab.locator("#answers [data-tone] span").all_inner_texts() == ["Upper is better", "Lower is better"]
        tab.locator("#answers [data-choice=right]").click()
        stored(run, 1)
        tab.set_viewport_size({"width": 844, "height": 390})


def test_forced_colours_leave_the_progress_visible(tmp_path: Path, tab: playwright.Page) -> None:
    tab.emulate_media(forced_colors="active")
    run = run_of(tmp_path / "run", "comparison")
    with label(run) as page:
        at(tab, page)
        colours = tab.evaluate("['bar', 'done', 'mark'].map(id => getComputedStyle(document.getElementById(id)).backgroundColor)")
        assert len(set(colours)) == 3, colours


def test_a_question_that_waits_is_told_to_who_asked_for_it_and_looks_elsewhere(tmp_path: Path, tab: playwright.Page) -> None:
    """Off until it is asked for; then once, when there was nothing before."""
    run, told = make_run(tmp_path / "run", 0), {"asked": 0, "answered": 0, "state": "training"}
    tab.add_init_script(
        """window.notes = [];
        window.Notification = class { constructor(title) { window.notes.push(title); } };
        Object.assign(window.Notification, {permission: "granted", requestPermission: async () => "granted"});
        window.elsewhere = false;
        Object.defineProperty(document, "hidden", {get: () => window.elsewhere});"""
    )
    with label(run) as page:
        tab.route("**/api/state*", lambda route: route.fulfill(json={**route.fetch().json(), **told}))
        tab.goto(page.address("annotator-1"))
        wait(tab, "document.body.dataset.phase === 'idle'")
        for wish, notes in ((False, []), (True, ["A question waits"])):
            if wish:
                tab.keyboard.press("?")
                tab.check("#notify")
                tab.keyboard.press("Escape")
            for asked, title in ((0, "Which"), (2, "(2)")):
                told["asked"] = asked
                tab.evaluate(f"window.elsewhere = {str(asked > 0).lower()}")
                wait(tab, f"document.title.startsWith('{title}')")
            assert tab.evaluate("window.notes") == notes
            tab.evaluate("window.elsewhere = false; document.dispatchEvent(new Event('visibilitychange'))")
        tab.unroute_all(behavior="ignoreErrors")
