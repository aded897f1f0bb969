"""Demonstrations beside preferences: an expert's clips beat the policy's, nobody is asked, and no label is spent."""

import json
from pathlib import Path
from types import SimpleNamespace

import comparing
import numpy as np
import pytest
import torch
from test_contracts import TINY, Killed, N, T, die_in_the_last_round, resolved
from test_store import LEFT, RIGHT, Clock, questions

from rlhp import demonstrations
from rlhp.answers import export_labels, import_labels, report, text
from rlhp.envs import point
from rlhp.memory import Recent
from rlhp.query import Demonstrated
from rlhp.rate import stored
from rlhp.reward.dataset import Dataset
from rlhp.run.record import read_table
from rlhp.store import AnnotationQueue, Source, Store, UndoWindow, asked, labels, recorded
from rlhp.train import build, train
from rlhp.types import Demonstrations, Episode, Segment, Steps, UserError

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "preferences.sqlite"


@pytest.fixture
def store(path: Path):
    opened = Store(path, rest=UndoWindow(0), now=(clock := Clock()), sleep=clock.wait)
    yield opened
    opened.close()


def expert(steps: int, first: float = 0.0) -> Episode:
    """Its observation, action and reward count its steps."""
    count = first + np.arange(steps + 1, dtype=np.float64)[:, np.newaxis]
    return Episode(count, count[:-1] + 0.25, count[:-1, 0].astype(np.float32) + 0.5)


# In the store


def test_what_demonstrations_answer_is_learned_from_and_counted_apart(store: Store) -> None:
    store.demonstrate(questions(2), step=5)
    store.ask(questions(1, first=10), step=5)
    assert (store.demonstrated, store.asked, store.answered, store.used) == (2, 1, 0, 0)
    assert [query.id for query in store.unanswered()] == [2]
    store.answer({2: RIGHT})
    comparisons = store.collect(5)
    assert (store.demonstrated, store.asked, store.answered, store.used) == (2, 1, 1, 1)
    assert comparisons.query.tolist() == [0, 1, 2] and comparisons.always_kept.tolist() == [True, True, False]
    assert comparing.mu(comparisons).tolist() == [1, 1, 0]
    assert Store(store.path).collect(6).always_kept.tolist() == [True, True, False], "opened later too"


def test_going_back_undoes_them_as_it_does_what_the_teacher_said(store: Store) -> None:
    store.demonstrate(questions(2), step=5)
    store.collect(5)
    store.restore(5)
    assert store.demonstrated == 2 and len(store.collect(6)) == 2
    store.restore(4)
    assert store.demonstrated == 0 and len(store.collect(6)) == 0
    with store.database.reading() as db:
        assert (
            db.execute("SELECT COUNT(*) FROM query").fetchone() == db.execute("SELECT COUNT(*) FROM segment").fetchone() == (0,)
        )


def test_people_are_never_shown_an_experts_clip(store: Store) -> None:
    store.demonstrate(questions(2), step=0)
    store.ask(questions(1, first=10), step=0)
    desk = AnnotationQueue(store.database, overlap=3)
    assert [pair.query for pair in desk.assign("annotator-1", 9)] == [2]
    assert len(desk.wanted(9)) == 1


def test_whoever_reads_the_store_knows_them_from_labels(store: Store, path: Path) -> None:
    store.demonstrate(questions(2), step=0)
    store.ask(questions(2, first=10), step=7)
    store.answer({2: LEFT, 3: LEFT})
    store.collect(7)
    assert [step for step, _ in asked(path)] == [7, 7] and list(recorded(path)) == [2, 3]
    assert [label.source for label in labels(path)] == [Source.DEMONSTRATION] * 2 + [Source.SYNTHETIC] * 2
    assert stored.answered({"run": path.parent}, 2).names == ("7",), "an expert is no policy of the run"
    rows = [line.split() for line in text(report(path.parent)).splitlines()]
    assert next(row[1] for row in rows if row[:1] == ["demonstration"]) == "2"
    export_labels(path.parent, path.parent / "labels.jsonl")
    import_labels(path.parent, path.parent / "labels.jsonl")
    with store.database.writing() as db:
        db.execute("DELETE FROM answer WHERE query = 0")
    import_labels(path.parent, path.parent / "labels.jsonl")
    assert store.demonstrated == 2 and store.asked == 2


def test_they_stay_among_what_is_drawn_where_only_the_newest_are_else() -> None:
    c = comparing.rankings(comparing_clips(20), [2] * 10)
    c.always_kept[[1, 3]] = True
    data = Dataset(c, lambda obs, act: torch.from_numpy(obs), 1, 0, newest=3)
    assert set(data.draw(np.random.default_rng(0), 500)) == {1, 3, 7, 8, 9}


def comparing_clips(n: int) -> Steps:
    return Steps(np.zeros((n, 2, 1), np.float32), np.zeros((n, 2, 1), np.float32), np.arange(2.0 * n).reshape(n, 2))


# Which clips


class Remembered(list[Segment]):
    """A memory of clips that are worth -1, -2, ..."""

    def sample(self, n: int, clips: int, rng: np.random.Generator) -> list[tuple[Segment, ...]]:
        return [tuple(self[i] for i in rng.choice(len(self), clips, replace=False)) for _ in range(n)]


def remembered(n: int) -> Remembered:
    worth = (np.full((3, 1), -1.0 - i, np.float32) for i in range(n))
    return Remembered(Segment(x, x, x[:, 0], None) for x in worth)


def test_an_experts_clips_come_from_anywhere_and_beat_those_of_the_policy(store: Store) -> None:
    shown = Demonstrations((expert(2), expert(4), expert(5, first=100)))  # the first is shorter than a clip
    put = Demonstrated(demonstrations=shown, number=200, length=3, seed=0)
    put(remembered(199), store, step=1)
    assert store.demonstrated == 0, "it waits until memory holds as many"
    put(remembered(300), store, step=2)
    put(remembered(300), store, step=3)
    c = store.collect(3)
    assert len(c) == store.demonstrated == 200, "once"
    better, worse = comparing.left(c), comparing.right(c)
    starts, times = np.unique(better.obs[:, 0, 0], return_counts=True)
    assert starts.tolist() == [0, 1, 100, 101, 102] and times.min() > 20
    assert np.array_equal(better.obs[..., 0] + 0.5, better.true_reward) and np.array_equal(better.obs + 0.25, better.act)
    assert better.obs.dtype == better.act.dtype == np.float32 and (np.diff(better.obs[..., 0]) == 1).all()
    assert (worse.true_reward < 0).all() and (comparing.mu(c) == 1).all()
    assert [label.taken_step for label in labels(store.path)] == [3] * 200


def test_clips_of_stacked_frames_have_those_before_them() -> None:
    put = Demonstrated(demonstrations=Demonstrations((expert(4),), stack=3), number=1, length=3, seed=0)
    found = {
        put._expert_clip(remembered(1)[0], np.random.default_rng(seed)).obs[:, 0].astype(int).tobytes() for seed in range(20)
    }
    assert found == {np.array(row).tobytes() for row in ([0, 0, 0, 1, 2], [0, 0, 1, 2, 3])}


@pytest.mark.parametrize(
    ("given", "told"),
    [({"number": -1}, "demo_labels is -1"), ({"length": 6}, "no demonstration has the 6 steps of a segment")],
)
def test_what_cannot_be_demonstrated_is_refused(given: dict, told: str) -> None:
    settings = {"demonstrations": Demonstrations((expert(5),)), "number": 1, "length": 3, "seed": 0}
    with pytest.raises(UserError, match=told):
        Demonstrated(**settings | given)
    few = SimpleNamespace(memory=Recent(length=3, capacity=4, seed=0))
    with pytest.raises(UserError, match="memory holds 4; lower demo_labels"):
        Demonstrated(**settings | {"number": 5}).check(few)
    # rollouts of 2 x 7 steps, of which 3 are begun: in each two clips of 3 steps fit into either environment
    env, agent, memory = SimpleNamespace(num_envs=2), SimpleNamespace(n_steps=7), SimpleNamespace(length=3)
    short = SimpleNamespace(env=env, agent=agent, total_steps=29, memory=memory)
    Demonstrated(**settings | {"number": 12}).check(short)
    with pytest.raises(UserError, match="29 steps are too few for that; lower demo_labels or clip_steps"):
        Demonstrated(**settings | {"number": 13}).check(short)


# In a run


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations of one who goes straight to the origin."""
    folder, env = tmp_path_factory.mktemp("shown") / "point", point.make(4, seed=9)
    demonstrations.save(folder, demonstrations.record(lambda obs: np.clip(-10 * obs, -1, 1).astype(np.float32), env, 100), env)
    return folder


def test_a_run_that_is_shown_something_asks_for_as_many_labels(
    shown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes on with the same numbers where it was killed."""
    cfg = resolved([*TINY, "env=point", f"demos={shown}", "demo_labels=6", f"checkpoint_every={N * T}"])
    train(cfg, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_in_the_last_round(patch)
        train(cfg, tmp_path / "killed")
    train(cfg, tmp_path / "killed")
    assert (tmp_path / "killed" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()
    used = json.loads((tmp_path / "whole" / "finished.json").read_text())["labels"]
    assert (used["wanted"], used["asked"], used["used"]) == (4, 4, 4)
    assert int(read_table(tmp_path / "whole" / "metrics.csv")[-1]["asked"]) == 4
    sources = [label.source for label in labels(tmp_path / "whole" / "preferences.sqlite")]
    assert sources.count(Source.DEMONSTRATION) == 6 and sources.count(Source.SYNTHETIC) == 4


def test_comparisons_that_were_never_made_are_told(shown: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every 64 steps of an environment are cut at 50: one clip of 40 steps fits where the check counts on two of 32."""
    cfg = resolved([*TINY, "env=point", f"demos={shown}", "demo_labels=6", "clip_steps=40", "labels=0", "schedule=none"])
    train(cfg, tmp_path / "run")
    assert "memory never held as many clips as demo_labels=6" in capsys.readouterr().err


def test_without_demonstrations_there_is_nothing_to_show() -> None:
    with pytest.raises(UserError, match="set demos="):
        build(resolved([*TINY, "env=point", "demo_labels=6"]))
