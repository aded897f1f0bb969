"""What is counted in `experiments/novel_behaviours`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from figures import points
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp.train import train
from rlhp.types import UserError

HERE = Path(__file__).parents[1] / "experiments" / "novel_behaviours"
FOOT, TORSO = "foot_geom", "torso_geom"


@pytest.fixture
def analysis(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(HERE))
    module = importlib.import_module("analysis")
    monkeypatch.delitem(sys.modules, "analysis")
    return module


def hopper(turns: list[float], touching: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One episode: the torso's backward turns at each step, and what is on the floor: f(oot), t(orso), b(oth), or nothing."""
    states = np.zeros((len(turns), 1, 12))
    states[:, 0, 2] = -2 * np.pi * np.array(turns)
    states[:, 0, 1] = 1.25
    touch = {FOOT: np.array([[c in "fb"] for c in touching]), TORSO: np.array([[c in "tb"] for c in touching])}
    return states, touch


@pytest.mark.parametrize(
    "turns, touching, counted",
    [
        ([0, 0.5, 1, 1.5, 2.05], "f f f", (2, 2, 2)),  # two clean backflips
        ([0, 0.5, 1, 1.5, 2.05], "f ftf", (2, 2, 1)),  # the torso touches the floor in the second
        ([0, 0.5, 1, 1.5, 2.05], "f b f", (2, 2, 2 - 2)),  # half-way it stands on torso and foot: no stance, and no clean turn
        ([0, 0.5, 0.95], "f f", (0, 1, 1)),  # lands leaning: upright within 45 degrees, though the turn lacks a twentieth
        ([0, 0.5, 1.2], "f f", (1, 0, 0)),  # turned, but 72 degrees from upright
        ([0, 0.5, 1.0], "f t", (1, 0, 0)),  # turned, and lies
        ([0, -0.5, -1.0], "f f", (0, 0, 0)),  # forwards
        ([0, 0.5, 1, 0.5, 0, 0.5, 1], "f     f", (1, 1, 1)),  # to and fro: once
    ],
)
def test_turns_and_landings(analysis, turns, touching, counted):
    found = analysis.backflip(*hopper(turns, touching), 0.008)
    names = ("backward turns", "of them landed upright on the foot", "of them with nothing but the foot on the floor")
    assert tuple(found[name].item() for name in names) == counted
    assert (found[analysis.LANDED].item(), found[analysis.CLEAN].item()) == (counted[1] > 0, counted[2] > 0)


def test_turning_in_the_air_and_forwards(analysis):
    found = analysis.backflip(*hopper([0, 0.25, 0.5, 0.75, -1.25], "f  tt"), 0.008)
    assert found["share of turning in the air"] == pytest.approx([2 / 3])  # the first quarter begins on the foot
    assert found["share of time in the air"] == pytest.approx([0.4]) and found["forward turns"] == [1]
    assert found["highest torso (m)"] == pytest.approx([1.25])


def test_one_leg_is_counted(analysis):
    states = np.zeros((5, 1, 18))
    states[:, 0, 0] = [0, 0.1, 0.2, 0.3, 0.4]
    states[4, 0, 2] = np.pi
    parts = ["torso", "head", "bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot"]
    touch = {part: np.zeros((5, 1), bool) for part in parts}
    touch["bfoot"][:3], touch["ffoot"][2], touch["head"][4] = True, True, True
    found = {name: value.item() for name, value in analysis.one_leg(states, touch, 0.05).items()}
    assert found == pytest.approx(
        {
            "forward speed (m/s)": 2,
            "share of time front foot in the air": 0.8,
            "share of time on the back leg alone": 0.4,
            "share of time in the air": 0.2,
            "share of time torso or head on the floor": 0.2,
            "share of time upside down": 0.2,
        }
    )


@pytest.mark.parametrize("behaviour, teacher", [("backflip", "oracle"), ("one_leg", "scripted")])
def test_a_run_is_counted_drawn_and_printed(analysis, behaviour, teacher, tmp_path, monkeypatch, capsys, drawn):
    tiny = (
        "n_envs=2",
        "total_steps=256",
        "labels=8",
        "env.horizon=60",
        "agent.batch_size=64",
        "training_schedule.first_per_1000_steps=20",
        "clip_steps=10",
    )
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        cfg = OmegaConf.to_container(
            compose("config", [f"experiment=human/{behaviour}", f"teacher={teacher}", *tiny]), resolve=True
        )
    train(cfg, tmp_path / "run")  # type: ignore[arg-type]
    monkeypatch.setattr(analysis, "HERE", tmp_path)
    monkeypatch.setattr(analysis, "EPISODES", 2)
    analysis.main([str(tmp_path)])
    printed = capsys.readouterr().out
    assert "8 labels, seed 1, 256 steps, sampled" in printed
    (axes,) = drawn["curves.png"].axes
    ended = analysis.load(tmp_path / "run").ended()[1]
    assert axes.get_title() == cfg["task"] and ended.min() <= points(axes.lines[0])[-1][1] <= ended.max()
    analysis.main([str(tmp_path / "gone")])
    assert printed.splitlines()[-3:] == capsys.readouterr().out.splitlines()[-3:]


def test_what_is_wanted_is_judged(analysis, tmp_path):
    run = ("halfcheetah_one_leg", "preferences", 800, 1, 10**6)
    counts = [("mean action", analysis.ALONE, 0.5), ("mean action", analysis.SPEED, 0.99), ("sampled", analysis.SPEED, 3.0)]
    rows = [analysis.Row(*run, acting, what, mean, 0.0, 1.0) for acting, what, mean in counts]
    analysis.write_records(analysis.Row, tmp_path / "results.csv", rows)
    assert [line.split(":")[0].split() for line in analysis.verdicts(tmp_path / "results.csv")] == [
        ["PASS", "0.50", "of", "0.5"],
        ["short", "0.99", "of", "1.0"],
    ]


def test_nothing_is_finished(analysis, tmp_path):
    with pytest.raises(UserError, match="There is no run"):
        analysis.main([str(tmp_path)])
