"""A run goes on beyond its end, as if it had been asked for more at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp import analysis, cli
from rlhp.run import RunDirectory, checkpoint, finished, read_settings
from rlhp.run.record import read_table
from rlhp.train import train
from rlhp.types import UserError

STEP = 2 * 32  # of a rollout
TINY = [
    *("env=point", "n_envs=2", "agent.n_steps=32", "agent.batch_size=32", "threads=1", "memory.capacity=100", "clip_steps=5"),
    "training_schedule.per_1000_steps=40",
]
STEADY = ["agent.learning_rate=0.001", "training_schedule.first_per_1000_steps=0"]  # nothing depends on the end


def settings(*overrides: str) -> dict[str, Any]:
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", [*TINY, *overrides]), resolve=True)  # type: ignore[return-value]


def run(path: Path, *overrides: str) -> Path:
    train(settings(*overrides), path)
    return path


def extend(path: Path, *words: str) -> int:
    return cli.main(["extend", str(path), *words])


PACES = {  # the same labels by the same steps: 4 first, and then one every 40 steps
    "upfront": (["schedule=upfront", "labels=8"], []),
    "constant": (["schedule=constant", "first_labels=4", "labels=16"], ["labels=28"]),
    "none": (["condition=true_reward"], []),
}


@pytest.mark.parametrize("pace", PACES)
def test_it_ends_as_if_it_had_been_asked_for_more_at_once(pace: str, tmp_path: Path, capsys: Any) -> None:
    first, more = PACES[pace]
    whole = run(tmp_path / "whole", *STEADY, *first, *more, f"total_steps={16 * STEP}")
    half = run(tmp_path / "half", *STEADY, *first, f"total_steps={8 * STEP}")
    before = (half / "metrics.csv").read_bytes()
    assert (whole / "metrics.csv").read_bytes().startswith(before)
    capsys.readouterr()
    assert extend(half, "--exact", f"total_steps={16 * STEP}", *more) == 0
    assert "Different from a run" not in capsys.readouterr().err
    for name in ("metrics.csv", "heldout.csv", "plan.json"):
        assert (half / name).read_bytes() == (whole / name).read_bytes()
    ours, theirs = (read_settings(path) for path in (half, whole))
    assert ours == theirs, "as if it had been asked for so many at once, in its settings too"
    with pytest.raises(UserError, match=rf"was extended to total_steps={16 * STEP} labels=\d+; repeat that run's command"):
        run(half, *STEADY, *first, f"total_steps={8 * STEP}")
    marks = [json.loads((path / "finished.json").read_text()) for path in (half, whole)]
    assert marks[0]["labels"] == marks[1]["labels"] and marks[0]["total_steps"] == 16 * STEP


@pytest.mark.parametrize("way", ["dagger", "smile"])
def test_rounds_of_imitation_go_on_too(way: str, tmp_path: Path, capsys: Any) -> None:
    expert = run(tmp_path / "expert", "condition=true_reward", f"total_steps={2 * STEP}")
    words = [f"condition={way}", f"expert={expert}", "loop.steps=128", "loop.evaluate_episodes=2", "loop.fit_steps=20"]
    whole, half = run(tmp_path / "whole", *words, "total_steps=512"), run(tmp_path / "half", *words, "total_steps=256")
    assert extend(half, "--exact", "total_steps=512") == 0
    assert (half / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_a_clone_is_chosen_at_the_end_and_cannot_go_on(tmp_path: Path, capsys: Any) -> None:
    expert = run(tmp_path / "expert", "condition=true_reward", f"total_steps={2 * STEP}")
    assert cli.main(["demonstrate", str(expert), "-o", str(tmp_path / "demos"), "--episodes", "2"]) == 0
    words = ["condition=cloning", f"demos={tmp_path / 'demos'}", "loop.evaluate_every=40", "loop.evaluate_episodes=2"]
    clone = run(tmp_path / "clone", *words, "total_steps=40")
    assert extend(clone, "total_steps=80") == 2
    assert "ended by choosing the policy" in capsys.readouterr().err and finished(clone)


def test_it_is_one_run_for_whoever_looks(tmp_path: Path, capsys: Any) -> None:
    half = run(tmp_path / "half", *STEADY, "schedule=upfront", "labels=8", f"total_steps={4 * STEP}")
    assert extend(half, f"total_steps={6 * STEP}") == 0
    assert analysis.load(half).total_steps == analysis.load(half).step == 6 * STEP
    assert cli.main(["status", str(half)]) == 0 and "1 done of 1" in capsys.readouterr().out
    assert json.loads((half / f"finished-{4 * STEP}.json").read_text())["total_steps"] == 4 * STEP
    noted = [json.loads(line) for line in (half / "attempts.jsonl").read_text().splitlines()]
    assert [(each["step"], each.get("extends")) for each in noted] == [(0, None), (4 * STEP, 4 * STEP)]
    assert extend(half, f"total_steps={7 * STEP}") == 0 and analysis.load(half).step == 7 * STEP, "and again"


class Killed(Exception):
    pass


@pytest.mark.parametrize("when", ["reopened", "going on", "just before its first checkpoint"])
def test_nothing_is_lost_where_it_is_killed(when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the finished run everything is there, and the same command goes on to the same end."""
    words = [*STEADY, "schedule=upfront", "labels=8", "checkpoint_every=128"]
    whole = run(tmp_path / "whole", *words, f"total_steps={10 * STEP}")
    half = run(tmp_path / "half", *words, f"total_steps={4 * STEP}")
    metrics, mark = (half / "metrics.csv").read_bytes(), (half / "finished.json").read_bytes()
    if when == "reopened":
        monkeypatch.setattr("rlhp.run.checkpoint.write_whole", _dies_at("config.yaml"))
    else:
        _dies_in_step(monkeypatch, {"going on": 9, "just before its first checkpoint": 5}[when] * STEP)
    with pytest.raises(Killed):
        extend(half, f"total_steps={10 * STEP}")
    monkeypatch.undo()
    assert not finished(half) and (half / f"finished-{4 * STEP}.json").read_bytes() == mark
    assert (half / "metrics.csv").read_bytes().startswith(metrics[:-1])
    assert checkpoint.read(half / "checkpoints", 4 * STEP)["agent"], "however many newer ones there are"
    assert extend(half, f"total_steps={10 * STEP}") == 0
    assert (half / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert checkpoint.read(half / "checkpoints", 4 * STEP)["agent"] and len(checkpoint.complete(half / "checkpoints")) == 3


def _dies_at(name: str) -> Any:
    whole = checkpoint.write_whole

    def write(path: Path, text: str) -> None:
        if path.name == name:
            raise Killed
        whole(path, text)

    return write


def _dies_in_step(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    whole = RunDirectory.end_step

    def end_step(self: RunDirectory, now: int) -> None:
        if now >= step:
            raise Killed
        whole(self, now)

    monkeypatch.setattr(RunDirectory, "end_step", end_step)


def test_what_depends_on_the_end_is_said_and_goes_on_as_in_the_longer_run(tmp_path: Path, capsys: Any) -> None:
    half = run(tmp_path / "half", "labels=16", f"total_steps={8 * STEP}", "training_schedule.first_per_1000_steps=20")
    was = float(read_table(half / "metrics.csv")[-1]["learning_rate"])
    asked = [float(row["asked"]) for row in read_table(half / "metrics.csv")]
    words = [f"total_steps={16 * STEP}", "labels=24"]
    capsys.readouterr()
    assert extend(half, "--exact", *words) == 2 and finished(half)
    assert "would differ from that of a run started with these settings: agent.learning_rate" in capsys.readouterr().err
    assert extend(half, *words) == 0
    err = capsys.readouterr().err
    assert "agent.learning_rate falls over the whole run: it was 0 at step 512, and continues from 0.0005" in err
    assert "1,024 steps asks 19 by step 512, and this one asked 16; 3 are asked at once" in err
    assert "makes 41 gradient steps by step 512, and here it made 31; the first fit makes the missing ones" in err
    rows = read_table(half / "metrics.csv")
    assert was == 0 and float(rows[8]["learning_rate"]) == pytest.approx(0.001 * (1 - 9 / 16))
    assert [float(row["asked"]) for row in rows][:8] == asked and float(rows[8]["asked"]) >= 19 and float(rows[-1]["asked"]) == 24


@pytest.mark.parametrize(
    "words, said",
    [
        (["total_steps=64"], "total_steps=64 is less than the 128 of"),
        (["labels=90"], "has made 128 steps already; give a larger number as total_steps=..., during which labels are asked"),
        (["labels=2", "total_steps=256"], "labels=2 is less than the 4 of"),
        (["seed=2", "total_steps=256"], "seed cannot change when a run continues"),
        (["agent.gamma=0.9", "total_steps=256"], "agent.gamma cannot change"),
        (["total_steps=many"], "total_steps is 'many': give a whole number"),
        (["total_steps=200.5"], "give a whole number"),
        (["total_steps"], "give KEY=VALUE, such as total_steps"),
        (["page.port=3", "total_steps=256"], "this run has no setting page.port"),
    ],
)
def test_one_sentence_and_the_run_is_as_it_was(
    words: list[str], said: str, finished_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()}
    assert extend(finished_run, *words) == 2
    assert said in capsys.readouterr().err
    assert {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()} == before


def test_the_same_command_again_does_nothing(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def content() -> dict[Path, bytes]:  # the report is printed and drawn again
        return {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file() and path.suffix != ".png"}

    before = content()
    assert extend(finished_run, "total_steps=128") == 0 and content() == before
    assert "is finished already at 128 steps; give a larger total_steps=..." in capsys.readouterr().err


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("runs") / "run", *STEADY, "labels=4", "schedule=upfront", f"total_steps={2 * STEP}")


def test_what_touches_no_numbers_may_change(tmp_path: Path) -> None:
    half = run(tmp_path / "half", *STEADY, "labels=4", "schedule=upfront", f"total_steps={2 * STEP}")
    assert extend(half, f"total_steps={3 * STEP}", "checkpoint_every=64") == 0
    assert read_settings(half)["checkpoint_every"] == 64 and read_settings(half)["training_schedule"]["total_steps"] == 3 * STEP
