"""`rlhp rate`: whose clips met, what they scored, and what cannot be rated."""

import csv
from math import log10
from pathlib import Path

import numpy as np
import pytest
import yaml

from rlhp import train
from rlhp.cli import main
from rlhp.envs import point
from rlhp.rate import _named, current, report, stored
from rlhp.rate.games import Player, play, score, teacher_of
from rlhp.store import Source, Store
from rlhp.teacher import Oracle
from rlhp.types import Answer, Segment, UserError


def clip(value: float, length: int = 3) -> Segment:
    return Segment(np.full((length, 1), value), np.zeros((length, 1)), np.full(length, value, np.float32), None)


CLIPS = [clip(value) for value in range(12)]
LEFT, RIGHT, EQUAL, CANNOT_TELL = Answer((0, 1)), Answer((1, 0)), Answer((0, 0)), Answer(None)


def stored_run(path: Path, *asked: tuple[int, tuple[int, ...], Answer]) -> Path:
    """A run that asked at these steps about these of the CLIPS, and was answered so."""
    path.mkdir(parents=True, exist_ok=True)
    store = Store(path / "preferences.sqlite")
    for number, (step, shown, answer) in enumerate(asked):
        store.ask([tuple(CLIPS[i] for i in shown)], step)
        store.answer({number: answer})
    store.close()
    return path


OVER_TIME = [
    (100, (0, 1), LEFT),  # between clips of one part
    (200, (2, 0), LEFT),
    (200, (3, 1), EQUAL),
    (300, (4, 0), LEFT),
    (300, (1, 5), CANNOT_TELL),
    (300, (2, 5, 0), Answer((1, 0, 2))),  # of 200, 300 and 100: three pairs, which are one game in all
]


def test_answers_between_parts_of_a_run_are_its_games(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", *OVER_TIME)
    found = stored.answered({"run": run}, groups=3)
    assert found.names == ("100", "200", "300") and found.answers == 4
    assert found.points * 6 == pytest.approx(np.array([[0, 3, 0], [9 + 2, 0, 0], [6 + 2, 2, 0]]))


def test_what_somebody_says_once_more_is_no_game(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", *OVER_TIME)
    before = stored.answered({"run": run}, 3).points
    store = Store(run / "preferences.sqlite")
    store.answer({1: RIGHT}, "human:a", Source.HUMAN)
    with store.database.writing() as db:
        db.execute("UPDATE answer SET round = 1 WHERE teacher = 'human:a'")
    store.close()
    assert np.array_equal(stored.answered({"run": run}, 3).points, before)


def test_parts_hold_about_as_many_clips_and_steps_stay_whole(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", *OVER_TIME)
    parts = stored.periods(run, groups=2)
    assert sorted(parts.values()) == ["100-200"] * 4 + ["300"] * 2
    assert set(stored.periods(run, groups=50).values()) == {"100", "200", "300"}
    assert set(stored.periods(run, groups=1).values()) == {"100-300"}


def test_a_ranking_of_one_policy_and_another_counts_its_pairs_between_them() -> None:
    found = score(["a", "b"], [((0, 0, 1, 1), Answer((0, 3, 1, 2)))])
    assert found.points.tolist() == [[0, 2 / 6], [2 / 6, 0]] and found.answers == 1


def test_each_two_meet_and_each_clip_plays_once() -> None:
    names = [Player("ab"[i], tuple(clip(10.0 * i + k) for k in range(6))) for i in range(2)]
    found = play(names, Oracle(), games=4, seed=0)
    assert found.points.tolist() == [[0, 0], [4, 0]] and found.answers == 4
    third = Player("c", tuple(clip(0.5) for _ in range(5)))
    met: list[Segment] = []

    def teacher(queries, step):
        met.extend(one for query in queries for one in query.clips)
        return Oracle()(queries, step)

    found = play([*names, third], teacher, games=4, seed=0)
    assert (found.points + found.points.T).tolist() == [[0, 2, 2], [2, 0, 2], [2, 2, 0]], (
        "5 clips are enough for 2 of each 2 others"
    )
    assert len({id(one) for one in met}) == len(met) == 12
    assert play([*names, Player("c", third.clips[:2])], Oracle(), 4, 0).points.sum() == 3, "one game of each two"
    with pytest.raises(UserError, match="c has 1 clips, too few to play 2 others"):
        play([*names, Player("c", third.clips[:1])], Oracle(), 4, 0)


def test_the_noisy_teacher_is_that_of_the_settings() -> None:
    teacher = teacher_of("noisy", seed=3)
    assert (teacher.seed, teacher.beta, teacher.mistake) == (3, 10.0, 0.1)  # type: ignore[attr-defined]


def test_the_table_and_its_file(tmp_path: Path) -> None:
    """Two parts, of which the second won 5 of 6 games: with a draw each, 5 - 6 p = q - 1/2 where logit p = 2 logit q."""
    games = [(200, (6 + i, i), LEFT if i else RIGHT) for i in range(6)]
    run = stored_run(tmp_path / "run", (100, (0, 1, 2, 3, 4, 5), CANNOT_TELL), *games)
    said = report([run], out=tmp_path / "ratings.csv", groups=2)
    first, second = csv.DictReader((tmp_path / "ratings.csv").read_text().splitlines())
    assert (first["policy"], second["policy"], second["games"], float(second["score"])) == (
        "100",
        "200",
        "6",
        pytest.approx(5 / 6, 1e-5),
    )
    odds = 10 ** (float(second["elo"]) / 400)
    assert 5 - 6 * odds**2 / (1 + odds**2) == pytest.approx(odds / (1 + odds) - 0.5, abs=1e-5)
    assert float(first["elo"]) == -float(second["elo"]) and 0 < float(second["elo"]) < 200 * log10(5)
    assert float(second["low"]) < 0 < float(second["high"])
    assert "6 stored answers between them" in said and "83 %" in said and "the mean at 0" in said
    assert "100 at 0" in report([run], anchor="100", groups=2)


def test_runs_are_called_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/run", "b/run"):
        stored_run(tmp_path / name, *OVER_TIME)
    assert _named([Path("a/run"), Path("b/run"), Path("a/../a/run")]) == {"a/run": Path("a/run"), "b/run": Path("b/run")}
    assert _named([Path("b"), Path("a")]) == {"b": Path("b"), "a": Path("a")}
    monkeypatch.chdir("a/run")
    assert _named([Path()]) == {"run": Path()}
    with pytest.raises(UserError, match=r"There is no preference store in \.\./nowhere: give the directory of a run"):
        report([Path("../nowhere")])


def test_the_oracle_rates_the_clips_that_a_run_asked_about(tmp_path: Path) -> None:
    asked = [(100 * (i // 2 + 1), (2 * i, 2 * i + 1), LEFT) for i in range(6)]
    run = stored_run(tmp_path / "run", *asked)
    rows = [line.split() for line in report([run], "oracle", groups=3).splitlines()]
    table = {row[0]: float(row[1]) for row in rows if row and row[0] in ("100", "200", "300")}
    assert table["100"] < table["200"] < table["300"]


class Pushed:
    """What has learned to push the point one way: inwards by 1, outwards by -1."""

    def __init__(self, way: float) -> None:
        self.way = way

    def make_env(self, n_envs: int, seed: int) -> object:
        return point.make(n_envs, seed)

    def policy(self, obs: np.ndarray, deterministic: bool) -> np.ndarray:
        return np.clip(-10 * self.way * obs, -1, 1).astype(np.float32)


def two_policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **differs: object) -> list[Path]:
    runs = [tmp_path / "outwards", tmp_path / "inwards"]
    for run, other in zip(runs, ({}, differs), strict=True):
        run.mkdir()
        env = {"_target_": "rlhp.envs.point.make", "n_envs": 2, "seed": len(run.name), **other}
        (run / "config.yaml").write_text(yaml.safe_dump({"env": env, "clip_steps": 5}))
    monkeypatch.setattr(train, "load", lambda run: Pushed(1 if run.name == "inwards" else -1))
    return runs


def test_policies_of_several_runs_are_compared_by_new_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = report(two_policies(tmp_path, monkeypatch), "oracle", games=40)
    rows = [line.split() for line in said.splitlines()]
    first, second = (row for row in rows if row and row[0] in ("inwards", "outwards"))
    assert first[0] == "inwards" and first[4] == second[4] == "40" and float(first[1]) == -float(second[1]) > 100
    assert said == report([tmp_path / "outwards", tmp_path / "inwards"], "oracle", games=40), "by its seed"


def test_runs_of_different_tasks_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="outwards and inwards have different tasks"):
        report(two_policies(tmp_path, monkeypatch, horizon=7), "oracle")


def test_clips_hold_steps_of_one_episode() -> None:
    """Episodes of 12 steps hold two clips of 5, and the rewards of both are those that the environment gave."""
    env, given = point.make(1, seed=0, horizon=12), []
    step = env.step
    env.step = lambda act: given.append(out := step(act)) or out
    stretches = current._stretches(lambda obs: np.zeros((1, 2), np.float32), env, 5)
    ends = [(t, one) for t in range(env.horizon + 5) for one in next(stretches)]
    assert env.horizon == 12
    assert [t for t, _ in ends] == [4, 9, 16]
    assert ends[0][1].true_reward.tolist() == [out[1][0] for out in given[:5]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{run}", "--groups", "1"], "--groups 1"),
        (["{run}", "--games", "0", "--teacher", "oracle"], "--games 0"),
        (["{run}", "-o", "table.txt"], "is not a .csv file"),
        (["{run}", "-o", "{run}/preferences.sqlite/table.csv"], "cannot be written"),
        (["{run}", "--anchor", "me"], "no policy is called me: --anchor is one of 100, 200, 300"),
        (["{alone}"], "no stored answer compares clips of different steps"),
        (["{alone}", "--teacher", "oracle"], "clips from fewer than two steps"),
        (["{apart}"], "do not compare 100 with 300, directly or through others"),
        (["{nothing}"], "nothing"),
        (["{run}", "{alone}", "--teacher", "oracle"], "is not a run directory"),
    ],
)
def test_what_cannot_be_rated_gets_one_sentence(arguments, told, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = {
        "run": stored_run(tmp_path / "run", *OVER_TIME),
        "alone": stored_run(tmp_path / "alone", OVER_TIME[0]),
        "apart": stored_run(tmp_path / "apart", *OVER_TIME[:2], (300, (8, 9), LEFT), (400, (10, 8), LEFT)),
        "nothing": tmp_path / "nothing",
    }
    assert main(["rate", *(each.format(**runs) for each in arguments)]) == 2
    said = capsys.readouterr()
    assert told in said.err and said.err.count("\n") == 1 and not said.out
