"""Studies: runs gathered into tables that outlive them, scores over tasks, figure 2 and the ablations."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Annotated

import numpy as np
import pytest
from figures import curves, described, legend, panels, texts
from matplotlib.figure import Figure
from test_analysis import BLUE, ORANGE, ROWS, write_run

from rlhp.analysis import average, interval, iqm, read_curves, read_published, read_random
from rlhp.analysis.experiment import Experiment
from rlhp.analysis.panels import Layout, lines
from rlhp.analysis.panels import panels as figure_of
from rlhp.analysis.report import cell, summary_figure
from rlhp.analysis.scores import TRUE, Score, normalised, share, summarise
from rlhp.analysis.study import Study, gather, provenance, read
from rlhp.analysis.style import BLACK, QUIET, Style
from rlhp.analysis.tables import Curve, Failure, Point, Provenance, Published, RandomReturn, Result
from rlhp.csv_records import read_records, write_records
from rlhp.envs import mujoco
from rlhp.evaluate import random_returns
from rlhp.run import files as run_files
from rlhp.run.status import report
from rlhp.run.sweep import Sweep, record
from rlhp.types import UserError

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
GATHERED = ("ablations", "atari", "feedback", "figure2", "first_light", "improvements")
TABLES = {"results.csv": Result, "curves.csv": Point, "failed.csv": Failure, "provenance.csv": Provenance}


def last(value: float) -> list[tuple]:
    """Rows of a run whose final return is `value`."""
    return [(500, value / 2, 1, 50, 0.7), (1000, value, 1, 100, 0.9)]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# Numbers


def test_iqm_leaves_out_a_quarter_at_either_end() -> None:
    # of eight the lowest two and the highest two go: (2 + 3 + 4 + 5) / 4
    assert iqm([np.array([100.0, 3, 0, 5]), np.array([4.0, 1, 6, 2])]) == 3.5
    # a quarter of six is one and a half: half of 1 and of 4, and all of 2 and 3, (0.5 + 2 + 3 + 2) / 3
    assert iqm([np.array([50.0, 1, 2, 3, 4, -9])]) == pytest.approx(2.5)
    assert iqm([np.array([7.0, 9.0])]) == 8.0
    np.testing.assert_allclose(iqm([np.array([[0.0, 1, 2, 9], [4, 4, 4, 4]])]), [1.5, 4.0])


def test_iqm_weighs_each_task_the_same() -> None:
    # 8 and 16 weigh a quarter each, the zeros an eighth each: between the quarters lie two zeros and 8, half and half
    assert iqm([np.array([8.0, 16.0]), np.zeros(4)]) == pytest.approx(4.0)
    one, other = np.array([1.0, 5.0, 9.0]), np.array([2.0, 3.0, 10.0])
    # sorted: 1 2 3 5 9 10, a sixth each; a quarter is one and a half: (0.5 * 2 + 3 + 5 + 0.5 * 9) / 3
    assert iqm([one, other]) == pytest.approx(4.5)
    assert iqm([one, np.tile(other, 4)]) == pytest.approx(4.5)  # the same seeds four times over
    # the same by rows, as the bootstrap draws them
    rows = [np.array([[8.0, 16.0], [1, 1]]), np.array([[0.0, 0, 0, 0], [1, 1, 1, 1]])]
    np.testing.assert_allclose(iqm(rows), [4.0, 1.0])


def test_an_interval_weighs_each_task_the_same() -> None:
    # of the first task (0, 0) is drawn a quarter of the time, which is then half of the weight: half of what lies between the
    # quarters is 0 and half is 8. With one 8 or two, 0 lies below the lowest quarter. Pooled, two of 42 scores never count.
    assert interval([np.array([0.0, 8.0]), np.full(40, 8.0)], iqm) == pytest.approx((4.0, 8.0))


def test_average_weighs_each_task_the_same() -> None:
    assert average([np.array([1.0, 3.0]), np.array([10.0])]) == 6.0


def test_interval_of_seeds_that_agree_has_no_width() -> None:
    assert interval([np.array([2.0, 2, 2]), np.array([2.0, 2])], iqm) == (2.0, 2.0)


def test_interval_draws_within_strata_alone() -> None:
    # each task's seeds agree, so no draw can differ, though the tasks do; drawn from all scores, means would range from 0 to 1
    assert interval([np.zeros(3), np.ones(3)], average) == (0.5, 0.5)
    # two seeds: a draw is 0, 0.5 or 1 with probabilities 1/4, 1/2, 1/4
    assert interval([np.array([0.0, 1.0])], average) == (0.0, 1.0)


def test_interval_needs_two_seeds_of_each_task_and_is_the_same_every_time() -> None:
    assert np.isnan(interval([np.array([1.0, 2.0]), np.array([1.0])], iqm)).all()
    scores = [np.random.default_rng(0).normal(size=5) for _ in range(4)]
    low, high = interval(scores, iqm)
    assert (low, high) == interval(scores, iqm) and low < iqm(scores) < high


# Gathering


def test_gathering_replaces_what_is_there_anew_and_keeps_the_rest(tmp_path: Path) -> None:
    runs, here = tmp_path / "runs", tmp_path / "here"
    write_run(runs / "a", seed=1, rows=last(10.0))
    write_run(runs / "b", seed=2, rows=last(20.0))
    gather([runs], here)
    assert [(r.seed, r.final_return) for r in read_records(Result, here / "results.csv")] == [(1, 10.0), (2, 20.0)]
    shutil.rmtree(runs)
    write_run(runs / "elsewhere" / "b", seed=2, rows=last(25.0))
    write_run(runs / "c", seed=10, rows=last(30.0))
    write_run(runs / "long", seed=2, rows=last(40.0), total_steps=2000)
    found = gather([runs], here)
    assert found.startswith("3 finished runs, 0 failed, 0 not finished")
    rows = [(r.seed, r.total_steps, r.final_return) for r in read_records(Result, here / "results.csv")]
    assert rows == [(1, 1000, 10.0), (2, 1000, 25.0), (2, 2000, 40.0), (10, 1000, 30.0)]
    curves = {(c.seed, c.total_steps): c for c in read_curves(here / "curves.csv")}
    assert set(curves) == {row[:2] for row in rows} and all(len(c.step) == 50 for c in curves.values())
    assert len(table(here / "curves.csv")) == 200 and len(table(here / "provenance.csv")) == 4
    # bins of 20 steps: nothing has ended before that of step 500, whose centre is 490; in the last one the return is final
    old, new = curves[1, 1000], curves[2, 1000]
    np.testing.assert_array_equal(old.step[[0, 24, 49]], [10, 490, 990])
    np.testing.assert_array_equal(old.true_return[[0, 23, 24, 49]], [np.nan, np.nan, 5, 10])
    assert new.true_return[-1] == 25.0


def test_failed_runs_are_named_and_kept_until_they_go_on(tmp_path: Path) -> None:
    runs, here = tmp_path / "runs", tmp_path / "here"
    write_run(runs / "good", seed=1)
    broken = write_run(runs / "broken", seed=2, rows=ROWS[:3], finished=False)
    (broken / "failed.txt").write_text("Traceback\nValueError: nan\n")
    born = write_run(runs / "stillborn", seed=3, finished=False)
    (born / "failed.txt").write_text("MemoryError\n")
    (born / "metrics.csv").unlink()
    write_run(runs / "half", seed=4, rows=ROWS[:3], finished=False)
    said = gather([runs], here)
    assert said.startswith("1 finished runs, 2 failed, 1 not finished")
    assert "broken at step 300: ValueError: nan" in said and "stillborn at step 0: MemoryError" in said
    assert "half (300 of 1,000 steps)" in said
    assert [(row["seed"], row["error"]) for row in table(here / "failed.csv")] == [("2", "ValueError: nan"), ("3", "MemoryError")]
    shutil.rmtree(broken)
    shutil.rmtree(born)
    write_run(broken, seed=2)
    (write_run(runs / "elsewhere", seed=2, finished=False) / "failed.txt").write_text("OSError: full\n")
    gather([runs], here)
    assert [key.seed for key in read(here).failed] == [3]  # 2 has finished; of 3 nothing new is known
    assert [row.seed for row in read(here).results] == [1, 2]


def test_every_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    write_run(runs / "done", seed=1)
    write_run(runs / "half", seed=2, rows=ROWS[:3], finished=False)
    record(runs, "seed=1,2,3", Sweep(jobs=("done", "half", "never")))
    reads: Counter[object] = Counter()
    read, walk = run_files.read_text, os.walk
    monkeypatch.setattr(run_files, "read_text", lambda path: reads.update([path]) or read(path))
    monkeypatch.setattr(os, "walk", lambda path: reads.update(["walk"]) or walk(path))
    for command in (lambda: report(runs), lambda: gather([runs], tmp_path)):
        reads.clear()
        assert "1 " in command()
        assert {"walk", *(runs / name / "clock.csv" for name in ("done", "half"))} <= reads.keys()
        assert {count for count in reads.values()} == {1}, reads


def test_a_run_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a")
    write_run(tmp_path / "runs" / "b")
    with pytest.raises(UserError, match=r"a and .*b are the same run"):
        gather([tmp_path / "runs"], tmp_path)
    assert not (tmp_path / "results.csv").exists()


def test_runs_that_the_tables_cannot_tell_apart_are_refused_with_what_differs(tmp_path: Path) -> None:
    def agent(gamma: float, seed: int) -> dict:
        return {"agent": {"gamma": gamma, "seed": seed}, "memory": {"seed": seed}}

    a, b, c = (tmp_path / name for name in "abc")
    write_run(a, seed=1, settings=agent(0.9, 1))
    write_run(b, seed=1, settings=agent(0.99, 1))
    write_run(c, seed=2, settings=agent(0.99, 2))
    with pytest.raises(UserError, match=r"a and .*b are the same run .* but differ in agent\.gamma: name only one"):
        gather([a, b], tmp_path)
    with pytest.raises(UserError, match=r"a and .*c would count as seeds of one condition, but differ in agent\.gamma: "):
        gather([a, c], tmp_path)
    assert not (tmp_path / "results.csv").exists()
    gather([b, c], tmp_path)
    assert [row.seed for row in read_records(Result, tmp_path / "results.csv")] == [1, 2]


def test_what_a_number_is_not_is_said_when_it_is_gathered(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "few", seed=1, labels=100, rows=[(1000, 5.0, 1, 40, 0.7)])
    write_run(tmp_path / "runs" / "early", seed=2, rows=[(500, 5.0, 1, 100, 0.7), (1000, "", 0, 100, 0.9)])
    write_run(tmp_path / "runs" / "good", seed=3)
    said = gather([tmp_path / "runs"], tmp_path).splitlines()
    assert [line.replace(str(tmp_path), "") for line in said[1:]] == [
        "  labels: /runs/few: 40 of 100 used",
        "  no episode ended in the last 5 % of /runs/early: its return is from step 500",
    ]
    write_run(tmp_path / "runs" / "broken", seed=4, rows=[(500, 5.0, 1, 50, 0.7), (1000, "nan", 1, 100, 0.9)])
    with pytest.raises(UserError, match="broken is not a number"):
        gather([tmp_path / "runs"], tmp_path)
    assert [row.seed for row in read_records(Result, tmp_path / "results.csv")] == [1, 2, 3]


def test_a_table_of_something_else_is_left_alone(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "results.csv").write_text("env,what\nhopper,raw\n")
    with pytest.raises(UserError, match="not a table of this kind"):
        gather([tmp_path / "run"], tmp_path)
    assert (tmp_path / "results.csv").read_text() == "env,what\nhopper,raw\n"


def test_provenance_is_what_the_runs_say(tmp_path: Path) -> None:
    versions = {"date": "2026-01-02T10:00:00+00:00", "cpu": "A", "cores": 2, "system": "Linux", "python": "3.11", "torch": "2.13"}
    for seed, day in ((1, "02"), (2, "04")):
        run = write_run(tmp_path / "runs" / str(seed), seed=seed)
        (run / "versions.json").write_text(json.dumps({**versions, "date": f"2026-01-{day}T10:00:00+00:00"}))
    write_run(tmp_path / "runs" / "3", seed=3)
    gather([tmp_path / "runs"], tmp_path)
    first, second = provenance(read(tmp_path).provenance).splitlines()
    assert first == "2 runs, 2026-01-02 to 2026-01-04, on 2 cores of A; python 3.11, torch 2.13"
    assert second.startswith("1 run, 20") and "not recorded" in second


def test_provenance_names_every_machine_of_a_run(tmp_path: Path) -> None:
    first = {
        "date": "2026-01-02T10:00:00+00:00",
        "cpu": "A",
        "cores": 2,
        "system": "Linux",
        "torch": "2.13",
        "precision": "bfloat16",
    }
    again = {**first, "date": "2026-01-03T10:00:00+00:00", "step": 300}
    moved = {**again, "cpu": "B", "cores": 16, "precision": "float32"}

    def made(seed: int, *attempts: dict, cut: str = "") -> None:
        run = write_run(tmp_path / "runs" / str(seed), seed=seed)
        (run / "versions.json").write_text(json.dumps(first))
        (run / "attempts.jsonl").write_text("".join(f"{json.dumps(attempt)}\n" for attempt in attempts) + cut)

    made(1, {**first, "step": 0}, again)
    made(2, {**first, "step": 0}, again, moved, cut='{"date": "2026')
    made(4, {**first, "precision": None, "step": 0})  # on the true reward
    made(3, moved)  # its first attempt was made by a version that told it in versions.json alone
    gather([tmp_path / "runs"], tmp_path)
    assert provenance(read(tmp_path).provenance).splitlines() == [
        "1 run, 2026-01-02, on 2 cores of A; torch 2.13, precision bfloat16",
        "2 runs, 2026-01-02, on more than one machine: 2 cores of A, then 16 cores of B; "
        "torch 2.13, precision bfloat16; then torch 2.13, precision float32",
        "1 run, 2026-01-02, on 2 cores of A; torch 2.13",
    ]
    (tmp_path / "runs" / "1" / "attempts.jsonl").write_text("no\n")
    with pytest.raises(UserError, match="damaged"):
        gather([tmp_path / "runs"], tmp_path)


# Scores


def result(env: str, value: float, labels: int = 0, seed: int = 1, steps: int = 1000) -> Result:
    return Result(env, "preferences" if labels else "true_reward", labels, seed, steps, value, 1.0)


def test_scores_are_counted_from_the_random_policy_to_the_true_reward() -> None:
    rows = [result("ant", 90.0), result("ant", 110.0, seed=2), result("ant", 60.0, 700), result("ant", 10.0, 700, seed=2)]
    rows += [result("ant", 5.0, 700, seed=3, steps=2000)]  # of another length
    rows += [result("hopper", 5.0, 700)]  # no true reward
    rows += [result("walker", -3.0), result("walker", 4.0, 700)]  # the true reward does not get beyond the random policy
    scores = normalised(rows, {"ant": 20.0, "hopper": 0.0, "walker": -3.0}, 1000)
    assert scores[("true_reward", 0)].keys() == scores[("preferences", 700)].keys() == {"ant"}
    # (90 - 20) / (100 - 20), and so on
    np.testing.assert_allclose(scores[("true_reward", 0)]["ant"], [0.875, 1.125])
    np.testing.assert_allclose(scores[("preferences", 700)]["ant"], [0.5, -0.125])


def test_a_share_has_the_spread_of_the_true_rewards_seeds_too() -> None:
    rows = [result("ant", 60.0), result("ant", 110.0, seed=2), result("ant", 60.0, 700), result("ant", 60.0, 700, seed=2)]
    rows += [result("hopper", 100.0), result("hopper", 100.0, seed=2), result("hopper", 50.0, 700)]
    rows += [result("walker", -3.0), result("walker", 4.0, 700)]  # the true reward does not get beyond the random policy
    scores, some = normalised(rows, {"ant": 10.0, "hopper": 0.0, "walker": 0.0}, 1000), ("preferences", 700)
    # 50 of 75; at worst both draws of the true reward are 110, 50 of 100, at best both are 60, 50 of 50
    np.testing.assert_allclose(share(scores, some, ["ant"]), (2 / 3, 0.5, 1.0))
    np.testing.assert_allclose(share(scores, some, ["ant", "hopper"]), ((2 / 3 + 1 / 2) / 2, np.nan, np.nan))
    assert share(scores, TRUE, ["hopper"]) == (1, 1, 1)
    for task in ("walker", "swimmer"):
        assert np.isnan(share(scores, some, ["ant", task])).all()


def test_summary_holds_both_means_over_all_tasks_and_each_tasks_own(tmp_path: Path) -> None:
    scores = {("preferences", 700): {"ant": np.array([0.0, 1.0, 0.5]), "hopper": np.array([2.0])}, ("preferences", 350): {}}
    rows = {(row.env, row.statistic): row for row in summarise(scores, 1000)}
    # 0, 0.5 and 1 weigh a sixth each, 2 a half: between the quarters lie half of 0.5, all of 1 and half of 2,
    # (0.5 / 12 + 1 / 6 + 2 / 4) / (1 / 2); the mean of 0.5 and 2
    assert rows["all", "iqm"].value == pytest.approx(17 / 12) and rows["all", "mean"].value == 1.25
    assert (rows["all", "iqm"].tasks, rows["all", "iqm"].runs) == (2, 4) and np.isnan(rows["all", "iqm"].low)
    assert rows["ant", "mean"].value == 0.5 and (rows["ant", "mean"].low, rows["ant", "mean"].high) == (0.0, 1.0)
    write_records(Score, tmp_path / "summary.csv", rows.values())
    assert [(row["env"], row["value"], row["low"], row["runs"]) for row in table(tmp_path / "summary.csv")] == [
        *(("all", "1.4167", "", "4"), ("all", "1.2500", "", "4")),
        *(("ant", "0.5000", "0.0000", "3"), ("hopper", "2.0000", "", "1")),
    ]


def test_the_random_policy_is_that_of_the_table() -> None:
    kept = read_random(EXPERIMENTS / "figure2" / "random.csv")
    assert len(kept) == 8
    values = random_returns(mujoco.make("reacher", n_envs=64, seed=0), 64)
    assert len(values) == 64
    # the standard error is 0.3; another version of the simulator may draw other numbers
    assert values.mean() == pytest.approx(kept["reacher"], abs=1.0)


# Pictures

KEY = ("preferences", 700)
OTHER = ("preferences", 350)


def layout(*tasks: str) -> Layout:
    published = {
        (task, key): Published("2", task, *key, 20_000_000, value)
        for task in tasks
        for key, value in ((KEY, 70.0), (OTHER, 30.0))
    }
    return Layout(
        tasks, {KEY: Style("#000000", "-", "700 labels"), OTHER: Style("#777777", "-", "350 labels")}, 2, published, "they"
    )


def test_published_values_stand_beside_the_curves_and_what_is_missing_is_said() -> None:
    step = np.linspace(10, 990, 50)
    drawn = lines([Curve("ant", *KEY, seed, 1000, step, step + seed) for seed in (1, 2)])
    page = figure_of(drawn, layout("ant", "hopper"))
    ant, hopper = page.axes
    marks = {float(line.get_ydata()[0]): float(line.get_xdata()[0]) for line in ant.get_lines() if line.get_marker() == "D"}
    assert set(marks) == {70.0, 30.0} and min(marks.values()) > 1000 and len(set(marks.values())) == 2
    assert [tick.get_text() for tick in ant.get_xticklabels()][-1] == "20M"
    assert [text.get_text() for text in ant.texts] == ["no run yet: 350 labels"]
    assert [text.get_text() for text in hopper.texts] == ["no run yet"]
    assert [text.get_text() for legend in page.legends for text in legend.get_texts()] == [
        *("700 labels (2 seeds)", "350 labels (no run)", "they")
    ]


def test_many_missing_lines_are_counted_for_their_names_would_not_fit() -> None:
    keys = [(f"variant_{i}", 700) for i in range(4)]
    published = {("ant", key): Published("2", "ant", *key, 20_000_000, 1.0) for key in keys}
    step = np.linspace(10, 990, 50)
    drawn = lines([Curve("ant", *keys[0], 1, 1000, step, step)])
    page = figure_of(drawn, Layout(("ant",), {key: Style("#000000", "-", key[0]) for key in keys}, 1, published, "they"))
    assert [text.get_text() for text in page.axes[0].texts] == ["no run yet: 3 of 4"]


def test_the_summary_draws_what_lies_beyond_its_edges_with_its_number(tmp_path: Path) -> None:
    def score(env: str, value: float) -> Score:
        return Score(1000, *KEY, env, "iqm" if env == "all" else "mean", value, value - 0.1, value + 0.1, 2, 4)

    page = summary_figure([score("all", 0.9), score("ant", -3.0), score("hopper", 0.9)], layout("ant", "hopper"))
    whole, each = page.axes
    assert [text.get_text() for text in each.texts] == ["−3.0"]
    assert [text.get_text() for text in whole.texts] == ["0.90  (0.80 to 1.00)"]
    assert [tick.get_text() for tick in whole.get_yticklabels()] == ["700 labels\n2 of 2 tasks, 4 runs", "350 labels\nmissing"]


# The experiments


def test_published_values_are_read_by_figure() -> None:
    two, five = (read_published(EXPERIMENTS / "paper.csv", figure) for figure in "25")
    assert len(two) == 8 * 4 and len(five) == 3 * 7
    assert two["walker", ("preferences", 1400)] == Published("2", "walker", "preferences", 1400, 20_000_000, 5890.0)
    assert two["pendulum", ("true_reward", 0)].steps == 2_000_000
    assert five["swimmer", ("target", 700)].value == 36.0
    with pytest.raises(UserError, match="its columns must be figure,env"):
        read_published(EXPERIMENTS / "figure2" / "random.csv", "2")


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXPERIMENTS / name / "analysis.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # its records look for their module there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def figure2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    module = script("figure2", monkeypatch)
    here = tmp_path / "figure2"
    here.mkdir()
    (here / "random.csv").write_text("env,episodes,mean,std\n" + "".join(f"{task},64,-100,1\n" for task in module.LAYOUT.tasks))
    monkeypatch.setattr(module, "LONG", 2000)
    return replace(module.EXPERIMENT, here=here, steps=1000, folders=(str(tmp_path / "runs"),))


def test_figure2(figure2: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str], drawn: dict[str, Figure]) -> None:
    runs = tmp_path / "runs"
    write_run(runs / "t1", condition="true_reward", seed=1, rows=last(80.0))
    write_run(runs / "t2", condition="true_reward", seed=2, rows=last(120.0))
    write_run(runs / "p1", labels=700, seed=1, rows=last(70.0))
    (write_run(runs / "p2", labels=700, seed=2, rows=last(70.0), finished=False) / "failed.txt").write_text("OSError: full\n")
    write_run(runs / "r1", task="reacher", labels=700, seed=1, rows=last(-3.0))
    write_run(runs / "r2", task="reacher", labels=700, seed=2, rows=last(-3.0))
    write_run(runs / "long", labels=700, total_steps=2000, rows=[(2000, 4500.0, 1, 1, "")])
    figure2([])
    said = capsys.readouterr().out
    assert "p2 at step 1,000: OSError: full" in said
    words = [" ".join(line.split()) for line in said.splitlines()]
    assert "task mean paper share each seed, after 2,000 steps" in words
    assert "hopper True reward 100 4,190 1.00 80.0 120" in words
    assert "1,400 labels missing 4,410 -" in words
    assert "700 labels 70.0 4,490 0.85 70.0 failed" in words  # (70 + 100) / (100 + 100)
    assert "hopper 700 labels 4,500 4,490 - 4,500" in words  # no true reward of that length
    long = words[words.index("task mean paper share each seed, after 2,000 steps") :]
    assert not any("labels missing" in line for line in long)  # of longer runs, only what there is
    assert "short 0.850 at least 0.9 hopper: share of the true reward with 700 labels, after 1,000 steps" in words
    assert "missing - at least 0.9 reacher: share of the true reward with 700 labels, after 1,000 steps" in words
    assert "missing - at least 0.75 mean share over the 8 tasks with 350 labels, after 1,000 steps" in words
    paper = "return with 700 labels after {} steps, compared with the paper's after 20,000,000"
    assert "PASS 4,500 at least 4,490 hopper: " + paper.format("2,000") in words
    assert "PASS -3.000 (-3.000 to -3.000) at least -3.1 reacher: " + paper.format("1,000") in words
    assert "missing - at least 4,850 walker: " + paper.format("1,000") in words
    figures = dict(drawn)
    whole, each = figures["figure2.png"], panels(figures["figure2.png"])
    assert [*each] == ["Hopper", "Walker", "Swimmer", "HalfCheetah", "Ant", "Reacher", "Double pendulum", "Pendulum"]
    assert legend(whole)[:4] == [
        "True reward (2 seeds)",
        "1,400 labels (no run)",
        "700 labels (1-2 seeds)",
        "350 labels (no run)",
    ]
    (true, *_), (labels, papers) = curves(each["Hopper"], ORANGE), curves(each["Hopper"], BLUE)
    assert (true[0], true[-1]) == ((490, 50.0), (990, 100.0)) and labels[-1] == (990, 70.0) and papers[0][1] == 4490
    assert [texts(each[name]) for name in ("Hopper", "Ant", "Pendulum")] == [
        ["no run yet: 1,400 labels\n350 labels"],
        ["no run yet"],
        [],
    ]
    ((name, long),) = panels(figures["figure2_long.png"]).items()
    assert name == "Hopper" and curves(long, BLUE)[0] == [(1980, 4500.0)] and not curves(long, ORANGE)
    overall, by_task = figures["summary.png"].axes
    assert texts(overall) == ["1.00  (0.90 to 1.10)", "0.85"]
    assert [x for ((x, _),) in (*curves(by_task, ORANGE), *curves(by_task, BLUE))] == [1.0, 0.85]
    shutil.rmtree(runs)
    figure2([])
    _, *again = capsys.readouterr().out.splitlines()
    lines = said.splitlines()
    assert again == lines[lines.index(str(figure2.here / "figure2.png")) :]  # all but what was found
    for name, page in figures.items():
        np.testing.assert_equal(described(drawn[name]), described(page))


def beside_figure2(name: str, figure2: Experiment, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """An experiment that compares its runs to figure 2's, which hold a true reward of 100 and 700 labels of 80 on Hopper."""
    runs = figure2.here.parent / "runs"
    write_run(runs / "t", condition="true_reward", rows=last(100.0))
    write_run(runs / "p", labels=700, rows=last(80.0))
    figure2([])
    return replace(script(name, monkeypatch).EXPERIMENT, here=figure2.here.parent / name, steps=1000)


def test_ablations(
    figure2: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    drawn: dict[str, Figure],
) -> None:
    experiment = beside_figure2("ablations", figure2, monkeypatch)
    write_run(tmp_path / "ablation" / "target" / "1", condition="target", labels=700, rows=last(40.0))
    capsys.readouterr()
    experiment([str(tmp_path / "ablation")])
    words = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "hopper Whole method 80.0 4,490 0.90 80.0" in words  # (80 + 100) / (100 + 100)
    assert "Target 40.0 1,815 0.70 40.0" in words
    assert "No segments missing 2,340 -" in words
    each = panels(drawn["ablations.png"])
    assert [*each] == ["HalfCheetah", "Hopper", "Swimmer"] and texts(each["Hopper"]) == ["no run yet: 5 of 7"]
    assert curves(each["Hopper"], BLUE)[0][-1] == (990, 80.0) and curves(each["Hopper"], QUIET)[0][-1] == (990, 40.0)
    assert [row.condition for row in read_records(Result, experiment.here / "results.csv")] == [
        "target"
    ]  # the rest stays where it is


def test_improvements_stand_beside_the_method_as_it_is(
    figure2: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    drawn: dict[str, Figure],
) -> None:
    write_run(tmp_path / "runs" / "few", labels=350, rows=last(60.0))
    experiment = beside_figure2("improvements", figure2, monkeypatch)
    write_run(tmp_path / "improvement" / "warm" / "1", condition="warm_start", labels=700, rows=last(120.0))
    capsys.readouterr()
    experiment([str(tmp_path / "improvement")])
    words = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "hopper As it is 80.0 - 0.90 80.0" in words  # (80 + 100) / (100 + 100)
    assert "Warm start 120 - 1.10 120" in words
    ((name, axes),) = panels(drawn["improvements.png"]).items()
    assert name == "Hopper" and curves(axes, BLUE)[0][-1] == (990, 80.0) and curves(axes, BLACK)[0][-1] == (990, 120.0)
    assert texts(drawn["summary.png"].axes[0]) == ["0.90", "1.10"]
    summary = (experiment.here / "summary.csv").read_text()
    assert "warm_start,700,all,iqm,1.1" in summary and "350" not in summary


def test_a_cell_without_runs_is_missing() -> None:
    empty = cell(Study([], [], [], []), {}, "ant", KEY, 1000)
    assert str(empty).strip() == "missing" and np.isnan(empty.share)


# Tables of records


@dataclass(frozen=True)
class Record:
    name: str
    times: int
    value: float
    rounded: Annotated[float, ".2f"] = 0


def test_records_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "records.csv"
    write_records(Record, path, [Record("a, b", 3, 0.25, 1 / 3), Record("c", -1, float("nan"))])
    assert path.read_text() == 'name,times,value,rounded\n"a, b",3,0.25,0.33\nc,-1,,0.00\n'
    first, second = read_records(Record, path)
    assert first == Record("a, b", 3, 0.25, 0.33) and (second.name, second.times) == ("c", -1) and np.isnan(second.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "missing or cannot be read"),
        ("", "its columns must be name,times,value,rounded"),
        ("name,value,times,rounded\na,0.5,3,1\n", "its columns must be name,times,value,rounded"),
        ("name,times,value,rounded\na,1,2,3\nb,4,5\n", "Line 3 of .* is damaged: it has 3 cells, not 4"),
        ("name,times,value,rounded\na,0.5,3,1\n", "Line 2 of .* is damaged: times must be an integer, not '0.5'"),
        ("name,times,value,rounded\na,1,x,1\n", "Line 2 of .* is damaged: value must be a number or blank, not 'x'"),
    ],
)
def test_a_damaged_table_is_told_by_its_line(text: str | None, words: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "records.csv").write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        read_records(Record, tmp_path / "records.csv")
    assert "records.csv" in str(caught.value) and "\n" not in str(caught.value)


COMMITTED = [
    *((name, table, kind) for table, kind in TABLES.items() for name in GATHERED),
    *((name, "summary.csv", Score) for name in ("feedback", "figure2", "improvements")),
    *((name, "random.csv", RandomReturn) for name in ("atari", "figure2", "your_own")),
]


@pytest.mark.parametrize(("name", "table", "kind"), COMMITTED)
def test_the_committed_tables_stay_as_they_are_when_they_are_written_again(
    name: str, table: str, kind: type, tmp_path: Path
) -> None:
    path = EXPERIMENTS / name / table
    write_records(kind, tmp_path / table, read_records(kind, path))
    assert (tmp_path / table).read_bytes() == path.read_bytes()


def tables_of(module: ModuleType, kinds: dict[str, str], tmp_path: Path) -> list[list]:
    """The records of an experiment's tables, which are written as they are read."""
    found = []
    for table, kind in kinds.items():
        path, copy, record = getattr(module, table), tmp_path / f"{table}.csv", getattr(module, kind)
        found.append(read_records(record, path))
        write_records(record, copy, found[-1])
        assert copy.read_bytes() == path.read_bytes()
    return found


def test_what_came_of_demonstrations_is_drawn_from_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], drawn: dict[str, Figure]
) -> None:
    module = script("demonstrations", monkeypatch)
    (rows,) = tables_of(module, {"RESULTS": "Row"}, tmp_path)
    monkeypatch.chdir(tmp_path)  # without runs
    monkeypatch.setattr(module, "HERE", tmp_path)
    module.main([])
    assert "cloning     1 HalfCheetah" in capsys.readouterr().out
    each = panels(drawn["demonstrations.png"])
    assert [*each] == ["HalfCheetah", "Hopper", "Walker", "Ant", "Swimmer", "Reacher"]
    for task in ("ant", "reacher"):
        runs = [(row.labelled, row.share) for row in rows if (row.env, row.condition) == (task, "cloning")]
        dots, means = curves(each[task.title()], BLUE)
        assert dots == runs
        assert means == [(n, np.mean([share for at, share in runs if at == n])) for n in sorted(dict(runs))]
    assert legend(drawn["demonstrations.png"]) == sorted({row.condition for row in rows})


def test_the_pipeline_is_drawn_from_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], drawn: dict[str, Figure]
) -> None:
    module = script("pipeline", monkeypatch)
    rows, divergences = tables_of(module, {"RESULTS": "Row", "DIVERGENCE": "Divergence"}, tmp_path)
    monkeypatch.chdir(tmp_path)  # without runs
    monkeypatch.setattr(module, "HERE", tmp_path)
    module.main([])
    assert "of the better" in capsys.readouterr().out
    each = panels(drawn["pipeline.png"])
    run = [point for point in divergences if (point.env, point.labels, point.beta) == ("swimmer", 40, 0.0)]
    end = np.mean([(point.kl, 1000 * point.true_reward) for point in run[-3:]], axis=0)  # of 30 bins in 10 stretches
    line, dots, last = curves(each["Swimmer, 40 labels: true return"], ORANGE)
    assert line == dots and len(line) == 10 and line[-1:] == last
    np.testing.assert_allclose(last[0], end)
    (cloned,) = curves(each["HalfCheetah: true return in training"], BLUE)
    wanted = [(row.labels, row.final_return) for row in rows if row.env == "halfcheetah" and row.total_steps >= 250_000]
    assert [point for point in cloned if point[0]] == sorted(wanted)
    halves = each["350 labels and a clone: share of the better half"]
    assert legend(halves) == ["Deterministic", "Stochastic"]
    assert len(curves(halves, BLUE)[0]) == sum(row.condition == "pipeline" for row in rows)
