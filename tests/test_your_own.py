"""The experiment on tasks that people bring: its tables, and that it asks for what the tasks' own yamls say."""

import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from figures import curves, panels
from hydra import compose, initialize_config_module
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from test_analysis import BLUE, ORANGE, write_run
from test_studies import last, script


def test_each_task_is_trained_for_as_long_as_its_yaml_says(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("your_own", monkeypatch)
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        said = {task: compose("config", [f"env={task}"]).total_steps for task in module.STEPS}
        swept = compose("config", ["experiment=your_own"], return_hydra_config=True).hydra.sweeper.params.env
    assert said == module.STEPS and set(swept.split(",")) == set(module.STEPS)


def settings_of(task: str) -> dict[str, Any]:
    """The settings of a task's environments, as a run stores them."""
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", [f"env={task}", "threads=1"]).env, resolve=True)  # type: ignore[return-value]


def test_a_table_for_each_number_of_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], drawn: dict[str, Figure]
) -> None:
    module = script("your_own", monkeypatch)
    (tmp_path / "random.csv").write_text("env,episodes,mean,std\nwalker_walk,64,20,1\nminigrid,64,0,1\n")
    monkeypatch.setattr(module, "STEPS", {"walker_walk": 1000, "minigrid": 2000})
    runs = tmp_path / "runs"
    walker, grid = ({"env": settings_of(task)} for task in ("walker_walk", "minigrid"))
    write_run(runs / "t", task="walker_walk", condition="true_reward", rows=last(120.0), settings=walker)
    write_run(runs / "p", task="walker_walk", labels=700, rows=last(70.0), settings=walker)
    write_run(runs / "g", task="minigrid", labels=700, total_steps=2000, rows=[(2000, 4.0, 1, 100, 0.9)], settings=grid)
    replace(module.EXPERIMENT, here=tmp_path)([str(runs)])
    words = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "walker_walk True reward 120 - 1.00 120" in words
    assert "700 labels 70.0 - 0.50 70.0" in words  # (70 - 20) / (120 - 20)
    assert "700 labels 4.0 - - 4.0" in words  # no true reward
    assert "short walker_walk: 0.50 of the true reward's gain, target at least 0.9" in words
    assert "short minigrid: nan of the true reward's gain, target at least 0.9" in words
    each = panels(drawn["your_own.png"])
    assert [*each] == [*module.EXPERIMENT.layout.tasks]
    assert [curves(each["walker_walk"], colour)[0][-1] for colour in (ORANGE, BLUE)] == [(990, 120.0), (990, 70.0)]
    assert curves(each["minigrid"], BLUE) == [[(1980, 4.0)]] and not curves(each["minigrid"], ORANGE)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_a_script_explains_itself(flag: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["analysis.py", flag])
    runpy.run_path(str(Path(__file__).parents[1] / "experiments" / "your_own" / "analysis.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.startswith("Your own tasks:") and "--random" in printed
