"""What people at the page ask of a training: pause, go on, stop with a checkpoint, more labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread

import pytest
from test_run import Killed, killed_at, settings

from rlhp.loop import _wait
from rlhp.run import Control, RunDirectory, ask, checkpoint, control, failure, finished, read_settings
from rlhp.run.control import Controls, change
from rlhp.run.record import read_table
from rlhp.schedule import Annealed, Constant, ExtendableSchedule, NoLabels, Upfront
from rlhp.store import Store
from rlhp.train import build, extend, train
from rlhp.train.extend import differences
from rlhp.types import Stopped, UserError

# the file


def test_a_run_that_nobody_has_asked_anything_of_has_no_file(tmp_path: Path) -> None:
    assert control(tmp_path) == Control()
    Controls(tmp_path).start(0)
    assert not any(tmp_path.iterdir())


def test_what_is_asked_is_kept(tmp_path: Path) -> None:
    ask(tmp_path, paused=True)
    assert ask(tmp_path, more=7) == control(tmp_path) == Control(paused=True, more=7)
    assert change(tmp_path, lambda c: c.noticed(640)) == control(tmp_path) == Control(True, more=7, added=((640, 7),))


def test_labels_are_a_level_that_is_noticed_once() -> None:
    noticed = Control(more=10).noticed(64).noticed(128)
    assert noticed.added == ((64, 10),)
    assert replace(noticed, more=25).noticed(192).noticed(256).added == ((64, 10), (192, 15))


def test_two_who_change_it_at_once_lose_nothing(tmp_path: Path) -> None:
    def more() -> None:
        for _ in range(20):
            change(tmp_path, lambda c: replace(c, more=c.more + 1))

    threads = [Thread(target=more) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert control(tmp_path).more == 60


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"paused": true}', '{"added": [1]}', '{"added": [], "else": 1}'])
def test_a_file_that_is_damaged_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "control.json").write_text(text)
    with pytest.raises(UserError, match="json is damaged: remove it"):
        control(tmp_path)


def test_a_stop_from_before_is_over_and_a_pause_is_not(tmp_path: Path) -> None:
    ask(tmp_path, paused=True, stop=True, stopped=512)
    Controls(tmp_path).start(512)
    assert control(tmp_path) == Control(paused=True)


def test_a_training_holds_until_it_is_told_to_go_on(tmp_path: Path) -> None:
    ask(tmp_path, paused=True)
    said: list[str] = []
    naps = iter([lambda: None, lambda: ask(tmp_path, more=5), lambda: ask(tmp_path, paused=False)])
    controls = Controls(tmp_path, sleep=lambda seconds: next(naps)())
    assert controls.wait_while_paused(1024, said.append) == Control(more=5, added=((1024, 5),)), "labels are noticed meanwhile"
    assert len(said) == 3 and said[0] == f"paused at step 1,024 from the page: continue it with rlhp annotate {tmp_path}"


def test_a_stop_ends_a_pause(tmp_path: Path) -> None:
    ask(tmp_path, paused=True)
    assert Controls(tmp_path, sleep=lambda seconds: ask(tmp_path, stop=True)).wait_while_paused(0, lambda text: None).stop


# more labels


@pytest.mark.parametrize(
    ("base", "levels"),
    [  # 30 more from step 500 of 1000 on, at steps 0, 500, 750 and 1000
        (Constant(40, 1000, initial=0.25), (10, 25, 33 + 16, 70)),  # 8 of the 15 that it still asks, and so 16 of 30
        (Upfront(40), (40, 70, 70, 70)),  # nothing is left to be asked: at once
        (Constant(40, 1000, initial=1.0), (40, 70, 70, 70)),
    ],
)
def test_more_labels_are_spread_as_the_schedule_spreads_its_own(base: Callable[[int], int], levels: tuple[int, ...]) -> None:
    grown = ExtendableSchedule(base, 1000)
    assert [grown(step) for step in (0, 500, 750, 1000)] == [base(step) for step in (0, 500, 750, 1000)]
    grown.added = ((500, 30),)
    assert tuple(grown(step) for step in (0, 500, 750, 1000)) == levels and grown(499) == base(499)


def test_a_schedule_that_grows_twice_never_falls_and_ends_with_all_of_them() -> None:
    grown = ExtendableSchedule(Annealed(40, 1000), 1000)
    grown.added = ((100, 7), (300, 5))
    levels = [grown(step) for step in range(1001)]
    assert levels == sorted(levels) and levels[-1] == 52 and grown(5000) == 52
    assert ExtendableSchedule(NoLabels(), 1000)(1000) == 0


# a training


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody has asked anything of."""
    path = tmp_path_factory.mktemp("control") / "whole"
    train(settings("env=reacher"), path)
    return path


def asked_at(step: int, monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    """Somebody asks this during the round that ends at a step."""
    tick = RunDirectory.end_step

    def then(self: RunDirectory, now: int) -> None:
        if now == step:
            ask(self.path, **fields)
        tick(self, now)

    monkeypatch.setattr(RunDirectory, "end_step", then)


def test_a_run_that_is_stopped_goes_on_where_it_was(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        asked_at(1408, patch, stop=True)
        train(settings("env=reacher"), run)
    assert checkpoint.complete(run / "checkpoints")[-1] == 1408, "between two of those that are due"
    assert not finished(run) and failure(run) is None and control(run) == Control(stopped=1408)
    assert "was stopped from the page; repeat the command to continue from step 1,408 of 3,072" in capsys.readouterr().err
    train(settings("env=reacher"), run)
    assert finished(run) and control(run) == Control()
    for name in ("metrics.csv", "heldout.csv"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_a_run_that_is_paused_and_killed_is_paused_when_it_comes_back(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"

    def kill(seconds: float) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        asked_at(1408, patch, paused=True)
        patch.setattr("rlhp.run.directory.Controls", lambda path: Controls(path, kill))
        for _ in range(2):
            with pytest.raises(Killed):
                train(settings("env=reacher"), run)
            assert checkpoint.complete(run / "checkpoints")[-1] == 1408, "a pause keeps what was learned"
            assert "paused at step 1,408 from the page" in capsys.readouterr().err
            assert [row["step"] for row in read_table(run / "metrics.csv")][-1] == "1408", "and it did not go on by itself"
        patch.setattr("rlhp.run.directory.Controls", lambda path: Controls(path, lambda seconds: ask(run, paused=False)))
        train(settings("env=reacher"), run)
    assert (run / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_a_pause_is_no_time_of_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("rlhp.run.directory.time.monotonic", lambda: now[0])
    run = RunDirectory(tmp_path, {}, total_steps=10, checkpoint_every=5)

    def wait(seconds: float) -> None:
        now[0] += 100.0
        ask(tmp_path, paused=False)

    run.controls = Controls(tmp_path, wait)
    run.open()
    ask(tmp_path, paused=True)
    now[0] = 3.0
    run.end_step(1)
    assert now[0] == 103.0 and run.wall() == 3.0


def test_labels_that_are_added_are_asked_and_a_resumed_run_asks_the_same(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, kill in (("grown", 0), ("killed", 1800)):  # it resumes from 1536
        with monkeypatch.context() as patch:
            asked_at(1408, patch, more=30)
            if kill:
                killed_at(kill, patch)
            try:
                train(settings("env=reacher", "schedule=constant"), tmp_path / name)
            except Killed:
                assert kill
    train(settings("env=reacher", "schedule=constant"), tmp_path / "killed")
    grown = tmp_path / "grown"
    assert (grown / "metrics.csv").read_bytes() == (tmp_path / "killed" / "metrics.csv").read_bytes()
    labels = {int(row["step"]): int(row["asked"]) for row in read_table(grown / "metrics.csv")}
    assert labels[1408] <= 20 and labels[3072] == 50
    assert json.loads((grown / "plan.json").read_text())["labels"] == 50
    assert json.loads((grown / "finished.json").read_text())["labels"]["wanted"] == 50
    train(settings("env=reacher", "schedule=constant"), grown)  # it is the run of these settings, as before


# while it waits for answers


@dataclass
class Waits:
    """A store in which the waiting is stopped."""

    used: int = 0
    asked: int = 4

    def wait(self, max_pending: int | None) -> None:
        raise Stopped


def test_a_stop_ends_the_waiting_and_the_round_goes_on_but_for_the_last() -> None:
    _wait(Waits(), lambda queries, step: {}, 2, 4, over=False)  # type: ignore[arg-type]
    with pytest.raises(Stopped):
        _wait(Waits(), lambda queries, step: {}, 2, 4, over=True)  # type: ignore[arg-type]


def test_who_waits_for_answers_looks_whether_to_stop(tmp_path: Path) -> None:
    from pages import ask as ask_people

    ask_people(tmp_path, questions=2)
    controls = Controls(tmp_path, sleep=lambda seconds: ask(tmp_path, stop=True))
    store = Store(tmp_path / "preferences.sqlite", sleep=controls.sleep)
    with pytest.raises(Stopped):
        store.wait(0)
    store.close()


def test_labels_that_were_added_stay_when_the_run_is_extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    given = settings("env=reacher", "schedule=upfront", "labels=6", "agent.learning_rate=0.0003", "total_steps=1024")
    with monkeypatch.context() as patch:
        asked_at(768, patch, more=4)
        train(given, run)
    before = read_settings(run)
    after = build({**before, "total_steps": 1536})
    told = [sentence for sentence in differences(run, before, after) if "schedule" in sentence]
    assert told == [], "all were asked at once, as they would be in the longer run"
    after.env.close()
    extend(run, ["total_steps=1536"])
    assert json.loads((run / "finished.json").read_text())["labels"]["wanted"] == 10
