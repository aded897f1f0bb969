"""People at the store: who is shown what, what becomes of their answers, and what a killed training leaves of them."""

from pathlib import Path

import pytest
from test_store import Clock, questions, shown

from rlhp.feedback import COMPARISON
from rlhp.store import AnnotationQueue, Outcome, Reply, Shown, Store, UndoWindow
from rlhp.types import Answer, UserError


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock):
    """Answers do not rest in it."""
    opened = Store(tmp_path / "preferences.sqlite", rest=UndoWindow(0), now=clock, sleep=clock.wait)
    yield opened
    opened.close()


@pytest.fixture
def desk(store: Store, clock: Clock) -> AnnotationQueue:
    return AnnotationQueue(store.database, now=clock)


def dealt(desk: AnnotationQueue, by: str, count: int = 1) -> list[int]:
    return [pair.query for pair in desk.assign(by, count)]


def say(desk: AnnotationQueue, by: str, pair: Shown, ranks: tuple[int, int] | None = (0, 1), seen: float = 2.0) -> Outcome:
    return desk.answer(by, Reply(pair.query, pair.round, pair.clips, COMPARISON.value(Answer(ranks)), seen))


def rows(store: Store, columns: str = "query, teacher, round, ranks") -> list[tuple]:
    with store.database.reading() as db:
        return db.execute(f"SELECT {columns} FROM answer ORDER BY query, teacher, round").fetchall()


def preferred(store: Store, pair: Shown, side: int) -> int:
    """The number that the clip on a side of a pair shows."""
    segment = store.segment(pair.clips[side])
    assert segment is not None
    return int(segment.obs[0, 0])


# who is shown what


def test_the_newest_question_and_nobody_elses(store: Store, desk: AnnotationQueue) -> None:
    store.ask(questions(2), step=0)
    assert dealt(desk, "annotator-1") == [1]
    assert dealt(desk, "annotator-2") == [0]
    assert dealt(desk, "annotator-3") == []
    store.ask(questions(1, first=2), step=1)
    assert dealt(desk, "annotator-1") == [1], "a page that is loaded again shows the same question"
    assert dealt(desk, "annotator-1", 2) == [1, 2], "the one in front of them stays first"


def test_a_lease_ends_and_the_question_comes_back(store: Store, desk: AnnotationQueue, clock: Clock) -> None:
    store.ask(questions(1), step=0)
    assert dealt(desk, "annotator-1") == [0]
    clock.wait(59)
    assert dealt(desk, "annotator-2") == []
    clock.wait(1)
    assert dealt(desk, "annotator-2") == [0]


def test_asking_again_holds_it_longer(store: Store, desk: AnnotationQueue, clock: Clock) -> None:
    store.ask(questions(1), step=0)
    for _ in range(4):
        assert dealt(desk, "annotator-1") == [0]
        clock.wait(59)
    assert dealt(desk, "annotator-2") == []


def test_only_pairs_that_can_be_shown_are_dealt(store: Store, desk: AnnotationQueue) -> None:
    store.ask(questions(3), step=0)
    store.ask(questions(1, first=9, clips=3), step=0)
    filmed = {name for pair in desk.wanted(9)[2:3] for name in pair}
    assert [pair.query for pair in desk.assign("annotator-1", 3, lambda names: filmed >= set(names))] == [1]
    assert dealt(desk, "annotator-2", 9) == [3, 2, 0]


def test_what_is_worth_filming_is_newest_first(store: Store, desk: AnnotationQueue) -> None:
    store.ask(questions(4), step=0)
    (pair,) = desk.assign("annotator-1", 1)
    say(desk, "annotator-1", pair)
    assert dealt(desk, "annotator-2") == [2]
    names = [{preferred(store, Shown(0, 0, clips), side) for side in (0, 1)} for clips in desk.wanted(1)]
    assert names == [{2, 3}, {4, 5}], "the newest that is open, then what somebody looks at"


def test_whoever_is_ahead_is_dealt_what_is_left_for_them(store: Store, clock: Clock) -> None:
    """Two people answer each of 150 questions, one of them faster; only what is filmed can be shown."""
    store.ask(questions(150), step=0)
    desk = AnnotationQueue(store.database, overlap=2, now=clock)

    def answer(by: str) -> None:
        clock.wait(1)
        filmed = set(desk.wanted(40))
        pairs = desk.assign(by, 1, lambda names: tuple(names) in filmed)
        assert len(pairs) == 1, "as long as anything is left for them"
        say(desk, by, pairs[0])

    for _ in range(60):
        answer("annotator-1")
    for _ in range(90):
        answer("annotator-1")
        answer("annotator-2")
    for _ in range(60):
        answer("annotator-2")
    assert len(rows(store)) == 300 and desk.wanted(40) == []


def test_everybody_is_filmed_for_in_turn(store: Store, desk: AnnotationQueue, clock: Clock) -> None:
    store.ask(questions(6), step=0)
    overlapping = AnnotationQueue(store.database, overlap=2, now=clock)
    for pair in overlapping.assign("annotator-1", 3):
        say(overlapping, "annotator-1", pair)
    first = [preferred(store, Shown(0, 0, clips), 0) // 2 for clips in overlapping.wanted(3)]
    assert first == [5, 2, 4, 1, 3, 0], "the newest, and the newest that annotator-1 has not answered, and so on"


def test_overlap_asks_so_many_people(store: Store, clock: Clock) -> None:
    store.ask(questions(2), step=0)
    desk = AnnotationQueue(store.database, overlap=2, now=clock)
    (first,), (second,) = desk.assign("annotator-1", 1), desk.assign("annotator-2", 1)
    assert (first.query, second.query) == (1, 1) and dealt(desk, "annotator-3") == [0]
    say(desk, "annotator-1", first, (0, 1) if preferred(store, first, 0) == 2 else (1, 0))
    assert shown(store.collect(1)) == [(1, 2, 1.0)], "the first answer is used at once"
    assert dealt(desk, "annotator-1") == [0] and dealt(desk, "annotator-4") == []
    say(desk, "annotator-2", second, (0, 0))
    assert shown(store.collect(2)) == [(1, 2, 1.0), (1, 2, 0.5)], "each person's answer is a comparison of its own"
    assert store.used == store.answered == 1


def test_a_second_opinion_on_what_an_oracle_answered(store: Store) -> None:
    store.ask(questions(1), step=0)
    store.answer({0: Answer((0, 1))})
    assert dealt(AnnotationQueue(store.database), "annotator-1") == [] and dealt(
        AnnotationQueue(store.database, overlap=2), "annotator-1"
    ) == [0]


@pytest.mark.parametrize("wrong", [{"overlap": 0}, {"repeats": -0.1}, {"repeats": 0.9}])
def test_values_out_of_range(store: Store, wrong: dict) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        AnnotationQueue(store.database, **wrong)


# sides


def test_sides_are_swapped_at_random_and_the_answer_is_not(store: Store, desk: AnnotationQueue) -> None:
    store.ask(questions(200), step=0)
    for pair in desk.assign("annotator-1", 200):
        smaller_left = preferred(store, pair, 0) < preferred(store, pair, 1)
        assert say(desk, "annotator-1", pair, (0, 1) if smaller_left else (1, 0)) is Outcome.KEPT
    swapped = [row[0] for row in rows(store, "swapped")]
    assert 70 < sum(swapped) < 130, "three standard deviations of 200 throws of a coin are 21"
    assert {ranks for (ranks,) in rows(store, "ranks")} == {"[0, 1]"}, "in the order of the question, whatever was shown"
    assert all(mu == 1.0 for _, _, mu in shown(store.collect(1)))


def test_the_same_person_sees_the_same_sides_again(store: Store, desk: AnnotationQueue) -> None:
    store.ask(questions(40), step=0)
    assert desk.assign("annotator-1", 40) == desk.assign("annotator-1", 40)
    others = AnnotationQueue(store.database, overlap=2).assign("annotator-2", 40)
    assert others != desk.assign("annotator-1", 40), "another person sees other sides"


# answers


def test_an_answer_sent_twice_counts_once(store: Store, desk: AnnotationQueue) -> None:
    store.ask(questions(1), step=0)
    (pair,) = desk.assign("annotator-1", 1)
    assert say(desk, "annotator-1", pair) is say(desk, "annotator-1", pair) is Outcome.KEPT
    assert len(rows(store)) == 1 and len(store.collect(1)) == 1
    assert say(desk, "annotator-1", pair) is Outcome.KEPT, "the same again after it was taken is the same"
    assert say(desk, "annotator-1", pair, None) is Outcome.TAKEN
    assert len(store.collect(2)) == 1 and dealt(desk, "annotator-1") == []


def test_what_is_stored_with_an_answer(store: Store, desk: AnnotationQueue, clock: Clock) -> None:
    store.ask(questions(1), step=0)
    (pair,) = desk.assign("annotator-1", 1)
    say(desk, "annotator-1", pair, None, seen=3.5)
    ((shown_at, answered_at, swapped, *said),) = rows(store, "shown_at, answered_at, swapped, ranks, teacher, source")
    assert (shown_at, answered_at) == (clock.at - 3.5, clock.at)
    assert said == [None, "human:annotator-1", "human"] and swapped == (preferred(store, pair, 0) == 1)


def test_an_answer_after_the_lease_has_ended_is_kept(store: Store, desk: AnnotationQueue, clock: Clock) -> None:
    store.ask(questions(1), step=0)
    (late,) = desk.assign("annotator-1", 1)
    clock.wait(60)
    (pair,) = desk.assign("annotator-2", 1)
    assert say(desk, "annotator-2", pair) is say(desk, "annotator-1", late) is Outcome.KEPT
    assert len(store.collect(1)) == 2 and store.used == 1


def test_an_answer_to_another_question_of_the_same_id_is_refused(store: Store, desk: AnnotationQueue, clock: Clock) -> None:
    """A killed run goes back to its checkpoint, and asks something else under an id that it gives anew."""
    store.ask(questions(1), step=10)
    (pair,) = desk.assign("annotator-1", 1)
    clock.wait(60)
    store.restore(0)
    assert say(desk, "annotator-1", pair) is Outcome.GONE
    store.ask(questions(1, first=5), step=10)
    assert store.unanswered()[0].id == pair.query
    assert say(desk, "annotator-1", pair) is Outcome.GONE and rows(store) == []


def test_what_a_person_looks_at_outlives_a_kill(store: Store, desk: AnnotationQueue) -> None:
    store.ask(questions(3), step=10)
    (pair,) = desk.assign("annotator-1", 1)
    store.restore(0)
    assert (store.asked, store.answered) == (1, 0) and desk.assign("annotator-1", 1) == [pair]
    assert say(desk, "annotator-1", pair) is Outcome.KEPT


def test_the_same_answer_again_changes_nothing(store: Store, desk: AnnotationQueue, clock: Clock) -> None:
    store.ask(questions(1), step=0)
    (pair,) = desk.assign("annotator-1", 1)
    say(desk, "annotator-1", pair)
    before = rows(store, "*")
    clock.wait(5)
    say(desk, "annotator-1", pair, seen=7.0)
    assert rows(store, "*") == before, "not even when it was given, so that it rests no longer"
    say(desk, "annotator-1", pair, (1, 0))
    assert rows(store, "answered_at") == [(clock.at,)]


# undo


def answers(store: Store, desk: AnnotationQueue, clock: Clock, count: int, by: str = "annotator-1") -> list[Shown]:
    """A person answers, one question a second."""
    pairs = []
    for _ in range(count):
        clock.wait(1)
        pairs += desk.assign(by, 1)
        say(desk, by, pairs[-1])
    return pairs


def test_undo_until_it_is_taken(store: Store, desk: AnnotationQueue) -> None:
    store.ask(questions(3), step=0)
    first, second = desk.assign("annotator-1", 2)
    say(desk, "annotator-1", first)
    assert desk.statistics("annotator-1").undoable == (first.query, 0)
    assert desk.undo("annotator-1", first.query, 0) and desk.undo("annotator-1", first.query, 0), "twice is once"
    assert rows(store) == [] and desk.assign("annotator-1", 2) == [first, second], "first in line again, with the same sides"
    assert dealt(desk, "annotator-2", 9) == [0], "and nobody else's"
    say(desk, "annotator-1", first, None)
    store.collect(5)
    assert not desk.undo("annotator-1", first.query, 0) and len(rows(store)) == 1
    assert desk.statistics("annotator-1").undoable is None
    assert not desk.undo("annotator-2", first.query, 0) and not desk.undo("annotator-1", 99, 0)


def test_undo_goes_back_one_by_one(store: Store, desk: AnnotationQueue, clock: Clock) -> None:
    store.ask(questions(3), step=0)
    answers(store, desk, clock, 3)
    for left in (2, 1, 0):
        undoable = desk.statistics("annotator-1").undoable
        assert undoable is not None and desk.undo("annotator-1", *undoable) and len(rows(store)) == left
    assert dealt(desk, "annotator-1", 3) == [2, 1, 0], "the one withdrawn last, which was answered first, comes first"


def test_the_last_two_answers_can_be_undone_while_training_takes_all_it_gets(
    store: Store, desk: AnnotationQueue, clock: Clock
) -> None:
    trainer = Store(store.path, now=clock)
    store.ask(questions(9), step=0)
    for count in range(1, 8):
        (pair,) = answers(store, desk, clock, 1)
        trainer.collect(count)
        assert desk.statistics("annotator-1").undoable == (pair.query, 0)
    assert len(trainer.collect(8)) == 5
    undone = []
    while (undoable := desk.statistics("annotator-1").undoable) is not None:
        assert desk.undo("annotator-1", *undoable)
        undone.append(undoable[0])
    assert undone == [2, 3], "the newest first, then none: the learner has the others"
    clock.wait(10)
    assert len(trainer.collect(9)) == 5 and dealt(desk, "annotator-1", 2) == [3, 2]


def test_only_the_newest_answer_can_be_undone(store: Store, desk: AnnotationQueue, clock: Clock) -> None:
    """What a page has not heard of yet is not undone in place of what it means."""
    store.ask(questions(3), step=0)
    older, newest = answers(store, desk, clock, 2)
    assert not desk.undo("annotator-1", older.query, 0) and len(rows(store)) == 2
    assert desk.undo("annotator-1", newest.query, 0) and desk.undo("annotator-1", older.query, 0)


def test_a_repeat_is_undone_while_it_is_the_newest(store: Store, clock: Clock) -> None:
    """It is never taken, so that alone does not say whether it is too late."""
    store.ask(questions(12), step=0)
    desk = AnnotationQueue(store.database, repeats=0.1, now=clock)
    again = answers(store, desk, clock, 11)[-1]
    store.collect(1)
    assert again.round == 1 and desk.statistics("annotator-1").undoable == (again.query, 1)
    answers(store, desk, clock, 1)
    store.collect(2)
    assert desk.statistics("annotator-1").undoable is None and not desk.undo("annotator-1", again.query, 1)


# the same pair once more


def test_repeats_are_a_share_and_are_never_learned_from(store: Store, clock: Clock) -> None:
    store.ask(questions(60), step=0)
    desk = AnnotationQueue(store.database, repeats=0.2, now=clock)
    seen = answers(store, desk, clock, 50)
    again = [pair for pair in seen if pair.round == 1]
    assert len(again) == 9, "two of ten; the first ten answers are all new"
    for pair in again:
        before = next(p for p in seen if p.query == pair.query)
        assert pair.clips == before.clips[::-1], "the sides are the other way round"
        assert seen.index(pair) - seen.index(before) >= 10
    assert len({pair.query for pair in again}) == 9
    assert store.answered == 41 and len(store.collect(1)) == store.used == 41
    assert len(rows(store)) == 50 and desk.statistics("annotator-1").repeats == 9
    assert sum(row[2] for row in rows(store)) == 9


def test_once_more_is_only_after_once(store: Store, desk: AnnotationQueue) -> None:
    store.ask(questions(1), step=0)
    (pair,) = desk.assign("annotator-1", 1)
    assert say(desk, "annotator-1", Shown(pair.query, 1, pair.clips)) is Outcome.GONE


# speed of labelling


def test_labels_per_hour(store: Store, desk: AnnotationQueue, clock: Clock) -> None:
    store.ask(questions(4), step=0)
    for _ in range(3):
        clock.wait(10)
        say(desk, "annotator-1", desk.assign("annotator-1", 1)[0])
    tally = desk.statistics("annotator-1")
    assert tally.answers == 3 and tally.per_hour == pytest.approx(360) and desk.rate() == pytest.approx(360)
    assert desk.statistics("annotator-2").per_hour == 0.0
    store.answer({0: Answer((0, 1))}, "human:program")
    assert desk.rate() == pytest.approx(360), "not the name tells who answered"
    clock.wait(600)
    assert desk.rate() == desk.statistics("annotator-1").per_hour == 0.0
