"""The store: what goes in comes out, from any process, after any end, in the same order."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import comparing
import numpy as np
import pytest

from rlhp.memory import Recent
from rlhp.store import (
    VERSION,
    AnnotationQueue,
    Outcome,
    Reply,
    Source,
    Store,
    UndoWindow,
    Waiting,
    digest,
    labels,
    recorded,
    segments,
    version_of,
)
from rlhp.types import Answer, Comparisons, Recorded, Rollout, Segment, UserError

LEFT, RIGHT, EQUAL, CANNOT_TELL = Answer((0, 1)), Answer((1, 0)), Answer((0, 0)), Answer(None)


class Clock:
    """Seconds since 1970, which pass when a test says so."""

    def __init__(self) -> None:
        self.at = 1e9

    def __call__(self) -> float:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += seconds


def clip(number: int, length: int = 3, state: bool = True) -> Segment:
    """Every observation shows the clip's number."""
    obs = np.full((length, 2), number, np.float32)
    extra = np.full((length, 4), number / 3, np.float64) if state else None
    return Segment(obs, np.full((length, 1), -number, np.float32), np.arange(length, dtype=np.float32), extra)


def questions(n: int, first: int = 0, clips: int = 2) -> list[tuple[Segment, ...]]:
    return [tuple(clip(clips * q + k) for k in range(clips)) for q in range(first, first + n)]


def shown(comparisons: Comparisons) -> list[tuple[int, int, float]]:
    """Question, number of the left clip, mu."""
    left = comparing.left(comparisons).obs[:, 0, 0].astype(int)
    return list(zip(comparisons.query.tolist(), left.tolist(), comparing.mu(comparisons).tolist(), strict=True))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "preferences.sqlite"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(path: Path, clock: Clock) -> Iterator[Store]:
    opened = Store(path, now=clock, sleep=clock.wait)
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
        (query,) = reader.unanswered()
        assert (query.id, query.asked_step) == (0, 12)
        for name in ("obs", "act", "true_reward", "state"):
            array, original = getattr(query.clips[0], name), getattr(asked, name)
            assert array.dtype == original.dtype and np.array_equal(array, original)
        assert query.clips[1].state is None


def test_a_part_of_a_larger_array_is_stored_as_itself(store: Store, path: Path) -> None:
    wide = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
    view = Segment(wide[:, 1], wide[:, 0, :1], wide[:, 0, 3], None)
    store.ask([(view, clip(0))], step=0)
    assert np.array_equal(Store(path).unanswered()[0].clips[0].obs, wide[:, 1])


def test_ids_count_up_and_open_is_oldest_first(store: Store) -> None:
    store.ask(questions(2), step=10)
    store.ask([], step=20)
    store.ask(questions(1, first=2), step=30)
    assert [(query.id, query.asked_step) for query in store.unanswered()] == [(0, 10), (1, 10), (2, 30)]
    store.answer({1: LEFT})
    assert [query.id for query in store.unanswered()] == [0, 2]
    assert (store.asked, store.answered, store.used) == (3, 1, 0)
    store.collect(40)
    assert (store.asked, store.answered, store.used) == (3, 1, 1)


def test_a_clip_that_questions_share_is_stored_once(store: Store, path: Path) -> None:
    store.ask([(clip(0), clip(1)), (clip(1), clip(2))], step=0)
    store.ask([(clip(0), clip(2))], step=1)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT COUNT(*) FROM segment").fetchone() == (3,)
    assert [int(c.obs[0, 0]) for query in Store(path).unanswered() for c in query.clips] == [0, 1, 1, 2, 0, 2]


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
    for comparisons in (store.collect(1), Store(path).collect(1)):
        assert (comparing.left(comparisons).obs == 1.0).all() and (comparing.right(comparisons).obs == 1.0).all()


def test_a_clip_can_be_looked_up_with_its_simulator_states(store: Store) -> None:
    store.ask(questions(2), step=7)
    store.answer({1: LEFT})
    store.collect(7)
    found = store.segment(digest(clip(2)))
    assert found is not None and found.state is not None and np.array_equal(found.state, np.full((3, 4), 2 / 3))
    assert store.segment(digest(clip(99))) is None


def test_a_clip_is_looked_up_in_one_statement(store: Store, path: Path) -> None:
    """So that one which another process deletes meanwhile is either there or not."""
    store.ask(questions(1), step=0)
    with closing(Store(path)) as other:
        assert statements(other, lambda: other.segment(digest(clip(0)))) == ["SELECT arrays"]


def test_clips_are_kept_in_memory_only_while_their_question_is_open(store: Store) -> None:
    store.ask(questions(3), step=0)
    store.answer({0: LEFT, 2: LEFT})
    store.collect(0)
    assert [query.id for query in store.unanswered()] == [1]
    assert sorted(int(clip.obs[0, 0]) for clip in store._queries._clips.values()) == [2, 3]


# answers and comparisons


def test_answers_become_comparisons(store: Store) -> None:
    store.ask(questions(4), step=0)
    store.answer({0: LEFT, 1: RIGHT, 2: EQUAL, 3: CANNOT_TELL})
    comparisons = store.collect(5)
    assert shown(comparisons) == [(0, 0, 1.0), (1, 2, 0.0), (2, 4, 0.5)], "a tie is not 'right', and cannot-tell compares nothing"
    assert comparing.right(comparisons).obs[:, 0, 0].tolist() == [1, 3, 5]
    assert comparing.left(comparisons).true_reward.shape == (3, 3) and comparing.left(comparisons).act[:, 0, 0].tolist() == [
        0,
        -2,
        -4,
    ]
    assert (store.answered, store.used) == (4, 4), "cannot-tell is an answer"


def test_a_ranking_of_four_counts_once(store: Store) -> None:
    store.ask(questions(1, clips=4), step=0)
    store.answer({0: Answer((2, 0, 0, 3))})
    comparisons = store.collect(0)
    assert len(comparisons) == 1 and comparisons.query.tolist() == [0]
    assert comparisons.ranks.tolist() == [[2, 0, 0, 3]]
    assert comparisons.clips[comparisons.shown[0]].obs[:, 0, 0].tolist() == [0, 1, 2, 3]


def test_questions_may_show_different_numbers_of_clips(store: Store) -> None:
    """The rows are as wide as the widest so far, and those taken before stay as they were."""
    store.ask(questions(1), step=0)
    store.answer({0: RIGHT})
    before = store.collect(0)
    store.ask(questions(1, clips=3), step=0)
    store.answer({1: Answer((2, 0, 1))})
    after = store.collect(0)
    store.ask(questions(1), step=0)
    store.answer({2: EQUAL})
    assert before.shown.shape == (1, 2) and after.ranks.tolist() == [[1, 0, -1], [2, 0, 1]]
    last = store.collect(0)
    assert last.ranks.tolist() == [[1, 0, -1], [2, 0, 1], [0, 0, -1]] and last.shown[:, 2].tolist() == [-1, last.shown[1, 2], -1]
    assert last.decided().tolist() == [True, True, False]


def test_without_answers_comparisons_are_empty(store: Store) -> None:
    for _ in range(2):
        comparisons = store.collect(0)
        assert len(comparisons) == len(comparisons.shown) == len(comparisons.ranks) == len(comparisons.clips) == 0
        assert not comparisons.decided().any()
        assert comparisons.query.dtype == np.int64
        store.ask(questions(1), step=0)


def test_comparisons_stand_in_the_order_taken_and_stay(store: Store, path: Path) -> None:
    store.ask(questions(5), step=0)
    store.answer({3: LEFT})
    first = store.collect(10)
    assert store.collect(20) is first, "nothing new: the same object"
    store.answer({4: RIGHT, 0: LEFT})
    second = store.collect(30)
    assert [query for query, _, _ in shown(second)] == [3, 0, 4]
    assert [query for query, _, _ in shown(first)] == [3], "what was handed out does not change"
    store.answer({2: CANNOT_TELL})
    assert store.collect(40) is not None and store.used == 4
    again = Store(path)
    assert shown(again.collect(50)) == shown(second), "a Store opened later returns what was taken before"
    again.answer({1: LEFT})
    assert [query for query, _, _ in shown(again.collect(60))] == [3, 0, 4, 1]


def test_an_answer_may_change_until_it_is_taken(store: Store) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: LEFT})
    store.answer({0: RIGHT})
    assert shown(store.collect(1)) == [(0, 0, 0.0)]
    store.answer({0: LEFT})
    assert shown(store.collect(2)) == [(0, 0, 0.0)] and store.used == store.answered == 1


def test_several_answers_to_one_question_keep_their_order(store: Store, path: Path) -> None:
    store.ask(questions(2), step=0)
    store.answer({0: [LEFT] * 10 + [RIGHT], 1: [EQUAL]})
    expected = [(0, 0, 1.0)] * 10 + [(0, 0, 0.0), (1, 2, 0.5)]
    assert shown(store.collect(1)) == shown(Store(path).collect(2)) == expected and store.used == 2
    store.answer({1: [EQUAL, LEFT]})
    assert shown(store.collect(3)) == [*expected, (1, 2, 1.0)], "an answer that is taken stands, another is added"


def test_what_came_from_elsewhere_is_not_overwritten(store: Store) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: LEFT}, "anybody", Source.IMPORT)
    store.answer({0: RIGHT}, "anybody")
    assert shown(store.collect(1)) == [(0, 0, 1.0)]


def test_ranks_are_whole_numbers(store: Store) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: Answer((np.int64(0), np.int32(1)))})  # type: ignore[arg-type]
    for wrong in ((0.5, 1.0), (0, float("nan"))):
        with pytest.raises(TypeError):
            store.answer({0: Answer(wrong)})  # type: ignore[arg-type]
    assert shown(store.collect(1)) == [(0, 0, 1.0)]


def test_two_people_answer_one_question(store: Store) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: LEFT}, teacher="human:annotator-2")
    store.answer({0: RIGHT}, teacher="human:annotator-1")
    assert shown(store.collect(1)) == [(0, 0, 0.0), (0, 0, 1.0)]
    assert store.answered == store.used == 1, "one question counts once"


def test_a_second_opinion_may_come_after_the_first_is_taken(store: Store, path: Path) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: LEFT}, teacher="human:annotator-2")
    assert shown(store.collect(1)) == [(0, 0, 1.0)]
    store.answer({0: RIGHT}, teacher="human:annotator-1")
    assert shown(store.collect(2)) == [(0, 0, 1.0), (0, 0, 0.0)] and store.used == 1
    assert shown(Store(path).collect(3)) == [(0, 0, 1.0), (0, 0, 0.0)]


def test_a_persons_answers_to_unknown_questions_are_ignored(store: Store) -> None:
    store.answer({7: Answer((0, 1))}, "human:a", Source.HUMAN)
    assert store.answered == 0 and len(store.collect(0)) == 0


def test_each_kind_of_question_wants_answers_of_its_own(tmp_path: Path) -> None:
    for kind, size, right, wrong in [
        ("comparison", 2, LEFT, Answer(None, 0.5)),
        ("graded_comparison", 2, Answer((0, 2)), Answer((0, 1, 2))),
        ("ranking", 4, Answer((0, 1, 1, 3)), LEFT),
        ("rating", 1, Answer(None, 0.3), Answer((0,))),
        ("good_bad", 1, Answer(None, 1.0), Answer(None, 0.3)),
    ]:
        store = Store(tmp_path / f"{kind}.sqlite", kind=kind)
        store.ask(questions(2, clips=size), step=0)
        assert [(query.kind, len(query.clips)) for query in store.unanswered()] == [(kind, size)] * 2
        with pytest.raises(UserError, match=f"as a {kind} requires"):
            store.answer({0: wrong})
        store.answer({0: right, 1: CANNOT_TELL})
        taken = store.collect(1)
        assert len(taken) == 1 and store.used == 2
        assert taken.ranks.tolist() == [list(right.ranks or (0,))] and taken.shown.shape == (1, size)
        assert np.array_equal(taken.rating, [np.nan if right.rating is None else right.rating], equal_nan=True)
        assert [label.answer() for label in labels(store.path)] == [right, CANNOT_TELL]
        store.close()
        again = Store(store.path)
        assert np.array_equal(again.collect(1).rating, taken.rating, equal_nan=True), "what was taken before is read again"
        again.close()


def test_a_kind_cannot_be_asked_about_any_number_of_clips(path: Path) -> None:
    for kind, size, wanted in [
        ("rating", 2, "shows 1 clip,"),
        ("graded_comparison", 3, "shows 2 clips"),
        ("ranking", 1, "2 to 10"),
    ]:
        store = Store(path, kind=kind)
        with pytest.raises(UserError, match=wanted):
            store.ask(questions(1, clips=size), step=0)
        assert store.asked == 0
        store.close()
    with pytest.raises(UserError, match="not a query kind"):
        Store(path, kind="guess")


def test_an_answer_that_is_taken_back_stays_and_says_so(store: Store, path: Path) -> None:
    desk = AnnotationQueue(store.database)
    store.rest = UndoWindow(0)
    store.ask(questions(2), step=0)
    for shown_pair in desk.assign("annotator-1", 2):
        desk.answer("annotator-1", Reply(shown_pair.query, 0, shown_pair.clips, "left", 1.0))
    before = store.collect(1)
    assert before.flagged.tolist() == [False, False] and store.collect(2) is before
    assert desk.flag("annotator-1", 1, 0, True) and not desk.flag("annotator-2", 1, 0, True)
    after = store.collect(3)
    assert after.query.tolist() == [0, 1] and after.flagged.tolist() == [False, True] and store.used == 2
    assert after.decided().tolist() == [True, False]
    assert store.collect(4) is after and Store(path).collect(4).flagged.tolist() == [False, True]
    desk.flag("annotator-1", 1, 0, False)
    assert store.collect(5).flagged.tolist() == [False, False]


def test_annotators_are_told_apart_in_the_order_of_their_first_answers(store: Store, path: Path) -> None:
    store.ask(questions(3), step=0)
    store.answer({0: LEFT}, "ada")
    store.answer({0: RIGHT}, "bob")
    assert store.collect(1).annotator.tolist() == [0, 1]
    store.answer({1: LEFT, 2: LEFT}, "bob")
    store.answer({1: LEFT}, "ada")
    assert store.collect(2).annotator.tolist() == [0, 1, 0, 1, 1] == Store(path).collect(2).annotator.tolist()


def test_an_answer_must_rank_every_clip(store: Store) -> None:
    store.ask(questions(2), step=0)
    with pytest.raises(UserError, match="Query 1 has 2 clips"):
        store.answer({0: LEFT, 1: Answer((0, 1, 2))})
    assert store.answered == 0, "all or none"


# waiting


def test_waiting_ends_when_enough_is_answered_and_says_why(path: Path) -> None:
    answers = iter(range(3))
    store, said = Store(path, sleep=lambda seconds: other.answer({next(answers): LEFT})), []
    store.ask(questions(3), step=0)
    other = Store(path)
    store.waiting = said.append
    for max_pending in (None, 3):
        store.wait(max_pending)
    assert said == []
    store.wait(1)
    assert store.answered == 2 and said == [Waiting(3, 0, 1), Waiting(2, 0, 1)]
    store.wait(0)
    assert said[2:] == [Waiting(1, 0, 0)]
    with pytest.raises(UserError):
        store.wait(-1)


def test_it_looks_again_after_the_time_it_is_told(store: Store, clock: Clock) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: LEFT}, "human:annotator-1", Source.HUMAN)
    began = clock.at
    store.wait(0, poll=4.0)
    assert clock.at - began == 12.0, "rested after ten seconds, seen to be at the third look"


# rest


def said_by(store: Store, clock: Clock, *ids: int, name: str = "annotator-1", pause: float = 1.0) -> None:
    """A person answers, one question every `pause` seconds."""
    for id in ids:
        clock.wait(pause)
        store.answer({id: LEFT}, f"human:{name}", Source.HUMAN)


def taken(store: Store, step: int = 1) -> list[int]:
    return sorted(store.collect(step).query.tolist())


def test_an_answer_rests_until_two_more_are_given(store: Store, clock: Clock) -> None:
    store.ask(questions(5), step=0)
    for answered, expected in ((0, []), (1, []), (2, [0]), (3, [0, 1])):
        said_by(store, clock, answered)
        assert taken(store) == expected
    said_by(store, clock, 4, name="annotator-2")
    assert taken(store) == [0, 1], "what another person says changes nothing"
    assert (store.answered, store.used) == (5, 2)


def test_an_answer_rests_for_ten_seconds_at_most(store: Store, clock: Clock) -> None:
    store.ask(questions(2), step=0)
    said_by(store, clock, 0)
    clock.wait(9.9)
    assert taken(store) == []
    clock.wait(0.2)
    assert taken(store) == [0], "found though nobody has written meanwhile"


def test_a_clock_that_was_set_back_keeps_nobody_waiting(store: Store, clock: Clock) -> None:
    store.ask(questions(1), step=0)
    said_by(store, clock, 0)
    clock.wait(-3600)
    assert taken(store) == [0]


@pytest.mark.parametrize(
    "rest", [UndoWindow(0), UndoWindow(seconds=0), UndoWindow.of({"rest_answers": 0}), UndoWindow.of({"rest_seconds": 0})]
)
def test_rest_can_be_switched_off(path: Path, clock: Clock, rest: UndoWindow) -> None:
    store = Store(path, rest=rest, now=clock)
    store.ask(questions(1), step=0)
    said_by(store, clock, 0)
    assert taken(store) == [0]


def test_the_rest_of_a_run(path: Path) -> None:
    assert UndoWindow.of(None) == UndoWindow.of({"port": 1}) == UndoWindow() == UndoWindow(2, 10.0)
    assert UndoWindow.of({"rest_answers": 5, "rest_seconds": 3}) == UndoWindow(5, 3)
    wrong_seconds = [{"rest_seconds": value} for value in (-0.5, float("nan"), float("inf"), None, "ten")]
    for wrong in ({"rest_answers": -1}, {"rest_answers": None}, *wrong_seconds):
        with pytest.raises(UserError, match=f"page.{next(iter(wrong))}"):
            UndoWindow.of(wrong)


def test_what_a_program_says_never_rests(store: Store) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: LEFT})
    store.wait(0)
    assert taken(store) == [0]


@pytest.mark.parametrize("max_pending", [0, 1, 3])
def test_whoever_waits_gets_every_answer(store: Store, clock: Clock, max_pending: int) -> None:
    store.ask(questions(6), step=0)
    said_by(store, clock, *range(6))
    said_by(store, clock, 0, name="annotator-2")
    said: list[Waiting] = []
    store.waiting = said.append
    store.wait(max_pending)
    assert len(taken(store)) >= 6 - max_pending
    if max_pending == 0:
        assert taken(store) == [0, 0, 1, 2, 3, 4, 5], "second opinions too"
        assert said == [Waiting(0, 3, 0), Waiting(0, 2, 0), Waiting(0, 1, 0)], "4 and 5 of the first, 0 of the second"


def test_whoever_waits_is_told_what_is_open_and_what_rests(store: Store, clock: Clock) -> None:
    store.ask(questions(3), step=0)
    said_by(store, clock, 0)
    said: list[Waiting] = []
    store.waiting = said.append
    store._sleep = lambda seconds: said_by(store, clock, 1, 2) if store.answered < 3 else clock.wait(seconds)
    store.wait(0)
    assert said[:2] == [Waiting(2, 1, 0), Waiting(0, 2, 0)] and taken(store) == [0, 1, 2]


# resuming


def played(path: Path) -> Store:
    """Asks at 10, 20, 30; answers and takes 0 at 10, 1 at 20; 2 is answered and not taken."""
    store = Store(path)
    for question, step in enumerate((10, 20, 30)):
        store.ask(questions(1, first=question), step)
        store.answer({question: LEFT})
        if step < 30:
            store.collect(step)
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
    assert (store.asked, store.answered, store.used) == (1, 1, 1)
    assert shown(store.collect(10)) == [(0, 0, 1.0)] and store.unanswered() == []
    store.ask(questions(1, first=1), 20)
    store.answer({1: LEFT})
    assert shown(store.collect(20)) == [(0, 0, 1.0), (1, 2, 1.0)]
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
    store.collect(30)
    store.restore(20)
    assert len(store.collect(25)) == 0 and [query.id for query in store.unanswered()] == [0]


@pytest.mark.parametrize(("name", "source"), [("human:annotator-1", Source.HUMAN), ("anybody", Source.IMPORT)])
def test_what_the_runs_own_teacher_did_not_say_is_never_deleted(store: Store, clock: Clock, name: str, source: Source) -> None:
    store.ask(questions(2), 10)
    store.answer({0: LEFT}, name, source)
    clock.wait(10)
    store.collect(20)
    store.ask(questions(2, first=2), 30)
    store.answer({2: RIGHT}, name, source)
    store.answer({3: LEFT}, "human:program")
    clock.wait(10)
    store.collect(30)
    store.restore(10)
    assert (store.asked, store.answered, store.used) == (3, 2, 0), "not the name tells who answered"
    assert shown(store.collect(15)) == [(0, 0, 1.0), (2, 4, 0.0)]
    store.ask(questions(1, first=9), 20)
    assert [query.id for query in store.unanswered()] == [1, 3], "ids go on from the greatest that is left"


# recordings


def names(number: int) -> tuple[str, ...]:
    """The digests of a question's clips."""
    return tuple(map(digest, *questions(1, first=number)))


def test_recorded_questions_have_the_answers_used_with_their_step(path: Path) -> None:
    store = played(path)
    store.ask(questions(1, first=3), 40)
    store.answer({3: CANNOT_TELL})
    store.collect(40)
    store.answer({3: EQUAL, 1: RIGHT}, "another")
    store.collect(50)
    store.ask(questions(1, first=4), 50)
    store.answer({4: LEFT})
    before = dump(path)
    assert recorded(path) == {
        0: Recorded(names(0), ((10, LEFT),)),
        1: Recorded(names(1), ((20, LEFT), (50, RIGHT))),
        2: Recorded(names(2), ((40, LEFT),)),
        3: Recorded(names(3), ((40, CANNOT_TELL), (50, EQUAL))),
        4: Recorded(names(4), ()),
    }
    assert dump(path) == before
    store.close()
    assert len(recorded(str(path))) == 5


def test_a_digest_tells_a_clip_by_its_content(store: Store) -> None:
    store.ask([(clip(0), clip(1))], 0)
    first, second = store.unanswered()[0].clips
    assert digest(first) == digest(clip(0)) != digest(second)
    assert digest(clip(0, state=False)) != digest(clip(0)) != digest(clip(0, length=2))


def test_a_recording_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(UserError, match="no preference store"):
        recorded(path)
    assert not path.exists()


# other processes, crashes, damage


@pytest.mark.timeout(120)
def test_two_processes_share_one_store(path: Path) -> None:
    """The other answers whatever it sees, as a page does, while this one asks and takes."""
    store = Store(path)
    code = """
        while store.asked < 60 or store.answered < 60:
            for query in store.unanswered():
                store.answer({query.id: Answer((0, 1))})
            time.sleep(0.002)
    """
    page = threading.Thread(target=elsewhere, args=(path, code))
    page.start()
    for step in range(60):
        store.ask(questions(1, first=step), step)
        store.wait(5, poll=0.002)
        store.collect(step)
    page.join(60)
    assert [query for query, _, _ in sorted(shown(store.collect(60)))] == list(range(60))
    assert store.used == 60


TOGETHER = """
import sys
from pathlib import Path
from rlhp.store import Store

for number in range(15):  # whoever comes second at one catches up with whoever made it
    Store(Path(sys.argv[1]) / str(number)).close()
"""


@pytest.mark.timeout(120)
def test_processes_make_stores_together(tmp_path: Path) -> None:
    makes = [sys.executable, "-c", TOGETHER, str(tmp_path)]
    runs = [subprocess.Popen(makes, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ends = [(run.communicate(timeout=100)[1], run.returncode) for run in runs]
    assert ends == [("", 0)] * 3
    assert all(Store(tmp_path / str(number)).asked == 0 for number in range(15))


@pytest.mark.timeout(120)
def test_threads_make_and_use_a_store_together(tmp_path: Path) -> None:
    faults: list[Exception] = []
    start = threading.Barrier(4)

    def use(number: int) -> None:
        try:
            for attempt in range(8):
                start.wait(30)
                store = Store(tmp_path / str(attempt))
                store.ask(questions(1, first=number), 0)
                store.close()
        except Exception as error:
            faults.append(error)
            start.abort()

    threads = [threading.Thread(target=use, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == [] and all(Store(tmp_path / str(attempt)).asked == 4 for attempt in range(8))


def test_a_store_is_opened_when_another_process_lets_go_of_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the log is switched on, SQLite refuses at once instead of waiting."""
    Store(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError, match="locked by another process"):
        Store(path, timeout=0.0)
    monkeypatch.setattr("rlhp.store.connection.time.sleep", lambda seconds: other.execute("ROLLBACK"))
    Store(path).close()
    other.close()


def test_whoever_reads_a_store_that_is_being_made_is_told_that_there_is_none(path: Path) -> None:
    path.touch()
    with pytest.raises(UserError, match="no preference store"):
        recorded(path)
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
    assert [query for query, _, _ in shown(again.collect(1))] == [0, 1]


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


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE segment SET id = '0' || substr(id, 2) WHERE id IN (SELECT id FROM segment WHERE id NOT LIKE '0%' LIMIT 1)",
        'UPDATE query SET segments = \'["a", "b"]\'',
        "UPDATE query SET segments = '[1, '",
        "UPDATE query SET segments = '[]'",
        "UPDATE query SET asked_step = 'x'",
        *(
            f"UPDATE answer SET ranks = '{ranks}'"
            for ranks in ("[0]", "[0, 1, 2]", "[0, 1.5]", "[0, null]", "{}", "1", "[0, 1", "")
        ),
        "UPDATE answer SET ranks = CAST(x'5b302c80315d' AS TEXT)",
        "UPDATE answer SET teacher = CAST(x'ff80' AS TEXT)",
        "UPDATE answer SET swapped = 2",
        "UPDATE answer SET round = -1",
        "UPDATE answer SET taken_step = 'x'",
        "UPDATE answer SET answered_at = 9e999",
        "UPDATE answer SET source = 'x'",
        "PRAGMA foreign_keys = OFF; UPDATE answer SET query = 99",
        "UPDATE lease SET since = 'x'",
        "PRAGMA foreign_keys = OFF; UPDATE lease SET query = 99",
        "ALTER TABLE answer RENAME COLUMN source TO origin",
        "DROP INDEX answer_new; DROP INDEX answer_times; DROP TABLE answer; CREATE TABLE answer (question, said)",
        "DROP TABLE lease",
    ],
)
def test_rows_and_columns_that_no_store_has_are_refused_at_once(path: Path, damage: str) -> None:
    store = Store(path)
    store.ask(questions(2), 0)
    store.answer({0: LEFT})
    AnnotationQueue(store.database).assign("annotator-1", 1)
    store.close()
    with sqlite3.connect(path) as db:
        db.executescript(damage)
    db.close()
    with pytest.raises(UserError, match=r"preferences\.sqlite.* move it away"):
        Store(path)
    with pytest.raises(UserError, match=r"preferences\.sqlite.* move it away"):
        labels(path)


def test_an_index_that_lacks_a_row_is_found_by_whoever_writes(path: Path) -> None:
    store = Store(path)
    store.ask(questions(3), 0)
    store.answer({0: LEFT, 1: RIGHT})
    store.close()
    with sqlite3.connect(path) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'answer_new'").fetchone()[0]
        size = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    content, page = path.read_bytes(), slice((root - 1) * size, root * size)
    index = content[page].replace(b"synthetic", b"elsewhere", 1)
    assert index != content[page]
    path.write_bytes(content[: page.start] + index + content[page.stop :])
    with pytest.raises(UserError, match=r"preferences\.sqlite.* move it away"):
        Store(path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE segment SET arrays = x'00112233'",
        "UPDATE segment SET arrays = (SELECT arrays FROM segment AS other WHERE other.id > segment.id OR other.id < segment.id)",
        "UPDATE segment SET arrays = 'text'",
    ],
)
def test_damage_inside_a_clip_is_found_when_it_is_read(path: Path, damage: str) -> None:
    """Not before: whoever opens a store of thousands of clips would wait for seconds."""
    store = Store(path)
    store.ask(questions(2), 0)
    store.answer({0: LEFT})
    store.database._connection.execute(damage)
    store.close()
    id, reader = digest(clip(0)), Store(path)
    for read in (reader.unanswered, lambda: reader.collect(1), lambda: reader.segment(id), lambda: list(segments(path, [id]))):
        with pytest.raises(UserError, match=r"preferences\.sqlite.* move it away"):
            read()
    reader.close()


def test_a_clip_that_is_not_there_is_a_sentence(store: Store, path: Path) -> None:
    with pytest.raises(UserError, match="damaged"):
        list(segments(path, ["gone"]))


def test_a_version_is_told_without_a_look_at_what_is_stored(path: Path) -> None:
    """As the page asks for it while a training writes; a file that is no store is one sentence all the same."""
    store = Store(path)
    store.ask(questions(1), 0)
    store.database._connection.execute("UPDATE query SET segments = '[]'")
    store.close()
    assert version_of(path) == VERSION
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 0")
    db.close()
    with pytest.raises(UserError, match="not a preference store"):
        version_of(path)


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_is_found_at_once_or_does_no_harm(path: Path, seed: int) -> None:
    """Whatever is read from a store that could be opened can be read, or is told in a sentence."""
    store = Store(path)
    store.ask(questions(6), 0)
    store.answer({0: LEFT, 1: RIGHT, 2: CANNOT_TELL})
    store.collect(1)
    AnnotationQueue(store.database).assign("annotator-1", 2)
    store.close()
    whole, rng = path.read_bytes(), np.random.default_rng(seed)
    found = 0
    for _ in range(12):
        flipped = bytearray(whole)
        flipped[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            with closing(Store(path)) as again:
                again.unanswered()
                again.collect(2)
                AnnotationQueue(again.database).assign("annotator-2", 9)
                again.restore(0)
            labels(path)
        except UserError as error:
            found += 1
            assert str(path) in str(error)
    assert found, "most of the file is clips"


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


def schema(source: str = "", selected: str = "") -> str:
    """The tables of versions 2 and 3, with the answers of another store; version 3 has the column `source` besides."""
    return f"""
CREATE TABLE segment (id TEXT PRIMARY KEY, arrays BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE query (id INTEGER PRIMARY KEY, segments TEXT NOT NULL, asked_step INTEGER NOT NULL);
CREATE TABLE lease (
    query INTEGER NOT NULL REFERENCES query (id) ON DELETE CASCADE, annotator TEXT NOT NULL, round INTEGER NOT NULL,
    since REAL NOT NULL, until REAL NOT NULL, PRIMARY KEY (query, annotator)
) WITHOUT ROWID;
CREATE TABLE answer (
    query INTEGER NOT NULL REFERENCES query (id), teacher TEXT NOT NULL, round INTEGER NOT NULL DEFAULT 0, ranks TEXT,
    swapped INTEGER NOT NULL DEFAULT 0, shown_at REAL, answered_at REAL NOT NULL, taken_step INTEGER,{source}
    PRIMARY KEY (query, teacher, round)
) WITHOUT ROWID;
CREATE INDEX answer_new ON answer (query) WHERE taken_step IS NULL AND round = 0;
CREATE INDEX answer_times ON answer (teacher, answered_at);
INSERT INTO segment SELECT * FROM old.segment;
INSERT INTO query SELECT id, segments, asked_step FROM old.query;
INSERT INTO answer SELECT query, teacher, round, ranks, swapped, shown_at, answered_at, taken_step{selected} FROM old.answer;
"""


V2 = f"""
{schema()}
INSERT INTO answer VALUES (0, 'human:annotator-1', 0, '[1, 0]', 1, 8.5, 9.5, 30);
INSERT INTO answer VALUES (0, 'human:annotator-1', 1, NULL, 0, 18.5, 19.5, NULL);
INSERT INTO answer VALUES (1, 'human', 0, '[0, 0]', 0, NULL, 9.5, NULL), (1, 'robot', 0, '[0, 0]', 0, NULL, 9.5, 20);
INSERT INTO lease VALUES (1, 'annotator-2', 0, 9.5, 69.5);
PRAGMA user_version = 2;
"""


V3 = f"""
{schema(" source TEXT NOT NULL,", ", source")}
INSERT INTO answer VALUES (0, 'human:annotator-1', 0, '[1, 0]', 1, 8.5, 9.5, 30, 'human');
PRAGMA user_version = 3;
"""


def older(path: Path, script: str) -> Path:
    """A store with three questions as an older version wrote it: one answer taken at 10, one at 20, one new."""
    played(path).close()
    old = path.with_name("old.sqlite")
    with sqlite3.connect(old) as db:
        db.execute(f"ATTACH '{path}' AS old")
        db.executescript(script)
    db.close()
    return old


def version_1(path: Path) -> Path:
    """The same, by version 1."""
    columns = "query, teacher, ranks, shown_at, answered_at, taken_step"
    return older(path, V1.replace("SELECT * FROM old.answer", f"SELECT {columns} FROM old.answer"))


def schema(path: Path) -> list[list[tuple]]:
    """Columns, types and keys of all tables, and the indices."""
    with sqlite3.connect(path) as db:
        tables = [db.execute(f"PRAGMA table_info({table})").fetchall() for table in ("query", "answer", "lease", "segment")]
        indices = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
        return [*tables, db.execute(indices).fetchall()]


def test_a_store_of_version_1_is_brought_to_this_one(path: Path) -> None:
    old = version_1(path)
    assert version_of(old) == 1 and recorded(old) == recorded(path) and version_of(old) == 1, "reading never writes"
    store = Store(old)
    assert version_of(old) == VERSION and dump(old) == dump(path) and schema(old) == schema(path)
    assert shown(store.collect(40)) == shown(Store(path).collect(40)) and (store.asked, store.used) == (3, 3)
    desk = AnnotationQueue(store.database, overlap=2)
    (pair,) = desk.assign("annotator-1", 1)
    assert desk.answer("annotator-1", Reply(pair.query, 0, pair.clips, "left", 1.0)) is Outcome.KEPT


def test_a_store_of_version_2_is_brought_to_this_one(path: Path) -> None:
    old = older(path, V2)
    before, recording = labels(old), recorded(old)
    assert version_of(old) == 2 and [(label.query, label.annotator, label.source) for label in before] == [
        *[(0, "human:annotator-1", Source.HUMAN)] * 2,
        *[(0, "synthetic", Source.SYNTHETIC), (1, "human", Source.HUMAN), (1, "robot", Source.SYNTHETIC)],
        *[(1, "synthetic", Source.SYNTHETIC), (2, "synthetic", Source.SYNTHETIC)],
    ], "the names told who answered"
    store = Store(old)
    assert version_of(old) == VERSION and schema(old) == schema(path) and labels(old) == before and recorded(old) == recording
    with store.database.reading() as db:
        assert db.execute("SELECT * FROM lease").fetchall() == [(1, "annotator-2", 0, 9.5, 69.5)]
    store.restore(0)
    assert [label.annotator for label in labels(old)] == ["human:annotator-1", "human:annotator-1", "human"]


def test_a_store_of_version_3_is_brought_to_this_one(path: Path) -> None:
    """Its rankings were not told from its comparisons."""
    store = played(path)
    store.ask(questions(1, first=9, clips=3), step=40)
    store.answer({3: Answer((2, 0, 1))})
    store.close()
    old = path.with_name("old.sqlite")
    with sqlite3.connect(old) as db:
        db.execute(f"ATTACH '{path}' AS old")
        db.executescript(V3)
    db.close()
    before, recording = labels(old), recorded(old)
    assert version_of(old) == 3 and [label.kind for label in before] == ["comparison"] * 4 + ["ranking"]
    assert not any(label.flagged or label.rating is not None for label in before)
    store = Store(old)
    assert version_of(old) == VERSION and schema(old) == schema(path) and labels(old) == before and recorded(old) == recording
    assert [query.kind for query in store.unanswered()] == [] and len(store.collect(50)) == 5
    with store.database.reading() as db:
        assert db.execute("SELECT kind FROM query ORDER BY id").fetchall() == [("comparison",)] * 3 + [("ranking",)]


@pytest.mark.parametrize("version", [version_1, lambda path: older(path, V2), lambda path: older(path, V3)])
def test_processes_migrate_at_once(path: Path, version: Callable[[Path], Path]) -> None:
    old = version(path)
    expected = labels(old)
    opens = [sys.executable, "-c", "import sys; from rlhp.store import Store; Store(sys.argv[1])", str(old)]
    runs = [subprocess.Popen(opens) for _ in range(3)]
    assert [run.wait(timeout=60) for run in runs] == [0, 0, 0]
    assert labels(old) == expected and schema(old) == schema(path)


def test_a_full_disk_is_said_and_loses_nothing(store: Store) -> None:
    store.ask(questions(1), 0)
    pages = store.database._connection.execute("PRAGMA page_count").fetchone()[0]
    store.database._connection.execute(f"PRAGMA max_page_count = {pages}")
    big = np.random.default_rng(0).normal(size=(100, 100))
    with pytest.raises(UserError, match="full"):
        store.ask([(Segment(big, big, big[:, 0], None), clip(1))], 1)
    assert store.asked == 1 and len(store.unanswered()) == 1


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


# durability


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were flushed to the disk."""
    names: list[str] = []
    monkeypatch.setattr("os.fsync", lambda handle: names.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name))
    return names


def test_what_is_synced_is_in_the_file_and_on_the_disk(store: Store, path: Path, flushed: list[str]) -> None:
    store.ask(questions(3), 0)
    before = shutil.copy(path, path.with_name("before"))  # without its log
    store.sync()
    after = shutil.copy(path, path.with_name("after"))
    assert flushed == ["preferences.sqlite-wal", path.parent.name]
    assert Store(before).asked == 0 and Store(after).asked == 3


def test_what_a_reader_keeps_in_the_log_is_synced_there(store: Store, path: Path, flushed: list[str]) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT COUNT(*) FROM query").fetchone()
    store.ask(questions(1), 0)
    store.sync()
    assert flushed == ["preferences.sqlite-wal", path.parent.name]
    reader.close()


def test_a_store_without_a_log_can_be_synced(store: Store, path: Path, flushed: list[str]) -> None:
    """As on a disk where SQLite declines WAL."""
    store.database._connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    assert not path.with_name("preferences.sqlite-wal").exists()
    store.ask(questions(1), 0)
    flushed.clear()
    store.sync()
    assert flushed == [path.parent.name]


def test_a_store_without_news_can_be_synced(path: Path) -> None:
    for _ in range(2):
        store = Store(path)
        store.sync()
        store.close()


# cost: in statements, which do not depend on the machine


def statements(store: Store, work: Callable[[], object]) -> list[str]:
    said: list[str] = []
    store.database._connection.set_trace_callback(lambda sql: said.append(" ".join(sql.split()[:2])))
    work()
    store.database._connection.set_trace_callback(None)
    return said


def test_questions_are_asked_in_one_transaction(store: Store) -> None:
    said = statements(store, lambda: store.ask(questions(50), 0))
    assert said.count("BEGIN IMMEDIATE") == said.count("COMMIT") == 1
    assert said.count("INSERT OR") == 100 and said.count("INSERT INTO") == 50


def test_a_rollout_without_news_reads_no_questions(store: Store) -> None:
    store.ask(questions(100), 0)
    store.answer(dict.fromkeys(range(80), LEFT))
    store.collect(0)
    store.unanswered()

    def rollout() -> None:
        store.ask([], 1)
        store.answer({})
        assert (store.asked, len(store.unanswered()), store.used, len(store.collect(1))) == (100, 20, 80, 80)
        store.wait(20)

    rollout()
    said = statements(store, rollout)
    read = [sql for sql in said if sql != "PRAGMA data_version"]
    assert read == ["BEGIN", "SELECT COUNT(DISTINCT", "ROLLBACK"], "whether an answer rests, which may change without news"


def test_a_teacher_of_the_runs_own_is_told_what_it_does_wrong(store: Store) -> None:
    store.ask([(clip(0), clip(1))], 0)
    with pytest.raises(ValueError, match="answers query 1000, which does not exist"):
        store.answer({1000: Answer((0, 1))})
    with pytest.raises(TypeError, match=r"query 0 with 'left'; return an rlhp\.types\.Answer"):
        store.answer({0: "left"})  # type: ignore[dict-item]
    store.answer({1000: Answer((0, 1))}, "human:a", Source.HUMAN)  # it was asked before the run went back to a checkpoint
    assert store.answered == 0


def test_what_is_settled_rests_no_more(store: Store) -> None:
    """An interrupt of the last waiting: what people have answered is used, though it could still be undone."""
    store.ask([(clip(0), clip(1)), (clip(2), clip(3))], 0)
    store.answer({0: Answer((0, 1))}, "human:a", Source.HUMAN)
    assert len(store.collect(1)) == 0
    store.settle()
    assert len(store.collect(2)) == 1 and store.used == 1
