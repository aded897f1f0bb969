"""Attempts at a run, and a sweep at a glance."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf
from test_analysis import write_run
from test_folders import TINY, TRAIN, folders

from rlhp import cli
from rlhp.run import failure, is_running, locked_run
from rlhp.run.status import report, run_status
from rlhp.run.sweep import MAX_LENGTH, SWEEPS, Sweep, folder_name, names_settings, record, sweeps
from rlhp.train.sweep import Plan, plan
from rlhp.types import UserError

HOLD = """
import sys
from pathlib import Path
from rlhp.run import locked_run
with locked_run(Path(sys.argv[1])):
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
    assert is_running(run)
    with pytest.raises(UserError, match="trained by another process"), locked_run(run):
        pass
    assert failure(run) is None  # the other one's run has not failed
    process.kill()
    process.wait()
    assert not is_running(run)
    with locked_run(run):
        pass


def test_an_error_is_kept_until_the_next_attempt(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked_run(tmp_path):
        _ = 1 / 0
    assert failure(tmp_path) == "ZeroDivisionError: division by zero"
    with locked_run(tmp_path):
        assert failure(tmp_path) is None


def test_being_stopped_is_no_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked_run(tmp_path):
        raise KeyboardInterrupt
    assert failure(tmp_path) is None and not is_running(tmp_path)


def test_states_and_time_left(held, capsys) -> None:
    folder = held[0].parent
    write_run(folder / "done")
    (write_run(folder / "broken", finished=False) / "failed.txt").write_text("Traceback\nValueError: no\n")
    write_run(folder / "stopped", rows=[], finished=False)
    record(folder, "x=1,2,3,4,5,6", Sweep(jobs=("held", "done", "broken", "stopped", "later", "last")))
    states = {path.name: run_status(path).state for path in folder.iterdir() if path.is_dir()}
    assert states == {"held": "running", "done": "done", "broken": "failed", "stopped": "stopped"}
    # 500 steps in the last 2.5 s; 500 of the running, none of the failed (it got there), 1000 of the stopped, 2 x 1000 to begin
    assert run_status(held[0]).data.speed == pytest.approx(200)
    assert cli.main(["status", str(folder)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    counts, _, left = head.partition("; about ")
    assert counts == f"{folder}: 1 done, 1 running, 1 failed, 1 stopped, 2 not started of 6"
    assert left in ("17 s left", "18 s left")
    assert [line.split()[:2] for line in lines] == [["failed", "broken"], ["running", "held"], ["stopped", "stopped"]]
    assert lines[0].endswith("ValueError: no") and "500 of 1,000" in lines[1] and "200 steps/s" in lines[1]


def test_several_folders(tmp_path: Path, capsys) -> None:
    for name in ("b", "a"):
        write_run(tmp_path / name / "run")
    assert cli.main(["status", str(tmp_path / "b"), str(tmp_path / "a")]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{tmp_path / name}: 1 done of 1" for name in ("b", "a")]


def test_hours_and_nothing_left(tmp_path: Path) -> None:
    assert report(write_run(tmp_path / "a").parent) == f"{tmp_path}: 1 done of 1"
    write_run(tmp_path / "b", finished=False, rows=[])
    assert "nothing is running: the same command continues it" in report(tmp_path)


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    (write_run(tmp_path / "b") / "config.yaml").write_bytes(b"\xff\x00: [")
    told = report(tmp_path)
    assert told.startswith(f"{tmp_path}: 1 done, 1 damaged of 2") and "b/config.yaml is damaged" in told


def test_runs_without_numbers_yet_are_counted(tmp_path: Path) -> None:
    for name, mark in (("stillborn", "failed.txt"), ("begun", "lock")):
        run = write_run(tmp_path / name, finished=False)
        (run / "metrics.csv").unlink()
        (run / mark).write_text("MemoryError: no\n")
    (write_run(tmp_path / "only_configured", finished=False) / "metrics.csv").unlink()
    (tmp_path / "empty").mkdir()  # which is all that is left of a job that could not be built
    record(tmp_path, "a sweep", Sweep(jobs=("stillborn", "begun", "empty")))
    head, *lines = report(tmp_path).splitlines()
    assert head.startswith(f"{tmp_path}: 1 failed, 1 stopped, 1 not started of 3")
    assert [line.split()[:2] for line in lines] == [["stopped", "begun"], ["failed", "stillborn"]]
    assert lines[1].endswith("0 of 1,000  MemoryError: no")


def test_every_sweep_of_a_folder_counts(tmp_path: Path) -> None:
    for name in ("seed-1", "seed-3", "by_hand"):
        write_run(tmp_path / "study" / name)
    record(tmp_path / "study", "seed=1,2", Sweep(jobs=("seed-1", "seed-2")))
    record(tmp_path / "study", "seed=3,4", Sweep(jobs=("seed-3", "seed-4")))
    for folder in (tmp_path / "study", tmp_path):
        assert report(folder).startswith(f"{folder}: 3 done, 2 not started of 5; nothing is running")
    record(tmp_path / "study", "seed=7,8,9", Sweep(trials=3))  # into folders not known beforehand: one of them has begun
    assert report(tmp_path).startswith(f"{tmp_path}: 3 done, 4 not started of 7; nothing is running")
    (tmp_path / "study" / "sweeps.json").write_text("[")
    with pytest.raises(UserError, match=r"sweeps\.json is damaged: remove it"):
        report(tmp_path)


def test_a_sweep_of_which_nothing_has_begun_is_no_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run in"):
        report(tmp_path)
    record(tmp_path, "seed=1,2", Sweep(jobs=("seed-1", "seed-2")))
    assert report(tmp_path).startswith(f"{tmp_path}: 2 not started of 2; nothing is running")


def test_the_trials_of_a_search_are_told_by_what_it_varies(tmp_path: Path) -> None:
    write_run(tmp_path / "env-hopper__gamma-0.9__rate-0.0012")
    write_run(tmp_path / "env=hopper,gamma=0.99,rate=0.0034")  # of an earlier version
    write_run(tmp_path / "env-hopper__seed-102")  # a sweep into the same folder
    search = Sweep(trials=20, keys=("env", "rate", "gamma"))
    record(tmp_path, "a search", search)
    assert "3 done, 18 not started of 21" in report(tmp_path)
    record(tmp_path, "a search", replace(search, ended=True))  # some of its trials fell on the same settings
    assert report(tmp_path) == f"{tmp_path}: 3 done of 3"


def test_a_run_that_lacks_labels_is_named(tmp_path: Path) -> None:
    ended = {"labels": {"wanted": 50, "asked": 0, "answered": 0, "used": 0, "why": "no clip was ever long enough."}}
    (write_run(tmp_path / "a", labels=50) / "finished.json").write_text(json.dumps(ended))
    write_run(tmp_path / "b")
    assert report(tmp_path).splitlines() == [
        f"{tmp_path}: 2 done of 2",
        "  done    a  labels: 0 of 50 used: no clip was ever long enough.",
    ]


# What a sweep is going to run

NAMED = ["agent.batch_size-64__agent.gamma-0.9__seed-1", "agent.batch_size-64__agent.gamma-0.9__seed-2"]


@pytest.mark.parametrize(
    ("overrides", "jobs"),
    [
        (["seed=1,2", "agent.gamma=0.9", "agent.batch_size=64", "name=x"], NAMED),
        (["seed=range(1,3)", "agent.gamma=choice(0.9)", "agent.batch_size=64", "video=true"], NAMED),
        (["seed=1", "seed=sort(2,1)", "agent.gamma=0.9", "agent.batch_size=64"], NAMED),
        (
            ["experiment=first_light", "env=glob(h*r)", "condition=preferences", "seed=7"],
            ["condition-preferences__env-hopper__seed-7"],
        ),
        (["threads=1,2", "torch_threads=1", "seed=7"], ["seed-7__threads-1", "seed-7__threads-2"]),
        (["++env.horizon=50", "seed=1"], ["env.horizon-50__seed-1"]),
        (["hydra.sweep.subdir=${hydra:job.num}", "seed=5,6,7"], ["0", "1", "2"]),
    ],
)
def test_jobs_are_those_that_hydra_makes_of_a_sweep(overrides: list[str], jobs: list[str]) -> None:
    assert launched(*overrides).jobs == tuple(jobs)


def test_jobs_whose_folders_are_named_otherwise_are_counted() -> None:
    assert launched("hydra.sweep.subdir=run${hydra:job.num}", "seed=5,6,7") == Sweep(trials=3)


@pytest.mark.skipif(find_spec("optuna") is None, reason="optuna is not installed: pip install -e '.[optuna]'")
def test_a_search_has_as_many_jobs_as_trials() -> None:
    found = launched("experiment=tune", "env=swimmer", "hydra.sweeper.n_trials=7")
    assert found.trials == 7 and not found.jobs
    assert set(found.keys) == {"env", "agent.learning_rate.start", "agent.gamma", "agent.n_epochs"}


def launched(*overrides: str) -> Sweep:
    """What is recorded of `rlhp train -m OVERRIDES`."""
    GlobalHydra.instance().clear()
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        return plan(hydra.compose_config("config", [*overrides], run_mode=RunMode.MULTIRUN))


def test_a_sweep_is_recorded_when_its_first_job_starts(tmp_path: Path) -> None:
    nothing = OmegaConf.create({})
    Plan().on_job_start(nothing)  # a run that is no job of a sweep
    GlobalHydra.instance().clear()
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        overrides = ["seed=1,2", f"hydra.sweep.dir={tmp_path}/study"]
        config = hydra.compose_config("config", overrides, run_mode=RunMode.MULTIRUN)
        callback = Plan()
        callback.on_multirun_start(config)
    assert not (tmp_path / "study").exists()  # its jobs may turn out to be none that can be composed
    pickle.loads(pickle.dumps(callback)).on_job_start(config)  # as launchers take it to other processes
    assert sweeps(tmp_path / "study") == {"seed=1,2": Sweep(jobs=("seed-1", "seed-2"))}
    callback.on_multirun_end(config)
    assert sweeps(tmp_path / "study")["seed=1,2"].ended


# Real sweeps, in the folders of the shipped configuration


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sweeps that TRAIN launches; three runs of something else lie there."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        write_run(tmp_path / "runs" / "x" / name)
    return tmp_path / "runs" / "x"


def test_the_jobs_recorded_are_the_folders_that_hydra_makes(study: Path, capsys) -> None:
    assert cli.main([*TRAIN, "threads=1,2", "agent.policy_kwargs.net_arch=[8,8],[9]", "instructions=Go, run"]) == 0
    (sweep,) = sweeps(study).values()
    assert len(sweep.jobs) == 4 and {*sweep.jobs} == folders(study.parents[1]) - {*"abc"}
    for job in sweep.jobs[1:3]:
        shutil.rmtree(study / job)
    assert report(study).startswith(f"{study}: 5 done, 2 not started of 7; ")


def test_runs_that_go_on_in_folders_of_earlier_names_have_begun(study: Path, capsys) -> None:
    sweep = [*TRAIN, "seed=1,2"]
    assert cli.main(sweep) == 0
    (before,) = sweeps(study).values()
    for seed, job in enumerate(before.jobs, 1):
        (study / job).rename(study / ",".join(sorted([*TINY, "training_schedule.first_per_1000_steps=4", f"seed={seed}"])))
    assert cli.main(sweep) == 0 and capsys.readouterr().err.count("finished already") == 2
    assert report(study) == f"{study}: 5 done of 5"


def test_jobs_that_lie_in_folders_of_other_names_are_not_missed_here(study: Path, capsys) -> None:
    assert cli.main([*TRAIN, "name=y,z"]) == 0
    assert not [*study.parent.rglob(SWEEPS)]
    assert report(study.parent) == f"{study.parent}: 5 done of 5"


@pytest.mark.parametrize(
    ("settings", "keys", "named"),
    [
        ([("env", "hopper"), ("seed", "1")], ["seed", "env"], True),
        ([("env", "hopper"), ("seed", "1")], ["seed"], False),
        ([("seed", "1")], ["seed", "env"], False),
        ([("seed2", "1")], ["seed"], False),
        ([("agent/intrinsic_reward", "a b"), ("x", "-1")], ["agent/intrinsic_reward", "x"], True),
        ([(f"key{n}", "v" * 50) for n in range(9)], [f"key{n}" for n in range(9)], True),
        ([(f"key{n}", "v" * 50) for n in range(9)], ["key0", "other", *(f"key{n}" for n in range(2, 9))], False),
        ([(f"key{n}", "v" * 50) for n in range(9)], ["key0"], False),
    ],
)
def test_a_folders_name_tells_which_settings_name_it(settings: list[tuple[str, str]], keys: list[str], named: bool) -> None:
    assert names_settings(folder_name(settings), keys) is named
    assert (len(settings) == 9) == (len(folder_name(settings)) > MAX_LENGTH)
    assert names_settings(",".join(f"{key}={value}" for key, value in settings), keys) is named
