"""What axe-core, from the package axe-playwright-python, finds on the pages: nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browsing import at, press, wait
from pages import filmed, label, make_run
from test_page import CLIPS, SEEN, run_of

if TYPE_CHECKING:
    import playwright.sync_api as playwright

PACKAGE = find_spec("axe_playwright_python")
AXE = Path(PACKAGE.origin or "").with_name("axe.min.js") if PACKAGE else None
FAULTS = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .map(({id, nodes}) => `${id}: ${nodes.map(node => node.target.join(' ')).join(', ')}`)"""

needs_axe = pytest.mark.skipif(AXE is None, reason="axe-playwright-python is not installed: pip install -e '.[dev]'")
pytestmark = needs_axe


def faults(tab: playwright.Page) -> list[str]:
    """What axe-core has against the page as it is; evaluated past the content policy, which lets no other script in."""
    tab.wait_for_timeout(500)  # colours fade in, and axe reads them as they are
    assert AXE is not None
    tab.evaluate(AXE.read_text() + "; 0")
    return tab.evaluate(FAULTS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_the_page_of_comparisons_nor_in_its_dialogs(tmp_path: Path, tab: playwright.Page, scheme: str) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": 1280, "height": 800})
    run = run_of(tmp_path / "run", "comparison", 3)
    with label(run, "--repeats", "0") as page:
        tab.route("**/api/run**", lambda route: route.fulfill(json=SEEN))
        at(tab, page)
        press(tab, "ArrowLeft")
        wait(tab, "document.querySelectorAll('#history button').length === 1")
        assert faults(tab) == []
        tab.keyboard.press("?")
        assert faults(tab) == []
        tab.keyboard.press("Escape")
        tab.locator("#history button").click()
        assert faults(tab) == []
        tab.keyboard.press("Escape")
        tab.set_viewport_size({"width": 390, "height": 844})
        assert faults(tab) == []
        press(tab, "ArrowLeft")
        press(tab, "ArrowLeft")
        wait(tab, "document.body.dataset.phase === 'idle'")
        assert faults(tab) == []
        tab.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("kind", sorted(CLIPS.keys() - {"comparison"}))
def test_nothing_on_the_page_of_other_questions(tmp_path: Path, tab: playwright.Page, kind: str) -> None:
    with label(run_of(tmp_path / "run", kind)) as page:
        at(tab, page)
        assert faults(tab) == []


def test_nothing_on_the_other_pages(tmp_path: Path, tab: playwright.Page) -> None:
    run = filmed(make_run(tmp_path / "run", 3))
    with label(run, "--repeats", "0") as page:
        press(at(tab, page), "ArrowLeft")
        tab.goto(page.address(path="/labels"))
        tab.wait_for_selector("table")
        assert faults(tab) == []
        tab.goto(page.address("annotator-1").replace("annotator=annotator-1", "annotator=a+b"))
        assert faults(tab) == []
        tab.goto(page.address(path="/inspect"))
        tab.wait_for_function("document.querySelector('#status').textContent !== 'Loading …'")
        assert faults(tab) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_the_list_of_runs(tmp_path: Path, tab: playwright.Page, scheme: str) -> None:
    tab.emulate_media(color_scheme=scheme)
    for name, questions in (("empty", 0), ("full", 3)):
        filmed(make_run(tmp_path / "study" / name, questions))
    with label(tmp_path / "study") as page:
        tab.goto(page.address("ada"))
        tab.wait_for_selector("#runs li")
        assert faults(tab) == []
