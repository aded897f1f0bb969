"""Trainer, page and filmer as real processes: which of them outlives which, and that none is left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path

import pytest
from pages import Person, filmed, make_run, until

from rlhp.run import Served, dismiss, dismissed, held, locked_run, served, serving
from rlhp.train import page
from rlhp.web import serve
from rlhp.web.app_state import AppState
from rlhp.web.options import Options
from rlhp.web.run_status import settings_of

PATIENCE = 120.0  # seconds, for a machine that is busy
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
SOURCE = Path(serve.__file__).parents[1] / "train/page.py"
# The page, which leaves after so many seconds on its own.
PAGE = "import sys; from rlhp.web import serve; serve.IDLE = {alone}; from rlhp import cli; sys.exit(cli.main())"
# What trains: it holds the run, and has its page served, until it is told to end, or to reach its last step.
TRAINER = f"""
import signal, sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from rlhp.run import locked_run
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell starts in the background
spec = spec_from_file_location("page", {str(SOURCE)!r})  # without the rest of rlhp.train, which takes seconds to import
page = module_from_spec(spec)
spec.loader.exec_module(page)
run, page.COMMAND, page.CHECK_INTERVAL = Path(sys.argv[1]), (sys.executable, "-c", {PAGE!r}.format(alone=sys.argv[2])), 0.05
with locked_run(run), page.page(run, True):
    print("ready", flush=True)
    if sys.stdin.readline() == "fail\\n":
        raise ValueError("no")
    (run / "finished.json").write_text("{{}}")
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return filmed(make_run(tmp_path / "run", questions=3, page={"port": 0, "size": 64, "minimum_view": 0}))


def processes(run: Path) -> dict[int, str]:
    """The command lines of all processes that are about this run; one that has ended and nobody waited for is none."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode().replace("\0", " ")
        except OSError:
            continue
        if str(run) in command:
            found[int(folder.name)] = command
    return found


@contextmanager
def training(run: Path, alone: float = 600.0) -> Iterator[subprocess.Popen[str]]:
    """Something that trains in this run; its page is up, and films."""
    command = [sys.executable, "-c", TRAINER, str(run), str(alone)]
    log = (run / "train.log").open("a")
    with log, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        assert process.stdout is not None and process.stdin is not None and process.stdout.readline() == "ready\n"
        until(lambda: filmers(run), PATIENCE)
        try:
            yield process
        finally:
            process.kill()
            there = served(run)
            if there is not None:
                os.kill(there.pid, signal.SIGKILL)
    until(lambda: not processes(run), PATIENCE)


def filmers(run: Path) -> set[int]:
    return {pid for pid, command in processes(run).items() if "rlhp.web.clip_renderer" in command}


def page_of(run: Path, but: Served | None = None) -> Served:
    """The page that is served now, by another process than `but`'s."""
    return until(lambda: (there := served(run)) is not None and (but is None or there.pid != but.pid) and there, PATIENCE)


def nothing_is_left(run: Path, trainer: subprocess.Popen[str]) -> None:
    until(lambda: trainer.poll() is not None and not processes(run), PATIENCE)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), list(product(SIGNALS, SIGNALS)))
@pytest.mark.parametrize("order", ["trainer, page", "page, trainer"])
def test_no_process_is_left_over(run: Path, order: str, first: signal.Signals, second: signal.Signals) -> None:
    with training(run, alone=1.0) as trainer:
        pids = {"trainer": trainer.pid, "page": page_of(run).pid}
        for name, number in zip(order.split(", "), (first, second), strict=True):
            if pids[name] in processes(run):
                os.kill(pids[name], number)
        nothing_is_left(run, trainer)


@pytest.mark.parametrize("number", SIGNALS[:2])
def test_a_trainer_that_is_told_to_end_takes_its_page_along(run: Path, number: signal.Signals) -> None:
    with training(run) as trainer:
        trainer.send_signal(number)
        nothing_is_left(run, trainer)
    assert not (run / "failed.txt").exists()


def test_a_trainer_that_fails_takes_its_page_along(run: Path) -> None:
    with training(run) as trainer:
        assert trainer.stdin is not None
        trainer.stdin.write("fail\n")
        trainer.stdin.flush()
        nothing_is_left(run, trainer)
    assert "ValueError: no" in (run / "failed.txt").read_text()


def test_a_page_that_dies_is_served_again_at_the_same_address(run: Path) -> None:
    with training(run) as trainer:
        before, films = page_of(run), filmers(run)
        os.kill(before.pid, signal.SIGKILL)
        again = page_of(run, but=before)
        assert again.address() == before.address() and trainer.poll() is None
        assert Person(again, "annotator-1").state()["state"] == "training"
        until(lambda: not films & set(processes(run)), PATIENCE)
        until(lambda: f"has been restarted: compare clips at {again.address()}" in (run / "train.log").read_text(), PATIENCE)


def test_a_page_that_somebody_ends_stays_ended(run: Path) -> None:
    with training(run) as trainer:
        os.kill(page_of(run).pid, signal.SIGTERM)
        until(lambda: dismissed(run), PATIENCE)
        until(lambda: set(processes(run)) == {trainer.pid}, PATIENCE)


def test_that_an_earlier_page_was_told_to_end_is_no_reason_not_to_start_one_again(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a training that was told to end goes on, and the page that it starts dies at once."""
    with serving(run):
        dismiss(run)
    assert dismissed(run)
    starts = tmp_path / "starts"
    monkeypatch.setattr(page, "COMMAND", (sys.executable, "-c", f"open({str(starts)!r}, 'a').write('x')"))
    monkeypatch.setattr(page, "CHECK_INTERVAL", 0.01)
    with closing(page.PageSupervisor(run)) as keeper:
        keeper.start()
        until(lambda: len(starts.read_text()) > 2, PATIENCE)
        assert not dismissed(run)


def test_a_page_that_is_slow_to_start_is_not_started_twice(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    starts, looks = tmp_path / "starts", []
    monkeypatch.setattr(
        page, "COMMAND", (sys.executable, "-c", f"open({str(starts)!r}, 'a').write('x'); import signal; signal.pause()")
    )
    monkeypatch.setattr(page, "CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(page, "START_TIMEOUT", 0.0)
    monkeypatch.setattr(page, "held", lambda run: looks.append(run) or held(run))
    with closing(page.PageSupervisor(run)) as keeper:
        keeper.start()
        until(lambda: starts.is_file() and len(looks) > 20, PATIENCE)
        assert starts.read_text() == "x" and "still starting" in capsys.readouterr().err


def test_a_page_that_is_about_to_end_is_not_taken_for_one_that_died(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts, looks = tmp_path / "starts", []
    monkeypatch.setattr(page, "COMMAND", (sys.executable, "-c", f"open({str(starts)!r}, 'a').write('x')"))
    monkeypatch.setattr(page, "CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(page, "held", lambda run: looks.append(run) or held(run))
    with serving(run):
        dismiss(run)  # and is seen before the lock is released
        with closing(page.PageSupervisor(run)) as keeper:
            keeper.start()
            until(lambda: len(looks) > 10, PATIENCE)
    assert starts.read_text() == "x"  # the one start that it begins with


def test_why_a_page_does_not_come_up_is_told(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    refusal = "import sys; sys.exit('rlhp: size is 9: give 64 to 1024 pixels.')"
    monkeypatch.setattr(page, "COMMAND", (sys.executable, "-c", refusal))
    with closing(page.PageSupervisor(run)) as keeper:
        keeper.start()
    assert "did not start (size is 9: give 64 to 1024 pixels); training continues" in capsys.readouterr().err


def test_after_a_kill_of_the_trainer_the_page_goes_on_with_the_one_that_resumes(run: Path) -> None:
    with training(run) as trainer:
        page = page_of(run)
        trainer.kill()
        until(lambda: Person(page, "annotator-1").state()["state"] == "stopped", PATIENCE)
        with training(run) as again:
            assert page_of(run) == page
            until(lambda: Person(page, "annotator-1").state()["state"] == "training", PATIENCE)
            again.send_signal(signal.SIGTERM)  # what an earlier attempt has started ends with this one
            nothing_is_left(run, again)


def test_the_page_outlives_the_end_of_training_while_somebody_is_there(run: Path) -> None:
    with training(run) as trainer:
        assert trainer.stdin is not None
        trainer.stdin.write("finish\n")
        trainer.stdin.flush()
        assert trainer.wait(timeout=PATIENCE) == 0
        person = Person(page_of(run), "annotator-1")
        until(lambda: person.state()["state"] == "finished", PATIENCE)
        assert person.say(person.pairs()[0])["outcome"] == "kept"


def test_the_page_of_a_finished_training_leaves_when_nobody_is_there(run: Path) -> None:
    with training(run, alone=1.0) as trainer:
        assert trainer.stdin is not None
        trainer.stdin.write("finish\n")
        trainer.stdin.flush()
        nothing_is_left(run, trainer)


def test_when_a_page_is_alone(run: Path) -> None:
    now = [0.0]
    with closing(AppState(run, settings_of(run), Options(), "token", now=lambda: now[0])) as state:
        with locked_run(run):
            now[0] = 600.0
            assert not state.is_idle(60.0), "a training is under way"
        now[0] += 60.0
        assert not state.is_idle(60.0)
        state.count_request()
        now[0] += 60.0
        assert not state.is_idle(60.0), "somebody was there meanwhile"
        now[0] += 1.0
        assert state.is_idle(60.0)
