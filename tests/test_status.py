"""Attempts at a run, and a sweep at a glance."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_analysis import write_run

from rlhp import cli
from rlhp.analysis.status import planned, report, run_status
from rlhp.run import attempt, failure, under_way
from rlhp.types import UserError

HOLD = """
import sys
from pathlib import Path
from rlhp.run import attempt
with attempt(Path(sys.argv[1])):
    print(1, flush=True)
    input()
"""


@pytest.fixture
def held(tmp_path: Path):
    """A run directory in which another process trains."""
    run = write_run(tmp_path / "sweep" / "held", rows=[(100, -4.0, 1, 0, ""), (500, 10.0, 4, 50, 0.7)], finished=False)
    command = [sys.executable, "-c", HOLD, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        yield run, process
        process.kill()


def test_one_process_at_a_time(held) -> None:
    run, process = held
    assert under_way(run)
    with pytest.raises(UserError, match="trained by another process"), attempt(run):
        pass
    assert failure(run) is None  # the other one's run has not failed
    process.kill()
    process.wait()
    assert not under_way(run)
    with attempt(run):
        pass


def test_an_error_is_kept_until_the_next_attempt(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), attempt(tmp_path):
        _ = 1 / 0
    assert failure(tmp_path) == "ZeroDivisionError: division by zero"
    with attempt(tmp_path):
        assert failure(tmp_path) is None


def test_being_stopped_is_no_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), attempt(tmp_path):
        raise KeyboardInterrupt
    assert failure(tmp_path) is None and not under_way(tmp_path)


def test_states_and_time_left(held, capsys) -> None:
    folder = held[0].parent
    write_run(folder / "done")
    (write_run(folder / "broken", finished=False) / "failed.txt").write_text("Traceback\nValueError: no\n")
    write_run(folder / "stopped", rows=[], finished=False)
    (folder / "multirun.yaml").write_text(plan({"seed": "1,2,3"}, ["env=hopper,walker"]))
    states = {path.name: run_status(path).state for path in folder.iterdir() if path.is_dir()}
    assert states == {"held": "running", "done": "done", "broken": "failed", "stopped": "stopped"}
    # 500 steps in the last 2.5 s; 500 of the running, none of the failed (it got there), 1000 of the stopped, 2 x 1000 to begin
    assert run_status(held[0]).speed == pytest.approx(200)
    assert cli.main(["status", str(folder)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == f"{folder}: 1 done, 1 running, 1 failed, 1 stopped, 2 not begun of 6; about 1 min left"
    assert [line.split()[:2] for line in lines] == [["failed", "broken"], ["running", "held"], ["stopped", "stopped"]]
    assert lines[0].endswith("ValueError: no") and "500 of 1,000" in lines[1] and "200 steps/s" in lines[1]


def test_hours_and_nothing_left(tmp_path: Path) -> None:
    assert report(write_run(tmp_path / "a").parent) == f"{tmp_path}: 1 done of 1"
    write_run(tmp_path / "b", finished=False, rows=[])
    assert "nothing runs: the same command goes on with it" in report(tmp_path)


def plan(params: dict[str, str] | None, task: list[str]) -> str:
    return yaml.safe_dump({"hydra": {"sweeper": {"params": params}, "overrides": {"task": task}}})


@pytest.mark.parametrize(
    ("params", "task", "runs"),
    [
        ({"env": "a,b,c", "seed": "1,2"}, ["experiment=x"], 6),
        ({"env": "a,b,c", "seed": "1,2"}, ["env=a"], 2),
        (None, ["net=[1,2],[3,4]", "name='x,y'", "d={a:[1,2],b:3}"], 2),
    ],
)
def test_planned_runs(tmp_path: Path, params: dict[str, str] | None, task: list[str], runs: int) -> None:
    assert planned(tmp_path) is None
    (tmp_path / "multirun.yaml").write_text(plan(params, task))
    assert planned(tmp_path) == runs
