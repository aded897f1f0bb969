"""The list of runs and the links of annotators in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import SHOWN
from pages import filmed, label, make_run

from rlhp.run import key_of

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")


def test_a_run_is_opened_from_the_list_and_labelled(tmp_path: Path, tab: playwright.Page) -> None:
    for name, questions in (("empty", 0), ("deeper/full", 3)):
        filmed(make_run(tmp_path / "study" / name, questions))
    with label(tmp_path / "study") as page:
        tab.goto(page.address("ada"))
        tab.wait_for_selector("#runs li")
        assert tab.locator("#runs a").all_inner_texts() == ["deeper/full", "empty"], "those that wait for somebody come first"
        assert tab.inner_text("#head") == "2 runs, 3 questions waiting" and tab.title() == "(3) Runs · rlhp"
        tab.click("text=deeper/full")
        tab.wait_for_selector(SHOWN)
        assert "/runs/deeper/full/?" in tab.url
        tab.goto(tab.url.replace("/full/?", "/full/labels?"))
        tab.wait_for_function("document.querySelector('#head').textContent === 'Only yours: full: no answers yet'")
        assert tab.locator("#links").is_hidden()
        tab.click("text=Compare clips")
        tab.wait_for_selector(SHOWN)
        assert tab.faults == []


def test_the_owner_makes_a_link_for_somebody(tmp_path: Path, tab: playwright.Page) -> None:
    run = filmed(make_run(tmp_path / "run", questions=3, page={"annotators": ["ada"]}))
    with label(run) as page:
        tab.goto(page.address(path="/labels"))
        tab.wait_for_selector("#people li")
        tab.fill("#name", "zoe")
        tab.press("#name", "Enter")
        tab.wait_for_selector("#people li >> nth=1")
        links = dict(zip(tab.locator("#people b").all_inner_texts(), tab.locator("#people a").all_inner_texts(), strict=True))
        assert [*links] == ["ada", "zoe"] and key_of(page.token, "zoe").partition("~")[2] in links["zoe"]
        tab.goto(links["zoe"])
        tab.wait_for_selector(SHOWN)
        assert page.token not in tab.content() and tab.faults == []
