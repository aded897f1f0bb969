"""A reward model fitted to comparisons that are there already, and how well it does on those held out."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figures import legend, points
from hydra import compose, initialize_config_module
from matplotlib.figure import Figure
from omegaconf import OmegaConf

from rlhp import cli, report
from rlhp.answers import load
from rlhp.run import RunDirectory, checkpoint
from rlhp.run.record import read_table
from rlhp.train import build, train
from rlhp.train.heldout import effective, interval, linked, split, wilson
from rlhp.types import Rollout, UserError

FAST = ["total_steps=150", "evaluate_every=30", "checkpoint_every=50", "threads=1"]


def comparisons(path: Path, rows: int = 150, **change: Any) -> Path:
    """Segments of 4 steps; the one whose first sensor adds up to more is preferred, which IPL tells by 1 for the second."""
    rng = np.random.default_rng(5)
    obs, act = rng.normal(size=(2, rows, 4, 3)), rng.normal(size=(2, rows, 4, 2))
    better = obs[1, ..., 0].sum(1) > obs[0, ..., 0].sum(1)
    arrays = {"obs_1": obs[0], "obs_2": obs[1], "action_1": act[0], "action_2": act[1], "label": better.astype(float)}
    path.mkdir(parents=True, exist_ok=True)
    np.savez(path / "data.npz", **{**arrays, **change})
    return path / "data.npz"


def fitted(source: Path, run: Path, *words: str) -> int:
    return cli.main(["fit", str(source), *FAST, f"hydra.run.dir={run}", *words])


def test_it_learns_what_is_preferred_and_says_how_well_it_is_known(tmp_path: Path, capsys: Any, drawn: dict[str, Figure]) -> None:
    assert fitted(comparisons(tmp_path), tmp_path / "run") == 0
    out, err = capsys.readouterr()
    assert "150 comparisons of 300 clips of 4 steps (Inverse Preference Learning: a label of 1 prefers obs_2)" in err
    assert "observations Box(3,) of float32; actions Box(2,) of float32\n120 are fitted, 30 held out\n" in err
    held = json.loads((tmp_path / "run" / "finished.json").read_text())["heldout"]
    assert (
        held["share"] >= 0.85
        and held["decided"] == held["comparisons"] == 30
        and held["apart"]
        and held["method"] == "95 % Wilson"
    )
    assert (
        f"held-out accuracy    {100 * held['share']:.1f} % ({100 * held['low']:.1f} to {100 * held['high']:.1f} %: 95 % Wilson)"
        in out
    )
    assert (held["low"], held["high"]) == pytest.approx(wilson(held["share"], 30))
    rows = read_table(tmp_path / "run" / "metrics.csv")
    assert [row["step"] for row in rows] == ["30", "60", "90", "120", "150"]
    assert {"train_loss", "valid_accuracy", "heldout_accuracy", "heldout_loss"} <= rows[0].keys()
    with (tmp_path / "run" / "comparisons.csv").open() as file:
        told = list(csv.DictReader(file))
    assert np.mean([float(row["right"]) for row in told]) == pytest.approx(held["share"])
    agrees = [(float(row["probability"]) > 0.5) == (row["preferred"] == "1") for row in told]
    assert np.mean(agrees) > 0.85, "the probability is of the first segment"
    accuracy, loss = drawn["fit.png"].axes
    assert accuracy.get_title() == "data: 120 comparisons"
    assert legend(accuracy) == ["training", "validation, per member", "held-out"]
    told = [(float(row["step"]), 100 * float(row["heldout_accuracy"])) for row in rows]
    np.testing.assert_allclose(points(accuracy.lines[2]), told)
    assert points(loss.lines[0]) == [(float(row["step"]), float(row["train_loss"])) for row in rows]


def test_labels_that_say_nothing_are_not_learned(tmp_path: Path) -> None:
    """What is held out was never seen: labels at random are guessed right half of the time, however well the others fit."""
    guesses = np.random.default_rng(1).integers(0, 2, 150).astype(float)
    assert fitted(comparisons(tmp_path, label=guesses), tmp_path / "run", "heldout=0.4", "reward_model/regulariser=none") == 0
    held = json.loads((tmp_path / "run" / "finished.json").read_text())["heldout"]
    assert held["low"] < 0.5 < held["high"] and held["comparisons"] == 60
    assert float(read_table(tmp_path / "run" / "metrics.csv")[-1]["train_accuracy"]) > held["share"] + 0.15


def test_a_killed_fit_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, whole = comparisons(tmp_path), RunDirectory.end_step
    for name in ("one", "two"):
        assert fitted(source, tmp_path / name) == 0

    def end_step(self: RunDirectory, now: int) -> None:
        if now >= 90:
            self._metrics(now, {"train_loss": 1.0})
            raise KeyboardInterrupt
        whole(self, now)

    monkeypatch.setattr(RunDirectory, "end_step", end_step)
    assert fitted(source, tmp_path / "killed") == 130
    monkeypatch.setattr(RunDirectory, "end_step", whole)
    assert fitted(source, tmp_path / "killed") == 0
    for name in ("metrics.csv", "comparisons.csv"):
        assert len({(tmp_path / run / name).read_bytes() for run in ("one", "two", "killed")}) == 1
    assert [json.loads(line)["step"] for line in (tmp_path / "killed" / "attempts.jsonl").read_text().splitlines()] == [0, 60]


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on(tmp_path: Path) -> None:
    """kill -9, wherever it strikes; then the same command to its end."""
    source = comparisons(tmp_path)

    def command(run: str) -> list[str]:
        words = ["fit", str(source), *FAST, "total_steps=1500", f"hydra.run.dir={tmp_path / run}"]
        return [sys.executable, "-m", "rlhp.cli", *words]

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command("whole"), check=True, env=environment, capture_output=True)
    process = subprocess.Popen(command("killed"), env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while max(checkpoint.complete(tmp_path / "killed" / "checkpoints"), default=0) < 250:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "finished.json").exists()
    subprocess.run(command("killed"), check=True, env=environment, capture_output=True)
    assert (tmp_path / "killed" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


def test_a_file_that_has_moved_is_the_same_and_one_that_has_changed_is_not(tmp_path: Path, capsys: Any) -> None:
    assert fitted(comparisons(tmp_path), tmp_path / "run") == 0
    assert fitted(comparisons(tmp_path / "moved"), tmp_path / "run") == 0 and "is finished already" in capsys.readouterr().err
    assert fitted(comparisons(tmp_path, label=np.zeros(150)), tmp_path / "run") == 2
    assert "holds a run with other settings (data.digest)" in capsys.readouterr().err


TINY = [
    *("env=point", "n_envs=2", "agent.n_steps=64", "agent.batch_size=64", "total_steps=512", "labels=12", "threads=1"),
    *("training_schedule.first_per_1000_steps=20", "training_schedule.per_1000_steps=20", "memory.capacity=200"),
]


def settings(*overrides: str) -> dict[str, Any]:
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", [*TINY, *overrides]), resolve=True)  # type: ignore[return-value]


def test_an_agent_is_trained_on_what_a_runs_answers_say(tmp_path: Path, capsys: Any) -> None:
    """From the run itself and from its export, without its environment; r-hat is the one that was fitted."""
    pytest.importorskip("pyarrow")
    train(settings(), tmp_path / "asked")
    assert cli.main(["export", str(tmp_path / "asked"), str(tmp_path / "said.parquet")]) == 0
    fits = {tmp_path / "a": tmp_path / "asked", tmp_path / "b": tmp_path / "said.parquet"}
    for run, source in fits.items():
        assert fitted(source, run, "heldout=0") == 0
    assert "12 comparisons" in capsys.readouterr().err
    chosen = [settings("reward_model=frozen", f"reward_model.run={run}") for run in fits]
    one, two = (build(each).reward for each in chosen)
    rng = np.random.default_rng(0)
    obs, act = rng.normal(size=(5, 2, 2)).astype(np.float32), rng.normal(size=(5, 2, 2)).astype(np.float32)
    rollout = Rollout(obs, act, np.zeros((5, 2)), np.zeros((5, 2), bool), None, np.zeros(0))
    assert one(rollout).std() > 0 and np.array_equal(one(rollout), two(rollout))
    train(chosen[0], tmp_path / "agent")
    assert float(read_table(tmp_path / "agent" / "metrics.csv")[-1]["reward_std"]) > 0
    with pytest.raises(UserError, match="learned on env=point, whose observations or actions are of another size"):
        build(settings("env=hopper", "reward_model=frozen", f"reward_model.run={tmp_path / 'a'}"))


def test_a_fit_has_no_policy_to_show(tmp_path: Path, capsys: Any) -> None:
    assert fitted(comparisons(tmp_path), tmp_path / "run") == 0
    assert cli.main(["evaluate", str(tmp_path / "run")]) == 2
    assert "holds a reward model and no policy; train one on it with reward_model=frozen" in capsys.readouterr().err
    assert cli.main(["status", str(tmp_path / "run")]) == 0 and "1 done of 1" in capsys.readouterr().out
    assert report.fit_score(tmp_path / "run") > 0.8


@pytest.mark.parametrize(
    "words, said",
    [
        ("reward_model=gail", "learns from what a policy does"),
        ("reward_model=true_reward", "learns nothing from comparisons"),
        ("reward_model=target", "learns from true returns, which these data lack"),
        ("reward_model=ensemble_cnn", "image"),
        ("heldout=1", "fraction of the comparisons"),
        ("heldout=0.001", "too few to hold out"),
        ("comparisons=1000", "120 that are not held out"),
        ("comparisons=0", "give a whole number of at least 1"),
        ("actions=3", "these actions are vectors"),
        ("total_steps=0", "counts gradient steps"),
        ("stepz=3", "rlhp fit --cfg job lists them all"),
        ("members=3", "there is no setting members"),
        ("--columns left.obs=nope", "has no column nope"),
        ("--one middle", "invalid choice"),
    ],
)
def test_one_sentence_and_nothing_left_behind(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    source = comparisons(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    try:
        assert cli.main(["fit", str(source), *FAST, *words.split()]) == 2
    except SystemExit as error:
        assert error.code == 2  # argparse's own
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_sweep_over_the_number_of_comparisons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = comparisons(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fit", str(source), *FAST, "-m", "comparisons=5,100", "name=n"]) == 0
    held = {}
    for run in (tmp_path / "runs" / "n").glob("*comparisons-*"):
        held[run.name.partition("comparisons-")[2].split("__")[0]] = json.loads((run / "finished.json").read_text())["heldout"]
    assert held["100"]["heldout_loss"] < held["5"]["heldout_loss"]
    assert {each["comparisons"] for each in held.values()} == {30}, "measured on the same ones"


# what is held out, and how well a share is known, worked out by hand


def test_comparisons_that_share_a_clip_hang_together() -> None:
    shown = np.array([[0, 1], [2, 3], [1, 4], [5, 6], [3, 7], [8, 9]])
    assert linked(shown).tolist() == linked(shown[:, ::-1]).tolist()
    same = linked(shown)[:, None] == linked(shown)
    assert same[0].tolist() == [True, False, True, False, False, False]
    assert same[1].tolist() == [False, True, False, False, True, False] and same[3].sum() == same[5].sum() == 1


def test_no_segment_is_on_both_sides(tmp_path: Path) -> None:
    """Every clip is in two comparisons: they are held out both."""
    file = np.load(comparisons(tmp_path))
    twice = {name: np.concatenate([file[name], file[name]]) for name in file.files}
    given = load(comparisons(tmp_path, **twice)).comparisons
    found = split(given, 0.2, seed=1)
    assert found.disjoint and len(found.heldout) == 60 and len(found.fitted) == 240
    assert not {*given.shown[found.heldout].ravel()} & {*given.shown[found.fitted].ravel()}
    assert split(given, 0.2, seed=1).heldout.tolist() == found.heldout.tolist() != split(given, 0.2, seed=2).heldout.tolist()
    assert len(split(given, 0.0, seed=1).heldout) == 0


def test_where_all_hang_together_the_same_question_stays_on_one_side(tmp_path: Path) -> None:
    file = np.load(comparisons(tmp_path, rows=20))
    chain = {name: np.concatenate([file[name]] * 2) for name in file.files}
    chain["obs_1"][:20], chain["action_1"][:20] = file["obs_1"][0], file["action_1"][0]  # one clip in twenty comparisons
    chain["obs_1"][20:], chain["action_1"][20:] = file["obs_1"][0], file["action_1"][0]
    given = load(comparisons(tmp_path, **chain)).comparisons
    found = split(given, 0.25, seed=1)
    assert not found.disjoint and len(found.heldout) == 10
    assert not {*given.query[found.heldout]} & {*given.query[found.fitted]}


def test_wilson_by_hand() -> None:
    assert wilson(0.8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(1.0, 10) == pytest.approx((1 / (1 + 1.959964**2 / 10), 1.0))


def test_clusters_that_all_agree_are_worth_one_each() -> None:
    """Ten of which each two say the same are five; ten of which half of each cluster is right tell the mean exactly."""
    right = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0.0])
    pairs = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    # p = 0.6; the clusters' sums of right - p: 0.8 three times, -1.2 twice; squares 4.8; 5/4 * 4.8 / 100 = 0.06; 0.24 / 0.06
    assert effective(right, pairs) == pytest.approx(4.0)
    assert effective(np.array([1, 0, 1, 0.0]), [0, 0, 1, 1]) == 2, "nothing between clusters: as many as there are"
    found = interval(right, {"segment": pairs, "annotator": list("abcdefghij")})
    assert found.share == 0.6 and found.method == "95 % Wilson, clustered by segment"
    assert (found.low, found.high) == pytest.approx(wilson(0.6, 4.0))
    assert interval(right, {"segment": list(range(10))}).method == "95 % Wilson"
    assert np.isnan(interval(np.zeros(0), {}).share)


def test_a_folder_without_a_store_is_told_from_a_run(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["fit", str(tmp_path), *FAST]) == 2
    assert "holds no preferences.sqlite; name a run directory" in capsys.readouterr().err
