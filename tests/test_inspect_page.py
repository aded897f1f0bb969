"""`/inspect`: the report in a frame, updated by a process beside the page, for the owner alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pages import make_run, until
from test_keys import ADA
from test_web import AUTH, HOST, TOKEN, room, served_app

from rlhp.web import inspection
from rlhp.web.inspection import PAUSE, Inspection

# in the place of `rlhp inspect`: writes what it was told into the report, or fails
STAND_IN = """
import os, sys
run, _, out, *rest = sys.argv[1:]
if os.path.exists(run + "/fails"):
    sys.exit("rlhp: there is no learned reward")
open(out, "w").write("<h1>" + " ".join(rest) + str(os.nice(0)) + "</h1>")
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(inspection, "COMMAND", [sys.executable, "-c", STAND_IN])
    return make_run(tmp_path / "run", questions=1)


@pytest.fixture
def client(run: Path):
    with TestClient(served_app(room(run)), base_url=HOST) as client:
        yield client


def checkpoint(run: Path, at: int) -> None:
    """A checkpoint at this time, in s since 1970."""
    (run / "checkpoints" / str(at)).mkdir(parents=True, exist_ok=True)
    os.utime(run / "checkpoints", (at, at))


def done(look) -> inspection.Inspected:
    return until(lambda: None if (told := look()).working else told)


def test_without_a_checkpoint_nothing_is_made(run: Path) -> None:
    assert Inspection(run, "h264")() == inspection.Inspected(working=False, made_at=None, problem=None)


def test_a_report_is_made_for_a_newer_checkpoint_after_a_pause(run: Path) -> None:
    now = [0.0]
    look = Inspection(run, "vp9", lambda: now[0])
    checkpoint(run, 100)
    assert look().working
    first = done(look)
    assert first.made_at is not None and first.problem is None
    assert look.report.read_text().startswith("<h1>--codec vp9 --beside")
    os.utime(look.report, (200, 200))
    now[0] = 10 * PAUSE
    assert not look().working, "nothing is newer than the report"
    checkpoint(run, 300)
    assert look().working
    done(look)
    checkpoint(run, 2**32)
    assert not look().working, "too soon after the last one"
    now[0] += PAUSE
    assert look().working
    done(look)


def test_what_fails_is_said_and_not_tried_again_before_the_next_checkpoint(run: Path) -> None:
    now = [0.0]
    look = Inspection(run, "h264", lambda: now[0])
    (run / "fails").touch()
    checkpoint(run, 100)
    look()
    assert done(look).problem == "rlhp: there is no learned reward"
    now[0] = 10 * PAUSE
    assert not look().working
    (run / "fails").unlink()
    checkpoint(run, 200)
    look()
    assert done(look).problem is None


def test_closing_ends_the_process_and_begins_no_other(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "COMMAND", [sys.executable, "-c", "import signal; signal.pause()"])
    look = Inspection(run, "h264")
    checkpoint(run, 100)
    assert look().working
    look.close()
    done(look)
    checkpoint(run, 200)
    assert not look().working


def test_the_page_shows_the_report_in_a_frame_that_can_ask_for_nothing(client: TestClient, run: Path) -> None:
    page = client.get("/inspect", headers=AUTH)
    assert page.status_code == 200 and "frame-src 'self'" in page.headers["content-security-policy"]
    assert 'src="static/inspect.js"' in page.text and 'sandbox="allow-scripts"' in page.text
    assert client.get("/inspect/report", headers=AUTH).status_code == 404
    checkpoint(run, 100)
    until(lambda: client.get("/api/inspect", headers=AUTH).json()["made_at"])
    report = client.get("/inspect/report", params={"token": TOKEN})
    assert report.status_code == 200 and report.text.startswith("<h1>")
    policy = report.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "sandbox allow-scripts" in policy and "connect-src" not in policy
    assert report.headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize("path", ["/inspect", "/inspect/report", "/api/inspect"])
def test_it_is_for_the_owner_alone(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401
    assert client.get(path, headers=ADA).status_code == 403
