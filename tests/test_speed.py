"""The benchmark of `experiments/speed`: what it writes, what it concludes, and that it runs."""

from __future__ import annotations

import csv
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import gymnasium
import numpy as np
import pytest
from figures import legend

from rlhp.envs.tasks import TASKS

SPEED = Path(__file__).parents[1] / "experiments" / "speed"
MODULES = ("benchmark", "machine", "peer_tasks", "shares", "targets", "variants")
TINY = (
    "n_envs=2",
    "agent.n_steps=64",
    "agent.batch_size=64",
    "labels=8",
    "clip_steps=10",
    "training_schedule.first_per_1000_steps=5",
)
RATES = {
    "raw": [100.0, 120.0, 80.0],
    "sampling": [80.0, 60.0, 64.0],
    "loop_true": [50.0, 60.0, 40.0],
    "loop_700": [40.0, 48.0, 50.0],
    "sb3": [10.0, 10.0, 10.0],
}


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The experiment's modules, which import each other as scripts do."""
    monkeypatch.syspath_prepend(str(SPEED))
    modules: dict[str, ModuleType] = {name: importlib.import_module(name) for name in MODULES}
    yield SimpleNamespace(**modules)
    for name in MODULES:
        del sys.modules[name]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_results_are_medians_and_ratios_are_taken_within_a_round(speed, tmp_path):
    speed.benchmark.write(tmp_path, {"hopper": RATES})
    text = (tmp_path / "results.csv").read_text().splitlines()
    assert text[0] == "env,what,steps_per_s,ratio_to_raw,rounds"
    assert text[1:3] == ["hopper,raw,100,1.0000,3", "hopper,sampling,64,0.8000,3"]
    assert speed.benchmark.read(tmp_path) == {"hopper": RATES}


@pytest.mark.parametrize("name", ["halfcheetah", "swimmer", "reacher", "hopper"])
def test_peers_are_compared_on_the_same_tasks(speed, name):
    """Observation, reward and length of an episode are those of rlhp's task, from the same start and with the same actions."""
    id, arguments, wrappers = speed.peer_tasks.TASKS[name]
    env, task = gymnasium.make(id, **arguments), TASKS[name]
    for wrapper in wrappers:
        env = wrapper(env)
    data = env.unwrapped.data

    def state():
        return {field: np.array(getattr(data, field))[np.newaxis] for field in task.reads}

    env.action_space.seed(0)
    obs, _ = env.reset(seed=0)
    assert env.spec.max_episode_steps == task.horizon == speed.peer_tasks.EPISODE.get(name, 1000)
    for _ in range(task.horizon - 1):
        before = state()
        obs, reward, ended, cut, _ = env.step(env.action_space.sample())
        after = state()
        assert reward == pytest.approx(task.reward(before, after, task.robot.dt).item(), abs=1e-6)
        assert obs == pytest.approx(task.observe(after)[0]) and not ended and not cut
    assert env.step(env.action_space.sample())[2:4] == (False, True)
    env.close()


def test_report_draws_and_judges(speed, tmp_path, capsys, drawn):
    speed.benchmark.write(tmp_path, {"hopper": RATES, "swimmer": RATES})
    (tmp_path / "peer.csv").write_text(
        "task,what,run,seconds,true_return\n" + "".join(f"halfcheetah,{row}\n" for row in ("imitation,0,90,300", "rlhp,0,10,290"))
    )
    (tmp_path / "memory.csv").write_text("env,steps,peak_mib\nhopper,200,400\nhopper,2000,420\n")
    speed.benchmark.report(tmp_path)
    (axes,) = drawn["speed.png"].axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["hopper\nraw 0.1k", "swimmer\nraw 0.1k"]
    heights = [round(bar.get_height(), 6) for bar in axes.patches]
    assert heights == [each for each in (0.8, 0.5, 0.4, 0.1) for _ in ("hopper", "swimmer")]
    assert len(legend(drawn["speed.png"])) == 4
    printed = capsys.readouterr().out
    verdicts = {line.split(maxsplit=5)[5]: line.split()[:2] for line in printed.splitlines() if line[:4] in ("PASS", "FAIL")}
    assert verdicts["hopper: sampling, share of raw"] == ["PASS", "0.80"]
    assert verdicts["hopper: whole loop with 700 labels, share of raw"] == ["PASS", "0.40"]
    assert verdicts["hopper: time with 700 labels, of the time on the true reward"] == ["FAIL", "1.25"]
    assert verdicts["hopper: whole loop with 700 labels, times Stable-Baselines3's speed"] == ["PASS", "4.80"]
    assert verdicts["halfcheetah: times imitation's speed"] == ["FAIL", "9.00"]
    assert verdicts["halfcheetah: true return after as many steps, compared with imitation's"] == ["FAIL", "290.00"]
    assert verdicts["peak memory at 2,000 steps, of that at 200"] == ["PASS", "1.05"]


def test_a_whole_run_is_its_start_and_the_rest_at_the_rate_of_the_window(speed):
    start, window = speed.variants.Window(200, 4.0), speed.variants.Window(100, 1.0)
    assert speed.benchmark.whole_run(start, window, 1000) == 1000 / (4 + 8)


def test_time_counts_for_the_innermost_part_alone(speed, monkeypatch):
    now = iter([0.0, 1.0, 3.0, 7.0, 15.0, 31.0])
    monkeypatch.setattr(speed.shares, "perf_counter", lambda: next(now))
    clock = speed.shares.Clock()
    inner = clock.timed(lambda: None, "inner")
    clock.timed(inner, "outer")()
    clock.switch()
    assert dict(clock.seconds) == {speed.shares.REST: 1.0 + 16.0, "outer": 2.0 + 8.0, "inner": 4.0}


def test_every_part_of_the_profile_exists(speed):
    before = {(owner, name): owner.__dict__.get(name) for owner, name, _ in speed.shares.PARTS}
    with speed.shares.watching(speed.shares.Clock()):
        assert all(owner.__dict__[name] is not method for (owner, name), method in before.items())
    assert {(owner, name): owner.__dict__.get(name) for owner, name, _ in speed.shares.PARTS} == before


@pytest.mark.slow
def test_benchmark_runs(tmp_path):
    options = ["--tasks", "hopper", "--rounds", "2", "--seconds", "0.05", "--out", str(tmp_path)]
    command = [sys.executable, str(SPEED / "benchmark.py"), *options, *TINY, "query.min_segments_per_label=1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = rows(tmp_path / "results.csv")
    assert list(results[0]) == ["env", "what", "steps_per_s", "ratio_to_raw", "rounds"]
    assert [(row["env"], row["what"], row["rounds"]) for row in results] == [
        ("hopper", what, "2") for what in ("raw", "sampling", "loop_true", "loop_700", "sb3")
    ]
    assert all(float(row["steps_per_s"]) > 0 for row in results)
    assert len(rows(tmp_path / "rounds.csv")) == 10
    assert {path.name for path in tmp_path.iterdir()} == {"results.csv", "rounds.csv", "machine.json", "speed.png"}


GAME_RATES = {
    "raw": [100.0, 100.0, 100.0],
    "sampling": [70.0, 80.0, 50.0],
    "loop_true": [30.0, 24.0, 30.0],
    "loop_5500": [16.0, 20.0, 15.0],
    "sb3": [5.0, 5.0, 6.0],
    "sb3_one_thread": [10.0, 8.0, 10.0],
    "sb3_workers": [20.0, 2.0, 2.0],
}


@pytest.fixture
def games(speed, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """games.py with the modules that it imports."""
    pytest.importorskip("ale_py", reason="an extra that is not installed")
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, getattr(speed, name))
    module = importlib.import_module("games")
    for name in ("games", "game_variants"):
        monkeypatch.delitem(sys.modules, name)
    return module


def test_games_are_judged_beside_the_fastest_stock(games):
    """Medians: 0.7 of raw; 3 and 1.6 times the 10 of one thread, which is the fastest of the three by its median."""
    found = {target.what: (target.measured, target.met) for target in games.judged({"pong nature": GAME_RATES})}
    assert found == {
        "pong nature: sampling, share of raw": (0.7, True),
        "pong nature: loop_true, times Stable-Baselines3's speed": (3.0, True),
        "pong nature: loop_5500, times Stable-Baselines3's speed": (1.6, False),
    }
    assert [t.met for t in games.judged({"pong small": GAME_RATES})] == [True, False]


def test_a_first_fit_cut_short_is_counted_whole(games, monkeypatch):
    """2 seconds of fits, a twentieth of what they should be: 38 more than the 10 that the beginning took."""
    variants, told = sys.modules["variants"], []
    connection = SimpleNamespace(send=told.append, recv=lambda: 1.0)
    game_variants = games.measure.__globals__["work"].__globals__
    clock = game_variants["FitClock"]()
    clock.seconds = 2.0
    monkeypatch.setattr(variants, "perf_counter", lambda: 10.0)
    gate = game_variants["_Lengthening"](connection, clock=clock, share=0.05)
    gate.began = 0.0
    gate(100, ready=False)
    assert not told
    gate(100)
    assert [(window.steps, window.seconds) for window in told] == [(100, pytest.approx(48.0))]


@pytest.mark.slow
def test_the_benchmark_of_games_runs(tmp_path):
    pytest.importorskip("ale_py", reason="an extra that is not installed")
    tiny = ("n_envs=2", "agent.n_steps=32", "agent.batch_size=32", "labels=8", "first_labels=4", "query.min_segments_per_label=1")
    options = ["--rounds", "1", "--seconds", "0.05", "--networks", "small", "--out", str(tmp_path)]
    command = [sys.executable, str(SPEED / "games.py"), *options, *tiny]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert [(row["env"], row["what"]) for row in rows(tmp_path / "results.csv")] == [("pong small", name) for name in GAME_RATES]
    assert all(float(row["steps_per_s"]) > 0 for row in rows(tmp_path / "rounds.csv"))


def test_atari_ratios_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Medians of three rounds of 100 steps; ratios are taken within the rounds."""
    pytest.importorskip("ale_py", reason="an extra that is not installed")
    monkeypatch.syspath_prepend(str(SPEED))
    atari_ppo = importlib.import_module("atari_ppo")
    monkeypatch.delitem(sys.modules, "atari_ppo")
    seconds = {atari_ppo.STOCK: [(1.0, 4.0), (1.0, 3.0), (2.0, 8.0)], "other": [(1.0, 1.0), (0.5, 1.5), (0.2, 0.8)]}
    stock, other = atari_ppo.table(seconds, steps=100)
    assert stock[1:] == (100.0, 25.0, 20.0, 1.0)
    assert other[1:] == pytest.approx((200.0, 100.0, 50.0, 2.5))  # of 2.5, 2 and 10
