"""What the folders of a sweep are called: all that changes a run, and nothing that a shell or Hydra stumbles over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rlhp import cli
from rlhp.train.folders import name

TINY = ("env=point", "total_steps=512", "labels=8", "n_envs=2", "agent.n_steps=64", "agent.batch_size=64")
TRAIN = ["train", "-m", *TINY, "training_schedule.first_per_1000_steps=4", "name=x"]


def folders(root: Path) -> set[str]:
    return {config.parent.name for config in (root / "runs" / "x").glob("*/config.yaml")}


def test_a_name_says_the_overrides_in_any_order():
    assert name(["seed=1", "env=hopper"], []) == name(["env=hopper", "seed=1"], []) == "env-hopper__seed-1"


@pytest.mark.parametrize("typed", ["++env.kwargs.x=1", "+env.kwargs.x=1", "env.kwargs.x='1'"])
def test_how_an_override_is_typed_makes_no_difference(typed):
    assert name([typed], []) == "env.kwargs.x-1"


@pytest.mark.parametrize(
    "override",
    [
        "x=a b",
        "x=[64,64]",
        "x='a,b'",
        "x=a:b",
        "x=a\\b",
        "x='é\x1b\n'",
        "x=runs/a/b",
        "agent/intrinsic_reward=null",
        "~x",
        "x='='",
    ],
)
def test_a_name_holds_what_every_command_takes(override):
    assert re.fullmatch(r"[A-Za-z0-9._+-]+", name([override], []))


def test_different_settings_have_different_names():
    same = [
        ["a-b=c"],
        ["a=b-c"],
        ["x=a b"],
        ["x=a,b"],
        ["x=a:b"],
        ["x='1__y-2'"],
        ["x=1", "y=2"],
        ["a/b=c"],
        ["a.b=c"],
        ["a.b=c/d"],
    ]
    assert len({name(overrides, []) for overrides in same}) == len(same)


def test_a_long_name_is_cut_and_told_apart_by_its_digest():
    long = [[f"key{i}={'v' * 20}" for i in range(40)] + [f"z={last}"] for last in (1, 2)]
    first, second = (name(overrides, []) for overrides in long)
    assert first != second and len(first.encode()) <= 255 and first[:240] == second[:240]


def test_no_overrides_have_a_folder_too():
    assert name(["name=x"], ["name"]) == "run"


def test_the_same_sweep_finds_its_folders_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main([*TRAIN, "seed=1,2"]) == 0
    before = folders(tmp_path)
    assert len(before) == 2 and all(f"__seed-{seed}__" in "".join(before) for seed in (1, 2))
    assert cli.main([*TRAIN, "seed=1,2"]) == 0
    assert capsys.readouterr().err.count("finished already") == 2 and folders(tmp_path) == before


def test_a_sweep_goes_on_in_folders_of_the_names_that_were(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sweep = [*TRAIN, "seed=1", "experiment=none", "threads=1"]
    assert cli.main(sweep) == 0
    (run,) = (tmp_path / "runs" / "x").glob("*/")
    old = ",".join(sorted([*TINY, "training_schedule.first_per_1000_steps=4", "seed=1"]))  # experiment and threads were left out
    run.rename(run.with_name(old))
    assert cli.main(sweep) == 0
    assert "finished already" in capsys.readouterr().err and folders(tmp_path) == {old}


@pytest.mark.parametrize("swept", ["experiment=ablation/random_queries,ablation/no_ensemble", "threads=1,2"])
def test_what_is_swept_is_in_the_name_whatever_it_is(swept, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main([*TRAIN, swept]) == 0
    made = folders(tmp_path)
    assert len(made) == 2 and all(swept.partition("=")[0] in folder for folder in made)
    assert "finished already" not in capsys.readouterr().err


def test_an_experiments_own_sweep_keeps_its_runs_apart_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    recipe = "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      threads: 1,2\n"
    (tmp_path / "mine" / "experiment" / "own.yaml").write_text(recipe)
    assert cli.main([*TRAIN, "--config-dir", "mine", "experiment=own"]) == 0
    made = folders(tmp_path)
    assert len(made) == 2 and not any("experiment" in folder for folder in made)
