"""The store: what goes in comes out, from any process, after any end, in the same order."""

import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rlhp.memory import Recent
from rlhp.store import Desk, Outcome, Reply, Store, recorded, version_of
from rlhp.types import Answer, Comparisons, Rollout, Segment, UserError

LEFT, RIGHT, EQUAL, CANNOT_TELL = Answer((0, 1)), Answer((1, 0)), Answer((0, 0)), Answer(None)


def clip(number: int, length: int = 3, state: bool = True) -> Segment:
    """Every observation shows the clip's number."""
    obs = np.full((length, 2), number, np.float32)
    extra = np.full((length, 4), number / 3, np.float64) if state else None
    return Segment(obs, np.full((length, 1), -number, np.float32), np.arange(length, dtype=np.float32), extra)


def questions(n: int, first: int = 0, clips: int = 2) -> list[tuple[Segment, ...]]:
    return [tuple(clip(clips * q + k) for k in range(clips)) for q in range(first, first + n)]


def shown(comparisons: Comparisons) -> list[tuple[int, int, float]]:
    """Question, number of the left clip, mu."""
    left = comparisons.left.obs[:, 0, 0].astype(int)
    return list(zip(comparisons.query.tolist(), left.tolist(), comparisons.mu.tolist(), strict=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "preferences.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store(path)
    yield opened
    opened.close()


def elsewhere(path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in another process, on its own Store of the same file."""
    head = (
        "import os, signal, sys, time\nfrom rlhp.store import Store\nfrom rlhp.types import Answer\nstore = Store(sys.argv[1])\n"
    )
    command = [sys.executable, "-c", head + textwrap.dedent(code), str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


# questions


def test_questions_come_back_bit_for_bit(store: Store, path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (5, 8, 8, 4), dtype=np.uint8)
    asked = Segment(frames, rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=5), rng.normal(size=(5, 7)))
    store.ask([(asked, clip(1, state=False))], step=12)
    for reader in (store, Store(path)):
        (query,) = reader.open()
        assert (query.id, query.asked_step) == (0, 12)
        for name in ("obs", "act", "true_reward", "state"):
            array, original = getattr(query.clips[0], name), getattr(asked, name)
            assert array.dtype == original.dtype and np.array_equal(array, original)
        assert query.clips[1].state is None


def test_a_part_of_a_larger_array_is_stored_as_itself(store: Store, path: Path) -> None:
    wide = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
    view = Segment(wide[:, 1], wide[:, 0, :1], wide[:, 0, 3], None)
    store.ask([(view, clip(0))], step=0)
    assert np.array_equal(Store(path).open()[0].clips[0].obs, wide[:, 1])


def test_ids_count_up_and_open_is_oldest_first(store: Store) -> None:
    store.ask(questions(2), step=10)
    store.ask([], step=20)
    store.ask(questions(1, first=2), step=30)
    assert [(query.id, query.asked_step) for query in store.open()] == [(0, 10), (1, 10), (2, 30)]
    store.answer({1: LEFT})
    assert [query.id for query in store.open()] == [0, 2]
    assert (store.asked, store.answered, store.taken) == (3, 1, 0)
    store.take(40)
    assert (store.asked, store.answered, store.taken) == (3, 1, 1)


def test_a_clip_that_questions_share_is_stored_once(store: Store, path: Path) -> None:
    store.ask([(clip(0), clip(1)), (clip(1), clip(2))], step=0)
    store.ask([(clip(0), clip(2))], step=1)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT COUNT(*) FROM segment").fetchone() == (3,)
    assert [int(c.obs[0, 0]) for query in Store(path).open() for c in query.clips] == [0, 1, 1, 2, 0, 2]


def test_a_question_needs_two_clips(store: Store) -> None:
    with pytest.raises(ValueError):
        store.ask([(clip(0),)], step=0)
    assert store.asked == 0


def test_a_question_outlives_the_memory_it_came_from(store: Store, path: Path) -> None:
    memory = Recent(length=3, capacity=4, seed=0)

    def add(value: float) -> None:
        obs = np.full((30, 1, 2), value, np.float32)
        memory.add(Rollout(obs, obs, obs[..., 0], np.zeros((30, 1), bool), None, np.zeros(0)))

    add(1.0)
    store.ask(memory.sample(3, 2, np.random.default_rng(0)), step=0)
    for _ in range(5):
        add(2.0)
    store.answer({0: LEFT, 1: RIGHT, 2: EQUAL})
    for comparisons in (store.take(1), Store(path).take(1)):
        assert (comparisons.left.obs == 1.0).all() and (comparisons.right.obs == 1.0).all()


def test_a_question_can_be_looked_up_with_its_simulator_states(store: Store) -> None:
    store.ask(questions(2), step=7)
    store.answer({1: LEFT})
    store.take(7)
    query = store.query(1)
    assert query is not None and query.asked_step == 7
    assert query.clips[0].state is not None and np.array_equal(query.clips[0].state, np.full((3, 4), 2 / 3))
    assert store.query(99) is None


def test_clips_are_kept_in_memory_only_while_their_question_is_open(store: Store) -> None:
    store.ask(questions(3), step=0)
    store.answer({0: LEFT, 2: LEFT})
    store.take(0)
    assert [query.id for query in store.open()] == [1]
    assert sorted(int(clip.obs[0, 0]) for clip in store._segments.values()) == [2, 3]


# answers and comparisons


def test_answers_become_comparisons(store: Store) -> None:
    store.ask(questions(4), step=0)
    store.answer({0: LEFT, 1: RIGHT, 2: EQUAL, 3: CANNOT_TELL})
    comparisons = store.take(5)
    assert shown(comparisons) == [(0, 0, 1.0), (1, 2, 0.0), (2, 4, 0.5)], "a tie is not 'right', and cannot-tell compares nothing"
    assert comparisons.right.obs[:, 0, 0].tolist() == [1, 3, 5]
    assert comparisons.left.true_reward.shape == (3, 3) and comparisons.left.act[:, 0, 0].tolist() == [0, -2, -4]
    assert comparisons.weight.tolist() == [1, 1, 1]
    assert (store.answered, store.taken) == (4, 4), "cannot-tell is an answer"


def test_a_ranking_of_four_counts_once(store: Store) -> None:
    store.ask(questions(1, clips=4), step=0)
    store.answer({0: Answer((2, 0, 0, 3))})
    comparisons = store.take(0)
    assert comparisons.mu.tolist() == [0, 0, 1, 0.5, 1, 1]  # pairs 01 02 03 12 13 23
    assert comparisons.left.obs[:, 0, 0].tolist() == [0, 0, 0, 1, 1, 2]
    assert comparisons.right.obs[:, 0, 0].tolist() == [1, 2, 3, 2, 3, 3]
    assert np.allclose(comparisons.weight, 1 / 6) and comparisons.query.tolist() == [0] * 6


def test_without_answers_comparisons_are_empty(store: Store) -> None:
    for _ in range(2):
        comparisons = store.take(0)
        assert len(comparisons) == len(comparisons.left) == len(comparisons.right) == 0
        assert comparisons.left.obs.shape[0] == comparisons.weight.shape[0] == comparisons.query.shape[0] == 0
        assert comparisons.query.dtype == np.int64
        store.ask(questions(1), step=0)


def test_comparisons_stand_in_the_order_taken_and_stay(store: Store, path: Path) -> None:
    store.ask(questions(5), step=0)
    store.answer({3: LEFT})
    first = store.take(10)
    assert store.take(20) is first, "nothing new: the same object"
    store.answer({4: RIGHT, 0: LEFT})
    second = store.take(30)
    assert [query for query, _, _ in shown(second)] == [3, 0, 4]
    assert [query for query, _, _ in shown(first)] == [3], "what was handed out does not change"
    store.answer({2: CANNOT_TELL})
    assert store.take(40) is not None and store.taken == 4
    again = Store(path)
    assert shown(again.take(50)) == shown(second), "a Store opened later returns what was taken before"
    again.answer({1: LEFT})
    assert [query for query, _, _ in shown(again.take(60))] == [3, 0, 4, 1]


def test_an_answer_may_change_until_it_is_taken(store: Store) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: LEFT}, teacher="human")
    store.answer({0: RIGHT}, teacher="human")
    assert shown(store.take(1)) == [(0, 0, 0.0)]
    store.answer({0: LEFT}, teacher="human")
    assert shown(store.take(2)) == [(0, 0, 0.0)] and store.taken == store.answered == 1


def test_two_people_answer_one_question(store: Store) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: LEFT}, teacher="human:annotator-2")
    store.answer({0: RIGHT}, teacher="human:annotator-1")
    assert shown(store.take(1)) == [(0, 0, 0.0), (0, 0, 1.0)]
    assert store.answered == store.taken == 1, "one question counts once"


def test_a_second_opinion_may_come_after_the_first_is_taken(store: Store, path: Path) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: LEFT}, teacher="human:annotator-2")
    assert shown(store.take(1)) == [(0, 0, 1.0)]
    store.answer({0: RIGHT}, teacher="human:annotator-1")
    assert shown(store.take(2)) == [(0, 0, 1.0), (0, 0, 0.0)] and store.taken == 1
    assert shown(Store(path).take(3)) == [(0, 0, 1.0), (0, 0, 0.0)]


def test_answers_to_unknown_questions_are_ignored(store: Store) -> None:
    store.answer({7: LEFT})
    assert store.answered == 0 and len(store.take(1)) == 0


def test_an_answer_must_rank_every_clip(store: Store) -> None:
    store.ask(questions(2), step=0)
    with pytest.raises(UserError, match="Question 1 has 2 clips"):
        store.answer({0: LEFT, 1: Answer((0, 1, 2))})
    assert store.answered == 0, "all or none"


# waiting


def test_waiting_ends_when_enough_is_answered_and_says_why(store: Store, path: Path) -> None:
    store.ask(questions(3), step=0)
    other, said = Store(path), []
    store.waiting = lambda unanswered, at_most: said.append((unanswered, at_most))
    for max_open in (None, 3):
        store.wait(max_open)
    assert said == []
    answers = threading.Thread(target=lambda: [(time.sleep(0.05), other.answer({i: LEFT}, "human")) for i in range(3)])
    answers.start()
    store.wait(1, poll=0.001)
    assert store.answered >= 2
    answers.join()
    store.wait(0)
    assert said == [(3, 1), (2, 1)]
    with pytest.raises(UserError):
        store.wait(-1)


# resuming


def played(path: Path) -> Store:
    """Asks at 10, 20, 30; answers and takes 0 at 10, 1 at 20; 2 is answered and not taken."""
    store = Store(path)
    for question, step in enumerate((10, 20, 30)):
        store.ask(questions(1, first=question), step)
        store.answer({question: LEFT})
        if step < 30:
            store.take(step)
    return store


def dump(path: Path) -> list[object]:
    with sqlite3.connect(path) as db:
        return [
            db.execute("SELECT id, segments, asked_step FROM query").fetchall(),
            db.execute("SELECT query, teacher, ranks, taken_step FROM answer").fetchall(),
            db.execute("SELECT id FROM segment").fetchall(),
        ]


def test_restoring_undoes_what_came_later(path: Path, tmp_path: Path) -> None:
    store = played(path)
    store.restore(10)
    assert (store.asked, store.answered, store.taken) == (1, 1, 1)
    assert shown(store.take(10)) == [(0, 0, 1.0)] and store.open() == []
    store.ask(questions(1, first=1), 20)
    store.answer({1: LEFT})
    assert shown(store.take(20)) == [(0, 0, 1.0), (1, 2, 1.0)]
    store.ask(questions(1, first=2), 30)
    store.answer({2: LEFT})
    played(tmp_path / "never_stopped.sqlite")
    assert dump(path) == dump(tmp_path / "never_stopped.sqlite"), "same ids, same rows"


def test_restoring_to_the_start_empties_a_synthetic_run(path: Path) -> None:
    played(path).restore(0)
    assert dump(path) == [[], [], []]


def test_a_late_answer_is_given_again_at_its_own_step(store: Store) -> None:
    """Asked at 10, answered at 30 by a delayed teacher; resumed from 20 it must not be used before 30."""
    store.ask(questions(1), 10)
    store.answer({0: LEFT})
    store.take(30)
    store.restore(20)
    assert len(store.take(25)) == 0 and [query.id for query in store.open()] == [0]


def test_what_a_person_said_is_never_deleted(store: Store) -> None:
    store.ask(questions(2), 10)
    store.answer({0: LEFT}, teacher="human:annotator-1")
    store.take(20)
    store.ask(questions(2, first=2), 30)
    store.answer({2: RIGHT}, teacher="human")
    store.answer({3: LEFT})
    store.take(30)
    store.restore(10)
    assert (store.asked, store.answered, store.taken) == (3, 2, 0)
    assert shown(store.take(15)) == [(0, 0, 1.0), (2, 4, 0.0)]
    store.ask(questions(1, first=9), 20)
    assert [query.id for query in store.open()] == [1, 3], "ids go on from the greatest that is left"


# recordings


def test_recorded_answers_are_those_used_with_their_step(path: Path) -> None:
    store = played(path)
    store.ask(questions(1, first=3), 40)
    store.answer({3: CANNOT_TELL}, teacher="human")
    store.take(40)
    store.ask(questions(1, first=4), 50)
    store.answer({4: LEFT}, teacher="human")
    before = dump(path)
    assert recorded(path) == {0: (10, LEFT), 1: (20, LEFT), 2: (40, LEFT), 3: (40, CANNOT_TELL)}
    assert dump(path) == before
    store.close()
    assert len(recorded(str(path))) == 4


def test_a_recording_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(UserError, match="no preference store"):
        recorded(path)
    assert not path.exists()


# other processes, crashes, damage


def test_two_processes_share_one_store(store: Store, path: Path) -> None:
    """The other answers whatever it sees, as a page does, while this one asks and takes."""
    code = """
        while store.asked < 60 or store.answered < 60:
            for query in store.open():
                store.answer({query.id: Answer((0, 1))}, teacher="human")
            time.sleep(0.002)
    """
    page = threading.Thread(target=elsewhere, args=(path, code))
    page.start()
    for step in range(60):
        store.ask(questions(1, first=step), step)
        store.wait(5, poll=0.002)
        store.take(step)
    page.join()
    assert [query for query, _, _ in sorted(shown(store.take(60)))] == list(range(60))
    assert store.taken == 60


def test_two_processes_open_a_new_store_at_once(path: Path) -> None:
    opens = [sys.executable, "-c", "import sys; from rlhp.store import Store; Store(sys.argv[1])", str(path)]
    runs = [subprocess.Popen(opens) for _ in range(3)]
    assert [run.wait(timeout=60) for run in runs] == [0, 0, 0]
    assert Store(path).asked == 0


def test_a_kill_in_the_middle_of_a_write_leaves_the_write_undone(store: Store, path: Path) -> None:
    store.ask(questions(10), step=0)
    store.answer({0: LEFT})
    code = """
        def kill(sql, seen=[]):
            seen.append(sql)
            if sum("INSERT INTO answer" in s for s in seen) == 5:
                os.kill(os.getpid(), signal.SIGKILL)
        store.database._connection.set_trace_callback(kill)
        store.answer({i: Answer((1, 0)) for i in range(1, 10)})
    """
    assert elsewhere(path, code).returncode == -signal.SIGKILL
    again = Store(path)
    assert (again.asked, again.answered) == (10, 1)
    again.answer({1: RIGHT})
    assert [query for query, _, _ in shown(again.take(1))] == [0, 1]


@pytest.mark.parametrize("damage", ["text", "half", "header", "scribble"])
def test_a_damaged_file_is_told_from_a_store(path: Path, damage: str) -> None:
    store = Store(path)
    store.ask(questions(200), 0)
    store.close()
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "text": b"step,loss\n" * 500,
            "half": whole[:middle],
            "header": b"\0" * 64 + whole[64:],
            "scribble": whole[:4096] + b"\xff" * (len(whole) - 4096),
        }[damage]
    )
    for opens in (Store, recorded):
        with pytest.raises(UserError, match=r"preferences\.sqlite.* move it away"):
            opens(path)


def test_damage_inside_a_clip_is_found_when_it_is_read(path: Path) -> None:
    store = Store(path)
    store.ask(questions(1), 0)
    store.database._connection.execute("UPDATE segment SET arrays = x'00112233'")
    with pytest.raises(UserError, match="damaged"):
        Store(path).open()


def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE notes (text)")
    before = path.read_bytes()
    with pytest.raises(UserError, match="not a preference store"):
        Store(path)
    assert path.read_bytes() == before


def test_a_newer_store_is_refused(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(UserError, match="newer rlhp"):
        Store(path)


V1 = """
CREATE TABLE segment (id TEXT PRIMARY KEY, arrays BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE query (
    id INTEGER PRIMARY KEY, segments TEXT NOT NULL, asked_step INTEGER NOT NULL,
    leased_until REAL NOT NULL DEFAULT 0, leased_by TEXT
);
CREATE TABLE answer (
    query INTEGER NOT NULL REFERENCES query (id), teacher TEXT NOT NULL, ranks TEXT, shown_at REAL, answered_at REAL NOT NULL,
    taken_step INTEGER, PRIMARY KEY (query, teacher)
) WITHOUT ROWID;
CREATE INDEX answer_new ON answer (query) WHERE taken_step IS NULL;
INSERT INTO answer SELECT * FROM old.answer;
INSERT INTO segment SELECT * FROM old.segment;
INSERT INTO query SELECT id, segments, asked_step, 9.5, 'annotator-1' FROM old.query;
PRAGMA user_version = 1;
"""


def version_1(path: Path) -> Path:
    """A store with three questions as version 1 wrote it: one answer taken at 10, one at 20, one new."""
    played(path).close()
    old = path.with_name("old.sqlite")
    with sqlite3.connect(old) as db:
        db.execute(f"ATTACH '{path}' AS old")
        columns = "query, teacher, ranks, shown_at, answered_at, taken_step"
        db.executescript(V1.replace("SELECT * FROM old.answer", f"SELECT {columns} FROM old.answer"))
    db.close()
    return old


def test_a_store_of_version_1_is_brought_to_this_one(path: Path) -> None:
    old = version_1(path)
    assert version_of(old) == 1 and recorded(old) == recorded(path) and version_of(old) == 1, "reading never writes"
    store = Store(old)
    assert version_of(old) == 2 and dump(old) == dump(path)
    assert shown(store.take(40)) == shown(Store(path).take(40)) and (store.asked, store.taken) == (3, 3)
    desk = Desk(store.database, overlap=2)
    (pair,) = desk.deal("annotator-1", 1)
    assert desk.answer("annotator-1", Reply(pair.query, 0, pair.clips, (0, 1), 1.0)) is Outcome.KEPT
    with sqlite3.connect(old) as db, sqlite3.connect(path) as new:
        schema = "SELECT name, type FROM pragma_table_info('{}')"
        for table in ("query", "answer", "lease", "segment"):
            assert db.execute(schema.format(table)).fetchall() == new.execute(schema.format(table)).fetchall()
        indices = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
        assert db.execute(indices).fetchall() == new.execute(indices).fetchall() == [("answer_new",), ("answer_times",)]


def test_two_processes_migrate_at_once(path: Path) -> None:
    old = version_1(path)
    opens = [sys.executable, "-c", "import sys; from rlhp.store import Store; Store(sys.argv[1])", str(old)]
    runs = [subprocess.Popen(opens) for _ in range(3)]
    assert [run.wait(timeout=60) for run in runs] == [0, 0, 0]
    assert dump(old) == dump(path)


def test_a_full_disk_is_said_and_loses_nothing(store: Store) -> None:
    store.ask(questions(1), 0)
    pages = store.database._connection.execute("PRAGMA page_count").fetchone()[0]
    store.database._connection.execute(f"PRAGMA max_page_count = {pages}")
    big = np.random.default_rng(0).normal(size=(100, 100))
    with pytest.raises(UserError, match="full"):
        store.ask([(Segment(big, big, big[:, 0], None), clip(1))], 1)
    assert store.asked == 1 and len(store.open()) == 1


def test_a_lock_that_is_never_given_back_is_said(path: Path) -> None:
    store = Store(path, timeout=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match="locked"):
        store.ask(questions(1), 0)
    other.execute("ROLLBACK")
    other.close()
    store.ask(questions(1), 0)


def test_no_place_for_a_store(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be used"):
        Store(tmp_path / "missing" / "preferences.sqlite")


# speed: bounds are an order of magnitude above what they take


def test_the_first_questions_are_asked_quickly(store: Store) -> None:
    rng = np.random.default_rng(0)
    clips = [Segment(*(rng.normal(size=(60, d)).astype(np.float32) for d in (11, 3)), np.zeros(60), None) for _ in range(350)]
    start = time.perf_counter()
    store.ask(list(zip(clips[::2], clips[1::2], strict=True)), 0)
    assert time.perf_counter() - start < 1


def test_a_rollout_without_news_costs_next_to_nothing(store: Store) -> None:
    store.ask(questions(1000), 0)
    store.answer(dict.fromkeys(range(980), LEFT))
    store.take(0)
    store.open()
    start = time.perf_counter()
    for step in range(100):
        store.ask([], step)
        store.answer({})
        assert (store.asked, len(store.open()), store.taken, len(store.take(step))) == (1000, 20, 980, 980)
        store.wait(20)
    assert (time.perf_counter() - start) / 100 < 0.005
