"""Analysis on run directories written by hand."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import yaml
from figures import curves, described, legend, panels, points, texts
from matplotlib.figure import Figure
from PIL import Image

from rlhp import analysis, cli
from rlhp.analysis import tables
from rlhp.analysis.experiment import Experiment
from rlhp.analysis.settings import canonical
from rlhp.analysis.study import gather
from rlhp.csv_records import read_records
from rlhp.run import differing, read_settings
from rlhp.types import UserError

# step, true_return, episodes, labels, valid_accuracy
ROWS: list[tuple[Any, ...]] = [
    (100, "", 0, 0, ""),
    (200, -4.0, 1, 0, ""),
    (300, -6.0, 3, 25, 0.5),
    (500, 10.0, 4, 50, 0.7),
    (950, 99.0, 2, 80, 0.8),
    (980, 20.0, 1, 90, ""),
    (1000, 40.0, 3, 100, 0.9),
]


def write_run(
    path: Path,
    *,
    task: str = "hopper",
    condition: str = "preferences",
    labels: int = 100,
    seed: int = 1,
    rows: Sequence[tuple[Any, ...]] | None = None,
    total_steps: int = 1000,
    finished: bool = True,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """A run directory; `settings` are those besides the five that name it."""
    path.mkdir(parents=True)
    config = {"task": task, "condition": condition, "labels": labels, "seed": seed, "total_steps": total_steps}
    (path / "config.yaml").write_text(yaml.safe_dump({**config, "env": {"horizon": 50}, **settings}))
    lines = [",".join(map(str, row)) for row in (ROWS if rows is None else rows)]
    (path / "metrics.csv").write_text("\n".join(["step,true_return,episodes,labels,valid_accuracy", *lines, ""]))
    (path / "clock.csv").write_text("step,wall_s,steps_per_s\n500,1.5,333\n1000,4.0,250\n")
    (path / "heldout.csv").write_text("true_return,predicted_return\n0,1\n1,3\n2,5\n")
    if finished:
        (path / "finished.json").write_text("{}")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


# Reading


def test_load(run: Path) -> None:
    data = analysis.load(run)
    assert (data.task, data.condition, data.labels, data.seed, data.total_steps) == ("hopper", "preferences", 100, 1, 1000)
    assert data.wall_s == 4.0 and data.step == 1000 and data.finished
    np.testing.assert_array_equal(data.metrics["true_return"], [np.nan, -4, -6, 10, 99, 20, 40])


def test_true_reward_uses_no_labels(tmp_path: Path) -> None:
    assert analysis.load(write_run(tmp_path / "run", condition="true_reward", labels=700)).labels == 0


@pytest.mark.parametrize("cut", ["1050,4", "1050,77.0,1,100,0.9", "1050", "1050,77.0,1,100,0.9,,,"])
def test_a_last_line_without_its_end_is_ignored(run: Path, cut: str) -> None:
    whole = analysis.load(run)
    for name, line in (("metrics.csv", cut), ("clock.csv", "1050,9")):
        with (run / name).open("a") as file:
            file.write(line)
    data = analysis.load(run)
    assert data.step == whole.step and data.wall_s == whole.wall_s
    assert analysis.final_return(data) == analysis.final_return(whole)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("config.yaml", None, "not a run directory"),
        ("config.yaml", "task: [", "damaged"),
        ("config.yaml", "", "damaged"),
        ("config.yaml", "task: hopper\ncondition: preferences\nlabels: 7\nseed: one\ntotal_steps: 9\n", "damaged"),
        ("config.yaml", "task: hopper\ncondition: preferences\nlabels: 7\ntotal_steps: 9\n", "seed"),
        ("metrics.csv", None, "missing"),
        ("metrics.csv", "", "step"),
        ("metrics.csv", "true_return,episodes\n1,2\n", "step"),
        ("metrics.csv", "step,true_return,episodes\n1,2,3\n4,x,6\n", "Line 3"),
        ("metrics.csv", "step,true_return,episodes\n1,2\n4,5,6\n", "Line 2"),
        ("metrics.csv", "step,true_return,episodes\n1,2,1\n,5,6\n", "Line 3 .* no step"),
        ("finished.json", "{", "damaged"),
        ("metrics.csv", "step,true_return,episodes\n1,2,3\n4\n", "Line 3"),
        ("clock.csv", None, "missing"),
    ],
)
def test_damage_is_told_in_one_sentence(run: Path, name: str, text: str | None, words: str) -> None:
    (run / name).unlink()
    if text is not None:
        (run / name).write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        analysis.load(run)
    assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("metrics", "step"), [("step\n", 0), ("step,episodes\n100,0\n", 100)])
def test_a_run_that_has_just_begun_is_left_out_of_the_picture(
    run: Path, tmp_path: Path, metrics: str, step: int, drawn: dict[str, Figure]
) -> None:
    new = write_run(tmp_path / "new", task="ant")
    (new / "metrics.csv").write_text(metrics)
    (new / "clock.csv").write_text("step\n")
    data = analysis.load(new)
    assert data.step == step and np.isnan(data.wall_s) and not len(data.ended()[0])
    assert "task" in analysis.summary(data)
    analysis.curve_png(new, tmp_path / "curve.png")
    (axes,) = drawn["curve.png"].axes
    assert texts(axes) == ["no episode has ended"] and not axes.lines and axes.get_xlim() == (0, 1000)
    _, table = analysis.plot([run, new], tmp_path / "plot.png")
    assert "hopper" in table.read_text() and "ant" not in table.read_text()
    assert [*panels(drawn["plot.png"])] == ["Hopper"]


def test_find_goes_to_any_depth_and_past_hidden_folders(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "x" / "a"), write_run(tmp_path / "x" / "deep" / "er" / "b")
    write_run(tmp_path / "x" / ".hidden")
    (tmp_path / "x" / "started").mkdir()
    (tmp_path / "x" / "started" / "config.yaml").write_text("task: hopper\n")
    assert analysis.find([tmp_path / "x"]) == [a, b]
    assert analysis.find([b, a, tmp_path / "x"]) == [a, b]


def test_find_names_the_path_without_a_run(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty"):
        analysis.find([run, tmp_path / "empty"])
    with pytest.raises(UserError, match="nowhere"):
        analysis.find([tmp_path / "nowhere"])


# Numbers


def test_final_return_weighs_by_episodes(run: Path) -> None:
    # step > 950: (1 * 20 + 3 * 40) / 4; the row at 950 itself does not count
    assert analysis.final_return(analysis.load(run)) == pytest.approx(35.0)


def test_final_return_without_late_episodes_is_the_last(tmp_path: Path) -> None:
    assert analysis.final_return(analysis.load(write_run(tmp_path / "run", rows=ROWS[:4]))) == 10.0


def test_final_return_without_any_episode_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No episode"):
        analysis.final_return(analysis.load(write_run(tmp_path / "run", rows=ROWS[:1])))


@pytest.mark.parametrize("broken", ["nan", "inf", ""])
def test_a_return_that_is_not_a_number_is_not_averaged_away(tmp_path: Path, broken: str) -> None:
    data = analysis.load(write_run(tmp_path / "run", rows=[*ROWS[:6], (1000, broken, 3, 100, 0.9)]))
    with pytest.raises(UserError, match="not a number at its end"):
        analysis.final_return(data)
    assert "not a number\n" in analysis.summary(data)
    _, value = analysis.curve(data, points=5)
    np.testing.assert_array_equal(value, [-4, -6, 10, np.nan, np.nan])  # the gap before it is not interpolated towards it


def test_rows_beyond_the_step_a_run_went_on_from_count_once(tmp_path: Path) -> None:
    # resumed from step 980: the first attempt's row of step 1,000 is void, and so is its second 990
    rows = [*ROWS[:6], (990, 7000.0, 5, 95, ""), (1000, 9000.0, 3, 100, 0.9), (990, 30.0, 1, 95, ""), (1000, 40.0, 2, 100, 0.9)]
    data = analysis.load(write_run(tmp_path / "run", rows=rows))
    np.testing.assert_array_equal(data.metrics["step"], [100, 200, 300, 500, 950, 980, 990, 1000])
    # (1 * 20 + 1 * 30 + 2 * 40) / 4
    assert analysis.final_return(data) == pytest.approx(32.5)


def test_curve_is_binned_by_episodes_and_interpolated(run: Path) -> None:
    step, value = analysis.curve(analysis.load(run), points=5)
    np.testing.assert_allclose(step, [100, 300, 500, 700, 900])
    # bins: (0, 200] -> -4; (200, 400] -> -6; (400, 600] -> 10; none; (800, 1000] -> (2 * 99 + 20 + 3 * 40) / 6
    last = (2 * 99 + 20 + 3 * 40) / 6
    np.testing.assert_allclose(value, [-4, -6, 10, (10 + last) / 2, last])


def test_curve_is_not_extrapolated(run: Path) -> None:
    _, value = analysis.curve(analysis.load(run), points=4, span=2000)
    np.testing.assert_array_equal(np.isnan(value), [False, False, True, True])


def test_band_holds_the_mean_and_shrinks_with_seeds() -> None:
    curves = np.random.default_rng(0).normal(size=(40, 30))
    widths = []
    for seeds in (5, 40):
        mean, low, high = analysis.band(curves[:seeds])
        np.testing.assert_allclose(mean, curves[:seeds].mean(0))
        assert np.all((low < mean) & (mean < high))
        widths.append(np.mean(high - low))
    # the width of a 95 % interval of the mean of unit normals is close to 2 * 1.96 / sqrt(n)
    assert widths[1] == pytest.approx(2 * 1.96 / np.sqrt(40), rel=0.15) and widths[1] < 0.6 * widths[0]


def test_band_is_the_same_every_time_and_needs_two_seeds() -> None:
    curves = np.array([[1.0, 2.0, np.nan, np.nan], [3.0, np.nan, 5.0, np.nan]])
    mean, low, high = analysis.band(curves)
    np.testing.assert_array_equal(mean, [2, 2, 5, np.nan])
    np.testing.assert_array_equal(low, [1, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(high, [3, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(analysis.band(curves), (mean, low, high))
    assert np.isnan(analysis.band(curves[:1])[1:]).all()


def test_correlation() -> None:
    x = np.array([0.0, 1.0, 2.0])
    assert analysis.correlation(x, 3 - 2 * x) == pytest.approx(-1.0)
    assert analysis.correlation(x, np.array([1.0, 0.0, 2.0])) == pytest.approx(0.5)
    assert np.isnan(analysis.correlation(x, np.ones(3))) and np.isnan(analysis.correlation(x[:2], x[:2]))


# Tables


def test_results_have_exactly_these_columns_and_one_sorted_row_per_run(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(seed), seed=seed) for seed in (10, 2)]
    runs.append(write_run(tmp_path / "ant", task="ant", condition="true_reward"))
    out = tmp_path / "made" / "results.csv"
    found = analysis.results(map(analysis.load, runs))
    tables.merge(tables.Result, out, found, ())
    assert out.read_text().splitlines() == [
        "env,condition,labels,seed,total_steps,final_return,wall_s",
        "ant,true_reward,0,1,1000,35.000,4.0",
        "hopper,preferences,100,2,1000,35.000,4.0",
        "hopper,preferences,100,10,1000,35.000,4.0",
    ]
    assert read_records(analysis.Result, out) == found


def test_a_table_that_is_none_is_told(run: Path) -> None:
    with pytest.raises(UserError, match="not a table of this kind"):
        read_records(analysis.Result, run / "metrics.csv")


def test_summary(run: Path, tmp_path: Path) -> None:
    lines = dict(line.split("  ", 1) for line in analysis.summary(analysis.load(run)).splitlines())
    assert {name.strip(): value.strip() for name, value in lines.items()} == {
        "task": "hopper",
        "labels": "100 of 100 used",
        "steps": "1,000",
        "wall time": "4 s",
        "steps per second": "250",
        "final true return": "35.0",
        "validation accuracy": "90.0 %",
        "held-out correlation": "1.000",
    }
    short = write_run(tmp_path / "short", rows=ROWS[:1])
    (short / "heldout.csv").unlink()
    said = analysis.summary(analysis.load(short))
    assert said.count("-\n") == 2  # no return, no accuracy; the correlation ends the text
    assert "0 of 100 used" in said


def test_labels_are_those_used_of_those_wanted(tmp_path: Path) -> None:
    def taken(name: str, **files: object) -> str:
        run = write_run(tmp_path / name, labels=60, rows=[(100, 1, 1, 10, 0.5), (200, 1, 1, 43, 0.5)], finished=False)
        for file, holds in files.items():
            (run / f"{file}.json").write_text(json.dumps(holds))
        return str(analysis.load(run).taken)

    ended = {"wanted": 50, "asked": 50, "answered": 41, "used": 40, "why": "the teacher cannot keep up"}
    assert taken("new", finished={"labels": ended}) == "40 of 50 used: the teacher cannot keep up"
    assert taken("all", finished={"labels": {**ended, "used": 50, "why": ""}}) == "50 of 50 used"
    assert taken("old", finished={"total_steps": 200}, plan={"labels": 55}) == "43 of 55 used"
    assert taken("stopped", plan={"labels": 60}) == "43 of 60 used: not finished"
    assert taken("older") == "43 of 60 used: not finished"
    assert taken("frozen", finished={}, plan={"labels": 0}).startswith("43 of 0 used")
    none = write_run(tmp_path / "none", labels=50, rows=[(100, 1, 1, 0, "")])
    assert str(analysis.load(none).taken) == "0 of 50 used"
    true = write_run(tmp_path / "true", condition="true_reward", rows=[(100, 1, 1, 0, "")])
    assert "none requested" in analysis.summary(analysis.load(true))


def test_a_final_return_that_is_not_of_the_end_is_marked(tmp_path: Path) -> None:
    # nothing ended after step 950 of 1,000: what stands there is the row of step 500
    early = write_run(tmp_path / "early", rows=ROWS[:4])
    assert "final true return     10.0 at step 500, where the last episode ended\n" in analysis.summary(analysis.load(early))


# Pictures


BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"


def test_a_picture_is_written(run: Path, tmp_path: Path) -> None:
    with Image.open(analysis.curve_png(run, tmp_path / "new" / "curve.png")) as image:
        pixels = np.asarray(image.convert("RGB"))
        assert image.format == "PNG"
    for colour in (GREEN, PINK):  # the return and the labels
        assert (pixels == tuple(bytes.fromhex(colour[1:]))).all(axis=-1).sum() > 100
    assert (pixels == 255).all(axis=-1).mean() > 0.5


def test_plot_writes_the_picture_and_the_numbers_behind_it(tmp_path: Path, drawn: dict[str, Figure]) -> None:
    for seed in (1, 2):
        for condition in ("preferences", "true_reward"):
            rows = [
                (step, value and float(value) + seed, episodes, labels * (condition == "preferences"), "")
                for step, value, episodes, labels, _ in ROWS
            ]
            write_run(tmp_path / "runs" / f"{condition}{seed}", condition=condition, seed=seed, rows=rows)
    write_run(tmp_path / "runs" / "single", task="ant")
    write_run(tmp_path / "runs" / "none", task="swimmer", rows=ROWS[:1])
    picture, table = analysis.plot([tmp_path / "runs"], tmp_path / "made" / "plot")
    assert picture == tmp_path / "made" / "plot.png" and table == tmp_path / "made" / "plot.csv"
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("env", "condition", "labels", "step", "mean", "low", "high", "seeds", "runs", "not_finished", "labels_used", "settings")
    ]
    lines = {(row["env"], row["condition"], row["labels"], row["seeds"]) for row in rows}
    assert lines == {
        ("ant", "preferences", "100", "1"),
        *(("hopper", c, n, "2") for c, n in [("true_reward", "0"), ("preferences", "100")]),
    }
    for row in rows:
        assert (row["low"] == "") == (row["env"] == "ant")
        assert row["env"] == "ant" or float(row["low"]) < float(row["mean"]) < float(row["high"])
    page = drawn["plot.png"]
    assert [*panels(page)] == ["Ant", "Hopper"]
    for env, condition, colour in (
        ("ant", "preferences", GREEN),
        ("hopper", "preferences", GREEN),
        ("hopper", "true_reward", ORANGE),
    ):
        told = [(float(row["step"]), float(row["mean"])) for row in rows if (row["env"], row["condition"]) == (env, condition)]
        ((*shown,),) = curves(panels(page)[env.title()], colour)
        np.testing.assert_allclose(shown, told, atol=5e-4)
    assert [len(axes.collections) for axes in page.axes] == [1, 2]  # bands
    assert legend(page) == ["Preferences, 100 labels (1-2 seeds)", "True reward (2 seeds)"]


def plotted(table: Path) -> dict[tuple[str, ...], list[dict[str, str]]]:
    """The rows of a plot's CSV by task, condition, labels and settings."""
    found: dict[tuple[str, ...], list[dict[str, str]]] = {}
    with table.open() as file:
        for row in csv.DictReader(file):
            found.setdefault((row["env"], row["condition"], row["labels"], row["settings"]), []).append(row)
    return found


def made(rate: float, seed: int, **others: Any) -> dict[str, Any]:
    """Settings as a run writes them: copies of the seed, the labels and the steps in the parts."""
    return {
        "name": f"study{seed}",
        "threads": seed,
        "agent": {"learning_rate": rate, "seed": seed, "target_kl": None},
        "memory": {"seed": seed},
        "schedule": {"labels": 100, "total_steps": 1000},
        **others,
    }


@pytest.mark.usefixtures("drawn")
def test_what_differs_but_for_the_seed_is_another_line_and_names_it(tmp_path: Path) -> None:
    for rate in (0.001, 0.003):
        for seed in (1, 2):
            write_run(tmp_path / "runs" / f"{rate}{seed}", seed=seed, settings=made(rate, seed))
    older = made(0.003, 3)
    del older["agent"]["target_kl"]  # an option that is off is one that an older version does not have
    write_run(tmp_path / "runs" / "older", seed=3, settings={**older, "video": True})
    lines = plotted(analysis.plot([tmp_path / "runs"], tmp_path / "plot.png")[1])
    assert {key: (rows[-1]["seeds"], rows[-1]["runs"]) for key, rows in lines.items()} == {
        ("hopper", "preferences", "100", "agent.learning_rate=0.001"): ("2", "2"),
        ("hopper", "preferences", "100", "agent.learning_rate=0.003"): ("3", "3"),
    }
    assert all(len({row["step"] for row in rows}) == len(rows) for rows in lines.values())


@pytest.mark.usefixtures("drawn")
def test_copies_and_arguments_of_a_chosen_part_do_not_name_a_line(tmp_path: Path) -> None:
    for i, (steps, query) in enumerate(
        [
            (1000, {"_target_": "rlhp.query.Uniform"}),
            (1000, {"_target_": "rlhp.query.Disagreement", "candidates": 10, "seed": 1}),
            (2000, {"_target_": "rlhp.query.Disagreement", "candidates": 10, "seed": 1}),
        ]
    ):
        copies = {"schedule": {"total_steps": steps}, "training_schedule": {"total_steps": steps}}
        write_run(tmp_path / "runs" / str(i), total_steps=steps, settings={**copies, "query": query})
    lines = plotted(analysis.plot([tmp_path / "runs"], tmp_path / "plot.png")[1])
    assert [settings for *_, settings in lines] == [
        "total_steps=1000, query=Disagreement",
        "total_steps=1000, query=Uniform",
        "total_steps=2000, query=Disagreement",
    ]


@pytest.mark.usefixtures("drawn")
def test_a_part_of_the_same_class_name_is_told_by_its_module(tmp_path: Path) -> None:
    for place in ("mine", "rlhp.query"):
        write_run(tmp_path / "runs" / place, settings={"query": {"_target_": f"{place}.Uniform"}})
    lines = plotted(analysis.plot([tmp_path / "runs"], tmp_path / "plot.png")[1])
    assert [settings for *_, settings in lines] == ["query=mine.Uniform", "query=rlhp.query.Uniform"]


@pytest.mark.usefixtures("drawn")
def test_another_gymnasium_environment_is_another_panel(tmp_path: Path) -> None:
    for seed, name in ((1, "A-v0"), (1, "B-v0")):
        write_run(tmp_path / "runs" / name, task="gym", seed=seed, settings={"env": {"id": name}})
    assert [env for env, *_ in plotted(analysis.plot([tmp_path / "runs"], tmp_path / "plot.png")[1])] == ["A-v0", "B-v0"]


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        ({"page": {"port": 1}}, True),
        ({"env": {"horizon": 50, "threads": 4}}, True),
        ({"env": {"horizon": 9}}, False),
        ({"other": 1}, False),
    ],
)
def test_what_may_change_between_attempts_makes_no_other_line(tmp_path: Path, settings: dict[str, Any], same: bool) -> None:
    a = write_run(tmp_path / "a")
    b = write_run(tmp_path / "b", settings=settings)
    assert (canonical(analysis.load(a).settings) == canonical(analysis.load(b).settings)) is same
    assert (not differing(a, read_settings(b))) is same


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(("id", "folder"), [("ALE/Pong-v5", "ALE-Pong-v5"), ("CartPole-v1", "CartPole-v1")])
def test_runs_of_all_versions_on_a_gymnasium_environment_are_of_one_task(tmp_path: Path, id: str, folder: str) -> None:
    for seed, task in ((1, "gym"), (2, folder)):
        write_run(tmp_path / "runs" / str(seed), task=task, seed=seed, settings={"env": {"id": id}})
    lines = plotted(analysis.plot([tmp_path / "runs"], tmp_path / "plot.png")[1])
    assert [(env, settings) for env, *_, settings in lines] == [(id, "")]
    assert {(rows[-1]["seeds"], rows[-1]["runs"]) for rows in lines.values()} == {("2", "2")}
    gather([tmp_path / "runs"], tmp_path)  # as seeds of one condition
    assert [(row.env, row.seed) for row in read_records(analysis.Result, tmp_path / "results.csv")] == [(id, 1), (id, 2)]


def test_a_seed_counts_once(tmp_path: Path) -> None:
    write_run(tmp_path / "a", settings=made(0.001, 1))
    write_run(tmp_path / "b", settings={**made(0.001, 1), "name": "b"})
    with pytest.raises(UserError, match=r"/a and .*/b are the same run"):
        analysis.plot([tmp_path / "a", tmp_path / "b"], tmp_path / "plot.png")


@pytest.mark.usefixtures("drawn")
def test_a_line_per_value_of_a_setting(tmp_path: Path) -> None:
    for rate in (0.001, 0.003):
        for seed in (1, 2):
            query = {"_target_": "rlhp.query.Uniform", "clips": 2 if rate == 0.001 else 4, "seed": seed}
            write_run(tmp_path / "runs" / f"{rate}{seed}", seed=seed, settings=made(rate, seed, query=query))

    def settings(*by: str) -> dict[str, tuple[str, str]]:
        lines = plotted(analysis.plot([tmp_path / "runs"], tmp_path / "plot.png", by)[1])
        return {key[3]: (rows[-1]["seeds"], rows[-1]["runs"]) for key, rows in lines.items()}

    assert settings("labels") == {"labels=100": ("4", "4")}
    assert settings("query.clips") == {"query.clips=2": ("2", "2"), "query.clips=4": ("2", "2")}
    assert settings("query") == settings("query.clips")
    assert [*settings("agent.learning_rate", "seed")] == [
        *(f"agent.learning_rate={rate}, seed={seed}" for rate in (0.001, 0.003) for seed in (1, 2)),
    ]
    assert [*settings("agent.target_kl")] == ["agent.target_kl=null"]
    with pytest.raises(UserError, match=r"setting agent\.learning_rat; the nearest are agent\.learning_rate"):
        settings("agent.learning_rat")


@pytest.mark.usefixtures("drawn")
def test_plot_by_a_setting_from_the_command_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plot", str(run), "-o", str(tmp_path / "by.png"), "--by", "labels", "--by"]
    assert cli.main([*command, "env.horizon"]) == 0
    assert [key[3] for key in plotted(tmp_path / "by.csv")] == ["labels=100, env.horizon=50"]
    assert cli.main([*command, "env.name"]) == 2
    assert "None of these runs has a setting env.name" in capsys.readouterr().err


def test_the_mean_ends_where_the_first_seed_ends(tmp_path: Path, drawn: dict[str, Figure]) -> None:
    whole = [(step, 10.0, 1, step // 10, 0.8) for step in range(100, 1001, 100)]
    write_run(tmp_path / "runs" / "a", seed=1, rows=whole)
    write_run(tmp_path / "runs" / "b", seed=2, rows=[(step, 30.0, *rest) for step, _, *rest in whole[:5]], finished=False)
    _, table = analysis.plot([tmp_path / "runs"], tmp_path / "plot.png")
    (rows,) = plotted(table).values()
    # bins of 20 steps, of which the first with an episode is that of step 100, and the last of both seeds that of 500
    assert [(row["step"], row["mean"], row["low"], row["high"], row["seeds"]) for row in rows] == [
        *((str(step), "20.000", "10.000", "30.000", "2") for step in range(90, 491, 20)),
        *((str(step), "", "", "", "1") for step in range(510, 991, 20)),
    ]
    assert {(row["runs"], row["not_finished"], row["labels_used"]) for row in rows} == {("2", "1", "50-100")}
    page = drawn["plot.png"]
    mean, alone = page.axes[0].get_lines()
    assert alone.get_linestyle() == ":" and set(alone.get_ydata()[25:]) == {10.0} and np.isnan(alone.get_ydata()[:25]).all()
    assert np.isnan(mean.get_ydata()[25:]).all() and set(mean.get_ydata()[4:25]) == {20.0}
    assert legend(page) == [
        "Preferences, 50-100 of 100 labels (2 seeds, 1 not finished)",
        "single seeds, where some have no return",
    ]


def test_many_conditions_and_tasks_are_drawn(tmp_path: Path, drawn: dict[str, Figure]) -> None:
    for task in ("ant", "hopper", "a_gym_task", "walker"):
        for i in range(9):
            write_run(tmp_path / "runs" / f"{task}{i}", task=task, condition=f"kind_{i}", rows=ROWS[:5])
    analysis.plot([tmp_path / "runs"], tmp_path / "plot.png")
    page = drawn["plot.png"]
    assert [*panels(page)] == ["a_gym_task", "Ant", "Hopper", "Walker"]
    looks = [[(line.get_color(), line.get_linestyle()) for line in axes.lines] for axes in page.axes]
    assert len({*looks[0]}) == 9 and looks == [looks[0]] * 4
    assert legend(page) == [f"Kind {i}, 80 of 100 labels (1 seed)" for i in range(9)]


def test_plot_refuses_what_it_cannot_do(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="format"):
        analysis.plot([run], tmp_path / "plot.doc")
    with pytest.raises(UserError, match="cannot be written"):
        analysis.plot([run], run / "config.yaml" / "plot.png")
    with pytest.raises(UserError, match="nothing to draw"):
        analysis.plot([write_run(tmp_path / "short", rows=ROWS[:1])], tmp_path / "plot.png")


def test_curve_png(run: Path, tmp_path: Path, drawn: dict[str, Figure]) -> None:
    analysis.curve_png(run, tmp_path / "curve.png")
    top, accuracy, labels = drawn["curve.png"].axes
    assert top.get_title() == "Hopper: preferences, 100 labels" and top.get_xlim() == (0, 1000)
    assert curves(top, GREEN) == [[(200, -4), (300, -6), (500, 10), (950, 99), (980, 20), (1000, 40)]]
    chance, measured = accuracy.lines
    assert points(measured) == [(300, 50), (500, 70), (950, 80), (1000, 90)] and {y for _, y in points(chance)} == {50}
    assert curves(labels, PINK) == [[(100, 0), (200, 0), (300, 25), (500, 50), (950, 80), (980, 90), (1000, 100)]]
    assert texts(labels) == ["100"] and labels.get_xlabel() == "Environment steps"


@pytest.mark.parametrize(
    ("rows", "shown"),
    [([(*row[:3], 0, "") for row in ROWS], 6), (ROWS[:1], 0)],
)
def test_a_curve_without_labels_has_one_panel(
    rows: Sequence[tuple[Any, ...]], shown: int, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    analysis.curve_png(write_run(tmp_path / "run", rows=rows), tmp_path / "curve.png")
    (top,) = drawn["curve.png"].axes
    assert [len(line) for line in curves(top, GREEN)] == [shown] * bool(shown)
    assert texts(top) == ([] if shown else ["no episode has ended"])


def test_many_rollouts_are_dots_and_their_mean_a_line(tmp_path: Path, drawn: dict[str, Figure]) -> None:
    run = write_run(tmp_path / "run", rows=[(10 * i, i, 1, i, 0.8) for i in range(1, 99)])
    analysis.curve_png(run, tmp_path / "curve.png")
    top = drawn["curve.png"].axes[0]
    dots, mean = curves(top, GREEN)
    assert dots == [(10 * i, i) for i in range(1, 99)] and len(mean) == 40
    np.testing.assert_allclose([y for _, y in mean], [x / 10 for x, _ in mean], atol=1)
    assert legend(top) == ["episodes of one rollout", "mean"]


def test_reward_png(run: Path, tmp_path: Path, drawn: dict[str, Figure]) -> None:
    analysis.reward_png(run, tmp_path / "reward.png")
    (axes,) = drawn["reward.png"].axes
    assert curves(axes, BLUE) == [[(0, 1), (1, 3), (2, 5)]] and axes.get_title() == "Hopper: 3 held-out segments"
    np.testing.assert_allclose(curves(axes, ORANGE), [[(0, 1), (2, 5)]])
    assert legend(axes) == ["least squares, r = 1.000"]
    (run / "heldout.csv").write_text("true_return,predicted_return\n1,1\n1,2\n")
    analysis.reward_png(run, tmp_path / "constant.png")
    (axes,) = drawn["constant.png"].axes
    assert curves(axes, BLUE) == [[(1, 1), (1, 2)]] and not curves(axes, ORANGE) and not legend(axes)
    (run / "heldout.csv").write_text("true_return,predicted_return\n1,1\n2,nan\n")
    with pytest.raises(UserError, match="too few"):
        analysis.reward_png(run, tmp_path / "reward.png")
    (run / "heldout.csv").unlink()
    with pytest.raises(UserError, match="missing"):
        analysis.reward_png(run, tmp_path / "reward.png")


def test_neither_torch_nor_hydra_nor_pyplot_is_loaded() -> None:
    code = "import sys, rlhp.analysis; print({'torch', 'hydra', 'omegaconf', 'matplotlib.pyplot'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# The experiment's own analysis


@pytest.fixture
def first_light(tmp_path: Path) -> Experiment:
    path = Path(__file__).parents[1] / "experiments" / "first_light" / "analysis.py"
    spec = importlib.util.spec_from_file_location("first_light", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "figure2").mkdir()
    random = "env,episodes,mean,std\nhopper,64,-5.5,1\nhalfcheetah,64,0,1\nreacher,64,-9,1\n"
    (tmp_path / "figure2" / "random.csv").write_text(random)
    return replace(module.EXPERIMENT, here=tmp_path / "first_light", steps=1000)


def test_first_light(
    first_light: Experiment,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    drawn: dict[str, Figure],
) -> None:
    runs = tmp_path / "runs"
    (tmp_path / "empty").mkdir()
    write_run(runs / "p", labels=700)
    write_run(runs / "t", condition="true_reward", rows=[(1000, 38.0, 1, 0, "")])
    write_run(runs / "r", task="reacher", labels=700)
    write_run(runs / "half", seed=2, labels=700, rows=ROWS[:3], finished=False)
    first_light([str(runs)])
    said = capsys.readouterr().out
    assert "not finished" in said and "300 of 1,000" in said
    # (35 + 5.5) / (38 + 5.5) = 0.93
    assert "PASS  hopper: 0.93 of" in said and "short  reacher: nan of" in said
    page = drawn.pop("first_light.png")
    assert [*panels(page)] == ["HalfCheetah", "Hopper", "Reacher"]
    assert [texts(axes) for axes in page.axes] == [["no run yet"], [], ["no run yet: true reward"]]
    assert curves(panels(page)["Hopper"], ORANGE)[0] == [(990, 38.0)]
    monkeypatch.chdir(tmp_path / "empty")  # where there is no run directory
    first_light([])
    assert "PASS  hopper: 0.93 of" in capsys.readouterr().out
    np.testing.assert_equal(described(drawn["first_light.png"]), described(page))
