"""Sweeps on the launchers that scale: what each job is given, what becomes of one that is stopped in the middle, a search."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp import analysis, cli
from rlhp.run import checkpoint
from rlhp.run.sweep import sweeps
from rlhp.train import train

SMALL = [
    *("env=point", "n_envs=2", "agent.n_steps=64", "agent.batch_size=64", "agent.n_epochs=2", "labels=20", "clip_steps=10"),
    *("query.min_segments_per_label=1", "training_schedule.first_per_1000_steps=1"),
    *("training_schedule.per_1000_steps=10", "total_steps=12288", "checkpoint_every=512"),
]
WITHOUT_OPTUNA = pytest.mark.skipif(find_spec("optuna") is None, reason="optuna is not installed: pip install -e '.[optuna]'")
PROBE = """
import os
from pathlib import Path
import torch

class Probe:
    "Notes down which processes trained a seed, and with how many threads."

    def __init__(self, seed):
        note = f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']}"
        Path(__file__).with_name(f"{seed}-{os.getpid()}").write_text(note)

    def __call__(self, step, metrics):
        pass

    def close(self):
        pass
"""


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    """A folder of our own parts: `tracker=probe` leaves a file SEED-PROCESS in it for each attempt."""
    folder = tmp_path / "mine"
    (folder / "tracker").mkdir(parents=True)
    (folder / "probe.py").write_text(PROBE)
    (folder / "tracker" / "probe.yaml").write_text("_target_: probe.Probe\nseed: ${seed}\n")
    return folder


def sweep_command(probe: Path, *overrides: str) -> list[str]:
    """A sweep over the seeds 1 and 2 in runs/two/."""
    command = [sys.executable, "-m", "rlhp.cli", "train", "-m", "--config-dir", str(probe), "tracker=probe"]
    return [*command, *SMALL, "seed=1,2", "name=two", *overrides]


@contextmanager
def begun(command: Sequence[str], probe: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A sweep under way in the folder above the probe's; it does not outlive the test."""
    variables = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    log = (probe / "log").open("ab")
    with (
        log,
        subprocess.Popen(
            command, cwd=probe.parent, env={**variables, "PYTHONPATH": str(probe)}, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def run_of(probe: Path, seed: int) -> Path:
    (run,) = (probe.parent / "runs" / "two").glob(f"*__seed-{seed}__*")
    return run


def attempts(probe: Path, seed: int) -> list[int]:
    """The processes that have trained a seed."""
    return [int(note.name.partition("-")[2]) for note in probe.glob(f"{seed}-*")]


def reach(step: int, probe: Path, seed: int, process: subprocess.Popen[bytes]) -> int:
    """Wait until the run of a seed has a checkpoint at or after a step; the process that trains it."""
    while not attempts(probe, seed) or max(checkpoint.complete(run_of(probe, seed) / "checkpoints"), default=0) < step:
        assert process.poll() is None, (probe / "log").read_text()
        time.sleep(0.01)
    (pid,) = attempts(probe, seed)
    return pid


def ended_well(process: subprocess.Popen[bytes], probe: Path) -> None:
    assert process.wait(timeout=400) == 0, (probe / "log").read_text()


def as_if_never_stopped(probe: Path, *overrides: str) -> None:
    """Every job had one thread, and its numbers are those of a run that was never stopped."""
    for seed in (1, 2):
        with initialize_config_module("rlhp.conf", version_base="1.3"):
            settings = OmegaConf.to_container(compose("config", [*SMALL, f"seed={seed}", "threads=1", *overrides]), resolve=True)
        train(settings, probe / f"whole{seed}")  # type: ignore[arg-type]
        run = run_of(probe, seed)
        assert yaml.safe_load((run / "config.yaml").read_text())["threads"] == 1
        assert (run / "finished.json").is_file() and not (run / "failed.txt").exists()
        for name in ("metrics.csv", "heldout.csv"):
            assert (run / name).read_bytes() == (probe / f"whole{seed}" / name).read_bytes()
    assert {note.read_text() for note in probe.glob("[12]-*")} == {"1 1"}


def test_a_job_that_has_to_make_room_goes_on(probe: Path) -> None:
    with begun(sweep_command(probe, "hydra/launcher=slurm_local"), probe) as process:
        os.kill(reach(2048, probe, 1, process), signal.SIGUSR2)
        ended_well(process, probe)
    assert [len(attempts(probe, seed)) for seed in (1, 2)] == [2, 1]
    as_if_never_stopped(probe)


@pytest.mark.slow
def test_a_killed_job_ends_the_sweep_and_the_same_command_goes_on(probe: Path) -> None:
    command = sweep_command(probe, "hydra/launcher=slurm_local")
    with begun(command, probe) as process:
        os.kill(reach(2048, probe, 1, process), signal.SIGKILL)
        assert process.wait(timeout=400) == 2
    last = (probe / "log").read_text().splitlines()[-1]
    assert last.startswith("rlhp: a job ended without a result") and "repeat the command" in last
    with begun(command, probe) as process:
        ended_well(process, probe)
    assert [len(attempts(probe, seed)) for seed in (1, 2)] == [2, 1]
    as_if_never_stopped(probe)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install -e '.[ray]'")
def test_ray_begins_a_killed_job_again(probe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else whatever else runs on this machine goes first
    with begun(sweep_command(probe, "hydra/launcher=ray"), probe) as process:
        os.kill(reach(2048, probe, 1, process), signal.SIGKILL)
        ended_well(process, probe)
    assert [len(attempts(probe, seed)) for seed in (1, 2)] == [2, 1]
    as_if_never_stopped(probe)


def a_search(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rlhp.cli", "train", "-m", "experiment=tune", "hydra/launcher=basic", *SMALL[:4], *overrides]
    return subprocess.run([*command, "total_steps=1024", "hydra.sweeper.n_trials=3"], cwd=folder, capture_output=True, text=True)


@WITHOUT_OPTUNA
def test_a_search_finds_the_best_of_its_trials_and_goes_on_when_repeated(tmp_path: Path, capsys) -> None:
    study = tmp_path / "runs" / "tune"
    first = a_search(tmp_path)
    assert first.returncode == 0, first.stderr
    runs = [analysis.load(path) for path in analysis.find([study])]
    assert [(run.condition, run.seed, run.finished) for run in runs] == [("true_reward", 101, True)] * 3
    found = yaml.safe_load((study / "optimization_results.yaml").read_text())
    best = max(runs, key=analysis.final_return)
    assert found["best_value"] == analysis.final_return(best) > min(map(analysis.final_return, runs))
    agent = yaml.safe_load((best.path / "config.yaml").read_text())["agent"]
    assert [agent["learning_rate"]["start"], agent["gamma"], agent["n_epochs"]] == list(found["best_params"].values())
    assert cli.main(["status", str(study)]) == 0
    assert capsys.readouterr().out == f"{study}: 3 done of 3\n"
    (sweep,) = sweeps(study).values()
    assert replace(sweep, trials=5, ended=False).waiting([run.path.name for run in runs]) == 2

    before = {path: (path.read_text(), path.stat().st_mtime_ns) for path in study.rglob("metrics.csv")}
    (study / "optimization_results.yaml").unlink()
    assert a_search(tmp_path).stderr.count("finished already") == 3
    assert {path: (path.read_text(), path.stat().st_mtime_ns) for path in study.rglob("metrics.csv")} == before
    assert yaml.safe_load((study / "optimization_results.yaml").read_text()) == found


@WITHOUT_OPTUNA
def test_a_search_needs_an_episode_to_go_by(tmp_path: Path) -> None:
    ended = a_search(tmp_path, "env.horizon=1000")
    assert ended.returncode == 2 and "No episode has ended" in ended.stderr.splitlines()[-1]
