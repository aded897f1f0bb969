"""What listens to a run's numbers besides its own files: Weights & Biases, whose own variables are obeyed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlhp import cli

STUB = """
import json
from pathlib import Path

class Run:
    def log(self, metrics, step): ...
    def finish(self): ...

def init(**settings):
    Path(__file__).with_name("settings.json").write_text(json.dumps(settings))
    return Run()
"""
TINY = ["env=point", "total_steps=512", "labels=8", "n_envs=2", "agent.n_steps=64", "agent.batch_size=64"]


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the place of the package, a module that notes down what it was started with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "stub"))
    monkeypatch.delitem(__import__("sys").modules, "wandb", raising=False)
    for name in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_NAME", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "wandb.py").write_text(STUB)
    return tmp_path / "stub" / "settings.json"


def test_the_mode_is_left_to_wandb_and_its_files_go_into_the_run(wandb, tmp_path):
    assert cli.main(["train", *TINY, "tracker=wandb", "training_schedule.first_per_1000_steps=4"]) == 0
    given = json.loads(wandb.read_text())
    run = tmp_path / "runs" / "main" / "point-preferences-8-seed1"
    assert given == {"project": "rlhp", "name": "main-point-preferences-8-seed1", "mode": None, "dir": str(run)}


def test_wandbs_own_variables_and_any_of_its_settings(wandb, monkeypatch):
    for name, value in (("WANDB_PROJECT", "mine"), ("WANDB_NAME", "a name"), ("WANDB_DIR", "/elsewhere")):
        monkeypatch.setenv(name, value)
    words = ["tracker=wandb", "tracker.mode=offline", "tracker.group=g", "training_schedule.first_per_1000_steps=4"]
    assert cli.main(["train", *TINY, *words]) == 0
    assert json.loads(wandb.read_text()) == {
        "project": "mine", "name": "a name", "mode": "offline", "dir": "/elsewhere", "group": "g"
    }  # fmt: skip
