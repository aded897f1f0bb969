"""`rlhp train`: what Hydra composes, and what a user reads where it cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hydra.core.plugins import Plugins

from rlhp.cli import main

TINY = [
    "env=point",
    "total_steps=512",
    "labels=8",
    "n_envs=2",
    "agent.n_steps=64",
    "agent.batch_size=64",
    "effort.first_per_1000_steps=4",
]


@pytest.mark.parametrize(
    "wrong, said",
    [
        ("env=hoper", "there is no env=hoper; the nearest are hopper"),
        ("labls=3", "there is no setting labls; the nearest are labels"),
        ("agent.n_stepz=3", "the nearest are agent.n_steps"),
        ("labels=-5", "there are no negative labels"),
        ("labels=many", "labels is 'many': give a whole number"),
        ("env=gym", "env.id has no value yet; give it one: env.id=..."),
        ("hopper", "give settings as KEY=VALUE"),
        ("agent/explore=null", "a group takes a name"),
        ("agent.learning_rate.start=fast", "cannot be built with these settings"),
        ("teacher=delayed", "set max_open=null"),
        ("clip_steps=65", "longer than a rollout of 64"),
        ("env.horizon=5", "longer than an episode of 5"),
        ("restarts.after=5", "longer than 5, after which"),
        ("restarts.share=1", "a share from 0 to below 1"),
        ("labels=7000", "set memory.capacity=7000"),
        ("total_steps=0", "give at least 1"),
        ("max_open=-1", "set it to 0 or more"),
        ("query.clips=1", "compares at least 2 clips"),
        ("checkpoint_every=0", "set it to 1 or more"),
        ("teacher=human query.clips=3", "people compare 2 clips at the page"),
        ("teacher=human env=gym env.id=CartPole-v1 clip_steps=8", "cannot be drawn from recorded states"),
        ("reward_model=frozen", "reward_model.run has no value yet"),
        ("teacher=replay", "teacher.run has no value yet"),
    ],
)
def test_one_sentence_and_status_2(wrong, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, *wrong.split()]) == 2
    err = capsys.readouterr().err.strip()
    assert err.startswith("rlhp: ") and said in err and len(err.splitlines()) == 1


def only_run(folder: Path) -> dict:
    (config,) = folder.rglob("config.yaml")
    return yaml.safe_load(config.read_text())


def test_a_single_run_takes_all_cores_and_reports(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY]) == 0
    assert only_run(tmp_path)["threads"] == len(os.sched_getaffinity(0))
    run = tmp_path / "runs" / "main" / "point-preferences-8-seed1"
    assert {"metrics.csv", "curve.png", "reward.png", "finished.json"} <= {path.name for path in run.iterdir()}
    assert f"{run}/curve.png" in capsys.readouterr().out


def test_a_run_too_short_for_a_picture_of_its_reward_is_done_and_well(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "env=point", "total_steps=2048"]) == 0
    assert "no picture of r-hat: " in capsys.readouterr().out


def test_a_sweep_gives_each_job_one_core_and_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TINY, "-m", "seed=1,2", "name=two"]) == 0  # wherever its -m stands
    configs = [yaml.safe_load(path.read_text()) for path in sorted((tmp_path / "runs" / "two").rglob("config.yaml"))]
    assert [config["seed"] for config in configs] == [1, 2] and [config["threads"] for config in configs] == [1, 1]


@pytest.mark.parametrize(
    ("plugin", "choice", "extra"),
    [
        ("hydra_submitit_launcher.submitit_launcher.SlurmLauncher", "hydra/launcher=slurm", "rlhp[slurm]"),
        ("hydra_submitit_launcher.submitit_launcher.LocalLauncher", "hydra/launcher=slurm_local", "rlhp[slurm]"),
        ("hydra_ray_launcher.ray_launcher.RayLauncher", "hydra/launcher=ray", "rlhp[ray]"),
        ("hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper", "experiment=tune", "rlhp[optuna]"),
        ("hydra_their_launcher.theirs.Launcher", "hydra/launcher=theirs", "hydra-their-launcher"),
    ],
)
def test_a_plugin_that_is_not_installed(plugin, choice, extra, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(Plugins.instance().class_name_to_class, f"hydra_plugins.{plugin}", raising=False)
    (tmp_path / "mine" / "hydra" / "launcher").mkdir(parents=True)
    (tmp_path / "mine" / "hydra" / "launcher" / "theirs.yaml").write_text(f"_target_: hydra_plugins.{plugin}\n")
    assert main(["train", "-m", "--config-dir", "mine", *TINY, choice]) == 2
    err = capsys.readouterr().err.strip()
    assert err.endswith(f"install it with: pip install '{extra}'") and len(err.splitlines()) == 1


def test_slurm_where_there_is_none(tmp_path, monkeypatch, capsys):
    pytest.importorskip("submitit", reason="submitit is not installed: pip install -e '.[slurm]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["train", "-m", *TINY, "hydra/launcher=slurm"]) == 2
    assert "there is no Slurm here" in capsys.readouterr().err.splitlines()[-1]


def test_what_is_ours_is_a_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rlhp.train.job.learn", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["train", *TINY])
