"""People who teach while the agent acts: DAgger's labels from held keys, COACH's praise, at a page."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pages import until
from test_play import NONE, RIGHT, UP, Player, Script, Time

from rlhp import film, train
from rlhp.envs import point
from rlhp.live import Clock, Pacer
from rlhp.run import last_checkpoint, last_served
from rlhp.train import people
from rlhp.types import Rollout, UserError

TINY = ["env=point", "env.horizon=20", "teacher=human", "page.port=0", "threads=1", "torch_threads=1", "agent.n_steps=16"]
DAGGER = [
    *("condition=dagger", "n_envs=2", "loop.steps=40", "total_steps=80", "checkpoint_every=40", "loop.evaluate_episodes=2"),
    "agent.batch_size=16",
]
FIT = ["loop.fit_steps=300", "loop.batch_size=32"]

# a person's hand on the clock


def pacer(*turns: Any, dt: float = 0.1) -> tuple[Pacer, Script]:
    time = Time()
    stage = Script(time, *turns)
    return Pacer(stage, Clock(dt, time)), stage  # type: ignore[arg-type]


def test_no_step_is_due_before_the_person_starts_nor_while_they_pause() -> None:
    paced, stage = pacer(RIGHT, "start", NONE, "pause", RIGHT, "pause", "start", UP)
    assert [paced.turn().held for _ in range(2)] == [(), UP]
    with pytest.raises(KeyboardInterrupt):
        paced.turn()
    assert [status["phase"] for status in stage.shown] == ["playing", "paused", "paused", "playing"]


def test_the_page_is_told_where_things_stand() -> None:
    paced, stage = pacer("start", "speed=0.5", "pause")
    paced.rest("Round 1.")
    with pytest.raises(KeyboardInterrupt):
        while True:
            paced.turn()
    paced.busy("Wait.")
    paced.show(np.zeros((4, 4, 3), np.uint8), progress="3 steps")
    told = [(status["phase"], status.get("say"), status.get("go"), status["speed"]) for status in stage.shown]
    assert told == [
        ("ready", "Round 1.", "Start", 1.0),
        ("playing", "Round 1.", None, 1.0),
        ("playing", "Round 1.", None, 0.5),
        ("paused", "Paused.", "Go on", 0.5),
        ("busy", "Wait.", None, 0.5),
        ("busy", "Wait.", None, 0.5),
    ]
    assert stage.shown[-1]["progress"] == "3 steps"


# COACH's trainer


def setup(**more: Any) -> Any:
    env = point.make(1, 0)
    return SimpleNamespace(env=env, settings={"n_envs": 1, "film": {"_target_": "rlhp.film.Point"}, **more}, total_steps=40)


def test_praise_counts_at_the_step_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = (people.GOOD,), (people.BAD,)
    paced, stage = pacer("start", NONE, good, NONE, bad, bad, (*bad, *good), dt=0.1)

    @contextmanager
    def audience(*_: Any, **facts: Any) -> Iterator[Any]:
        with film.Point().clip_renderer(16) as shoot:
            yield paced, shoot

    monkeypatch.setattr(people, "audience", audience)
    steps = np.zeros((6, 1))
    rollout = Rollout(np.zeros((6, 1, 2)), np.zeros((6, 1, 2)), steps, steps.astype(bool), None, np.zeros(0))
    with people.HumanTrainer(setup()).present(None) as judge:  # type: ignore[arg-type]
        assert judge(rollout, 6)[:, 0].tolist() == [0, 1, 0, -1, 0, 1]  # a key that is held counts once
    assert stage.shown[-1]["progress"] == "5 of 40 steps"
    assert stage.shown[-1]["kept"] == "1 good, 1 bad"


def test_a_person_watches_one_environment() -> None:
    with pytest.raises(UserError, match="set n_envs=1"):
        people.HumanTrainer(setup(n_envs=2))


def test_open_tabs_live_through_a_restart(tmp_path: Path) -> None:
    addresses, run = [], SimpleNamespace(path=tmp_path)
    for _ in range(2):
        with people.audience(setup(page={"host": "127.0.0.1", "port": 0}), run, title="Teach", keys=[]):  # type: ignore[arg-type]
            page = last_served(tmp_path)
            assert page is not None
            addresses.append(page.address())
    assert addresses[0] == addresses[1]


# whole runs, with somebody at the page


@contextmanager
def taught(path: Path, does: Callable[[Player], None]) -> Iterator[list[Exception]]:
    """Somebody at the page of a run in this process, from when it is there on."""
    faults: list[Exception] = []

    def teach() -> None:
        player = Player(people_at(path))
        try:
            does(player)
        except Exception as error:
            faults.append(error)
        finally:
            player.client.close()

    thread = Thread(target=teach)
    thread.start()
    yield faults
    thread.join(60)
    assert not thread.is_alive() and faults == []


def people_at(path: Path) -> str:
    page = until(lambda: last_served(path))
    return f"http://127.0.0.1:{page.port}/?token={page.token}"


def rows(path: Path, name: str = "metrics.csv") -> list[dict[str, str]]:
    with (path / name).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_dagger_learns_the_keys_that_a_person_holds(tmp_path: Path) -> None:
    def hold_right(player: Player) -> None:
        player.order("speed", 4)
        for number in (1, 2):
            player.see(phase="ready", say=f"Round {number}: {'you act' if number == 1 else ROUND}.")
            player.press("ArrowRight")
            player.order("start")
            player.see(phase="playing")

    with taught(tmp_path, hold_right):
        train.train(train.compose([*TINY, *DAGGER, *FIT]), tmp_path)
    assert last_checkpoint(tmp_path)["loop"]["data/act"].tolist() == [[1, 0]] * 80
    act = train.load(tmp_path).policy(np.array([[0.5, 0.5], [-0.5, 0.0]]))
    assert act == pytest.approx(np.array([[1, 0], [1, 0]]), abs=0.4)
    assert [row["labelled"] for row in rows(tmp_path)] == ["40", "80"]
    assert "expert_error" not in rows(tmp_path)[0]


ROUND = "the learner acts; hold the keys that you would press"


def test_coach_hears_what_a_person_says(tmp_path: Path) -> None:
    def praise(player: Player) -> None:
        player.see(phase="ready")
        player.order("speed", 4)
        player.order("start")
        for _ in range(6):
            player.press("ArrowUp")
            player.press()

    with taught(tmp_path, praise):
        train.train(train.compose([*TINY, "condition=coach", "total_steps=48", "checkpoint_every=48"]), tmp_path)
    signals = [float(row["signals"]) for row in rows(tmp_path)]
    assert 1 <= signals[-1] <= 6 and {row["praise"] for row in rows(tmp_path)} <= {"1", ""}
    kept = rows(tmp_path, people.FEEDBACK)
    assert {row["feedback"] for row in kept} == {"1"} and len(kept) == signals[-1]
    assert all(1 <= int(row["step"]) <= 48 for row in kept)


@pytest.mark.parametrize(
    ("override", "complaint"),
    [("loop.keep=expert_error", "loop.keep=newest"), ("film=null", "cannot be rendered"), ("keyboard=null", "has no keys")],
)
def test_what_people_cannot_do_is_refused(override: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        train.build(train.compose([*TINY, *DAGGER, *FIT, override]))
