"""The modes of one loop: lock-step, late answers, a person in another process, a recorded run once more."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import comparing
import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp.run import create
from rlhp.run.record import read_table
from rlhp.schedule import Annealed
from rlhp.train import build, train
from rlhp.types import Rollout, UserError

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")

ROLLOUT, TOTAL, LABELS = 128, 5 * 128, 40
STEPS = range(ROLLOUT, TOTAL + 1, ROLLOUT)
TINY = [
    *("env=point", "n_envs=2", "threads=1", "agent.n_steps=64", f"total_steps={TOTAL}", f"labels={LABELS}", "clip_steps=4"),
    *("query.min_segments_per_label=1", "training_schedule.first_per_1000_steps=5", "training_schedule.per_1000_steps=20"),
]
HUMAN = ("teacher=human", "page=null", "max_pending=0", "watched=false")  # whoever answers does so at the store
PERSON = """
import sys, time
from pathlib import Path
from rlhp.store import AnnotationQueue, Reply, Store

path, (patience, first, labels) = Path(sys.argv[1]), map(int, sys.argv[2:])
while not path.exists():
    time.sleep(0.01)
store = Store(path)
desk = AnnotationQueue(store.database, now=lambda: time.time() - 60)  # what was answered a minute ago rests no longer
while True:
    early, late = store.answered < first, store.asked >= labels  # when training waits for every answer
    while store.asked - store.answered > (0 if early or late else patience) and (pairs := desk.assign("annotator-1", 1)):
        pair, said = pairs[0], "unsure"
        left, right = (store.segment(name).true_reward.sum() for name in pair.clips)
        if pair.query % 5 < 4:
            said = "equal" if pair.query % 5 == 3 or left == right else "left" if left > right else "right"
        desk.answer("annotator-1", Reply(pair.query, pair.round, pair.clips, said, 1.0))
    time.sleep(0.01)
"""


def settings(*overrides: str) -> dict[str, Any]:
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", [*TINY, *overrides]), resolve=True, throw_on_missing=True)  # type: ignore[return-value]


def trained(path: Path, *overrides: str) -> dict[str, list[float]]:
    """The columns of a run's metrics; NaN where a row has no number."""
    train(settings(*overrides), path)
    rows = read_table(path / "metrics.csv")
    assert [int(row["step"]) for row in rows] == list(STEPS)
    return {name: [float(row[name] or "nan") for row in rows] for name in rows[0] | rows[-1]}


@contextmanager
def person(path: Path, patience: int) -> Iterator[None]:
    """Another process that answers when more than `patience` questions are open, or one of the first or last is."""
    numbers = map(str, (patience, Annealed(LABELS, TOTAL)(0), LABELS))
    with subprocess.Popen([sys.executable, "-c", PERSON, str(path / "preferences.sqlite"), *numbers]) as process:
        try:
            yield
        finally:
            process.kill()


def replayed_alike(path: Path, again: Path) -> None:
    trained(again, "teacher=replay", f"teacher.run={path}")
    assert (again / "metrics.csv").read_bytes() == (path / "metrics.csv").read_bytes()
    assert (again / "heldout.csv").read_bytes() == (path / "heldout.csv").read_bytes()


def test_lock_step_has_every_label_when_it_is_wanted(tmp_path: Path) -> None:
    columns = trained(tmp_path / "one")
    level = Annealed(LABELS, TOTAL)
    assert columns["labels"] == columns["asked"] == [level(0), *(level(step) for step in STEPS[1:])]
    assert columns["labels"][-1] == LABELS
    trained(tmp_path / "two")
    assert (tmp_path / "one" / "metrics.csv").read_bytes() == (tmp_path / "two" / "metrics.csv").read_bytes()
    replayed_alike(tmp_path / "one", tmp_path / "three")


def test_late_answers_are_used_late_and_nothing_waits(tmp_path: Path) -> None:
    columns = trained(tmp_path / "one", "teacher=delayed", f"teacher.delay={2 * ROLLOUT}", "max_pending=null")
    assert columns["labels"] == [0, 0, *columns["asked"][:-2]]
    updated = [entropy == entropy for entropy in columns["entropy"]]
    assert updated == [False, False, False, True, True]  # until the initial labels are fitted, the random policy explores
    replayed_alike(tmp_path / "one", tmp_path / "two")


@pytest.mark.timeout(120)  # if the person is gone, the loop waits for ever
def test_a_person_in_lock_step(tmp_path: Path) -> None:
    with person(tmp_path / "one", patience=0):
        columns = trained(tmp_path / "one", *HUMAN)
    assert columns["labels"] == columns["asked"] and columns["labels"][-1] == LABELS
    replayed_alike(tmp_path / "one", tmp_path / "two")


@pytest.mark.timeout(120)
def test_training_goes_on_ahead_of_a_person(tmp_path: Path) -> None:
    with person(tmp_path / "one", patience=15):
        columns = trained(tmp_path / "one", *HUMAN, "max_pending=20")
    ahead = [asked - labels for asked, labels in zip(columns["asked"], columns["labels"], strict=True)]
    assert 0 < max(ahead) <= 20 and columns["asked"][-1] == columns["labels"][-1] == LABELS
    replayed_alike(tmp_path / "one", tmp_path / "two")


def test_answers_are_repeated_to_the_same_questions_alone(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(UserError, match=r"other settings \(clip_steps, memory.length, seed\); repeat those"):
        build(settings("teacher=replay", f"teacher.run={tmp_path}", "seed=2", "clip_steps=5"))


def test_a_fresh_agent_on_the_reward_of_an_earlier_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, kept = tmp_path / "one", []
    monkeypatch.setattr("rlhp.train.job.write_heldout", lambda path, clips, reward: kept.append(reward))
    trained(source)
    frozen = ("reward_model=frozen", f"reward_model.run={source}")
    columns = trained(tmp_path / "two", *frozen)
    assert columns["labels"] == columns["asked"] == [0.0] * len(STEPS) and "train_loss" not in columns
    assert all(entropy == entropy for entropy in columns["entropy"])  # updated from the first rollout on
    rng = np.random.default_rng(0)
    obs, act = (rng.normal(size=(7, 3, 2)).astype(np.float32) for _ in range(2))
    rollout = Rollout(obs, act, np.zeros((7, 3)), np.zeros((7, 3), bool), None, np.zeros(0))
    learned, before, after = kept[0], build(settings(*frozen)).reward, kept[1]
    assert (
        learned(rollout).std() > 0 and (before(rollout) == learned(rollout)).all() and (after(rollout) == learned(rollout)).all()
    )
    again = build(settings("reward_model=frozen", f"reward_model.run={tmp_path / 'two'}")).reward  # of a run that was on it
    assert (again(rollout) == learned(rollout)).all()
    late = build(settings(*frozen, "reward_input=next_obs")).reward
    assert (late(comparing.led_to(rollout, obs + 1)) == learned(replace(rollout, obs=obs + 1))).all()


@pytest.mark.parametrize("choice, key", [("teacher=replay", "teacher.run"), ("reward_model=frozen", "reward_model.run")])
def test_a_run_that_is_not_there(choice: str, key: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        build(settings(choice, f"{key}={tmp_path}"))
    create(tmp_path, settings())
    with pytest.raises(UserError, match=r"no checkpoint yet|no preference store"):
        build(settings(choice, f"{key}={tmp_path}"))


def test_a_frozen_reward_judges_what_it_has_learned_to_judge(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(UserError, match="learned on env=point, whose observations or actions are of another size"):
        build(settings("env=hopper", "reward_model=frozen", f"reward_model.run={tmp_path}"))


def test_the_true_reward_needs_nobody(tmp_path: Path) -> None:
    columns = trained(tmp_path, "condition=true_reward")
    assert columns["labels"] == columns["asked"] == [0.0] * len(STEPS)
    assert columns["reward_corr"] == pytest.approx([1.0] * len(STEPS)) and columns["reward_mean"] == columns["true_reward"]


@pytest.mark.parametrize("max_pending", [0, 20])
def test_waiting_for_who_answers_by_the_step_would_never_end(max_pending: int) -> None:
    questions = {0: {"_target_": "rlhp.types.Recorded", "clips": [], "answers": [[0, None]]}}
    recorded = {"_target_": "rlhp.teacher.Replay", "questions": questions, "digest": None}
    for late in (settings("teacher=delayed")["teacher"], recorded):
        with pytest.raises(UserError, match="max_pending=null"):
            build({**settings(f"max_pending={max_pending}"), "teacher": late})
