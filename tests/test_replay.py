"""`teacher=replay` of runs that people answered: all of their answers, each to the clips that it was given to, or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import comparing
import numpy as np
import pytest
from test_modes import HUMAN, LABELS, ROLLOUT, TOTAL, replayed_alike, trained

from rlhp.feedback import COMPARISON
from rlhp.store import AnnotationQueue, Reply, Source, Store, UndoWindow, labels, recorded
from rlhp.types import Answer, Comparisons, UserError

pytestmark = [
    pytest.mark.filterwarnings("ignore:You have specified a mini-batch size"),
    pytest.mark.timeout(120),  # if nobody answers, training waits for ever
]


def answering(answer: Callable[[AnnotationQueue, Store], object]) -> Callable[[Store, int | None], None]:
    """In the place of `Store.wait`: people who answer whenever training would wait, in the same process."""

    def wait(store: Store, max_pending: int | None, poll: float = 0.1) -> None:
        answer(AnnotationQueue(store.database, overlap=2), store)

    return wait


def say(desk: AnnotationQueue, store: Store, by: str, most: int) -> None:
    """A person answers up to so many pairs by the true return; every fifth they cannot tell."""
    for _ in range(most):
        for pair in desk.assign(by, 1):
            left, right = (store.segment(name).true_reward.sum() for name in pair.clips)  # type: ignore[union-attr]
            wrong = by == "annotator-2" and pair.query % 7 == 0
            ranks = (int(left < right), int(left > right))
            ranks = None if pair.query % 5 == 4 else ranks[::-1] if wrong else ranks
            desk.answer(by, Reply(pair.query, pair.round, pair.clips, COMPARISON.value(Answer(ranks)), 1.0))


def two_people(desk: AnnotationQueue, store: Store) -> None:
    """The second is slower, so that many a second opinion is used later than the first, and some questions have one alone."""
    say(desk, store, "annotator-1", LABELS)
    say(desk, store, "annotator-2", 4)


@pytest.fixture
def without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UndoWindow, "of", lambda page: UndoWindow(0))


def compared(path: Path) -> Comparisons:
    with closing(Store(path / "preferences.sqlite")) as store:
        return store.collect(TOTAL)


@pytest.mark.usefixtures("without_rest")
def test_every_answer_of_two_people_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Store, "wait", answering(two_people))
        trained(tmp_path / "one", *HUMAN)
    answers = [question.answers for question in recorded(tmp_path / "one" / "preferences.sqlite").values()]
    assert any(len({step for step, _ in given}) == 2 for given in answers), "some second opinions were used later"
    replayed_alike(tmp_path / "one", tmp_path / "two")
    one, two = compared(tmp_path / "one"), compared(tmp_path / "two")
    assert len(one) == len(two) > LABELS * 0.8
    for name in ("ranks", "query"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert np.array_equal(comparing.left(one).obs, comparing.left(two).obs)
    assert np.array_equal(comparing.right(one).act, comparing.right(two).act)
    assert {label.source for label in labels(tmp_path / "two" / "preferences.sqlite")} == {Source.SYNTHETIC}


class Killed(BaseException):
    """What ends a training in the middle."""


@pytest.mark.usefixtures("without_rest")
def test_a_replay_that_is_killed_and_resumed_ends_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Store, "wait", answering(two_people))
        trained(tmp_path / "one", *HUMAN)
    take = Store.collect

    def killed(store: Store, step: int) -> Comparisons:
        if step > 3 * ROLLOUT:
            raise Killed
        return take(store, step)

    again = ("teacher=replay", f"teacher.run={tmp_path / 'one'}", f"checkpoint_every={2 * ROLLOUT}")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Store, "collect", killed)
        trained(tmp_path / "two", *again)
    trained(tmp_path / "two", *again)
    assert (tmp_path / "two" / "metrics.csv").read_bytes() == (tmp_path / "one" / "metrics.csv").read_bytes()


@pytest.mark.usefixtures("without_rest")
def test_a_run_that_people_answered_and_that_was_killed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions that nobody had answered were asked anew after the kill, others under their ids."""

    def two_of_each(desk: AnnotationQueue, store: Store) -> None:
        if store.asked > 20:
            say(desk, store, "annotator-1", 2)
            with store.database.writing() as db:
                db.execute("DELETE FROM lease")
            raise Killed
        say(desk, store, "annotator-1", LABELS)

    run = (*HUMAN, f"checkpoint_every={ROLLOUT}")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Store, "wait", answering(two_of_each))
        trained(tmp_path / "one", *run)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "wait", answering(two_people))
        trained(tmp_path / "one", *run)
    with pytest.raises(UserError, match=r"query \d+ differs from that of the recorded run, .*killed and resumed") as error:
        trained(tmp_path / "two", "teacher=replay", f"teacher.run={tmp_path / 'one'}")
    assert ". " not in str(error.value), "one sentence"
