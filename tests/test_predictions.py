"""What r-hat said of answers that it had not learned from, and how far it agrees with people by that."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
from pages import make_run
from test_run import Killed, killed_at, settings

from rlhp.answers import prediction_accuracy, prediction_scores
from rlhp.answers.predicted import concordance, share_of
from rlhp.run.predictions import Prediction, add_predictions, keep_predictions, read_predictions
from rlhp.store import (
    PERSON,
    AnnotationQueue,
    Counts,
    Judged,
    Source,
    Store,
    counts,
    judged,
    labels,
    newest_clips,
    times,
    used_after,
)
from rlhp.train import train
from rlhp.train.predictions import Predictions
from rlhp.types import Answer

ROWS = [Prediction(64, 3, (1.5, -2.0)), Prediction(128, 4, (0.25, 0.5, 1e-9))]


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_predictions(tmp_path) == keep_predictions(tmp_path, 0) == []
    add_predictions(tmp_path, ROWS[:1])
    add_predictions(tmp_path, ROWS[1:])
    assert (tmp_path / "predictions.csv").read_text() == "step,query,returns\n64,3,1.5 -2\n128,4,0.25 0.5 1e-09\n"
    assert read_predictions(tmp_path) == ROWS


def test_a_row_that_a_kill_has_cut_is_left_out_and_so_is_what_comes_after_a_checkpoint(tmp_path: Path) -> None:
    add_predictions(tmp_path, ROWS)
    with (tmp_path / "predictions.csv").open("a") as file:
        file.write("128,5,0.")
    assert read_predictions(tmp_path) == ROWS
    assert keep_predictions(tmp_path, 100) == ROWS[:1] == read_predictions(tmp_path)


@pytest.mark.parametrize(
    ("ranks", "returns", "right"),
    [
        ((0, 1), (2.0, 1.0), 1.0),
        ((1, 0), (2.0, 1.0), 0.0),
        ((0, 1), (1.0, 1.0), 0.5),
        ((0, 0), (2.0, 1.0), None),  # equal
        ((0, 1, 2), (3.0, 1.0, 2.0), 2 / 3),  # of three pairs the last is the wrong way round
        ((0, 1, 1), (3.0, 1.0, 2.0), 1.0),
        ((0, 1), (2.0,), None),
    ],
)
def test_the_share_of_pairs_in_the_same_order(ranks: tuple, returns: tuple, right: float | None) -> None:
    assert concordance(ranks, returns) == right


def test_a_share_and_its_interval() -> None:
    # Wilson, 8 of 10: (0.8 + z^2/20 -+ z sqrt(0.016 + z^2/400)) / (1 + z^2/10), z = 1.96
    found = share_of([1.0] * 8 + [0.0] * 2)
    assert found is not None and (found.share, found.n) == (0.8, 10)
    assert (found.low, found.high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert share_of([]) is None


@pytest.fixture
def answered(tmp_path: Path) -> Path:
    """Four questions: of ada 0 to 2, of bob 3, and everything is predicted in favour of the first clip."""
    run = make_run(tmp_path / "run", questions=4)
    with_store(run, {0: (0, 1), 1: (1, 0), 2: (0, 0)}, "ada")
    with_store(run, {3: (0, 1)}, "bob")
    add_predictions(run, [Prediction(10, query, (1.0, 0.0)) for query in range(4)])
    return run


def with_store(run: Path, ranks: dict[int, tuple[int, int]], who: str) -> None:
    store = Store(run / "preferences.sqlite")
    store.answer({query: Answer(given) for query, given in ranks.items()}, PERSON + who, Source.HUMAN)
    store.close()


def test_agreement_is_one_person_s_or_everybody_s(answered: Path) -> None:
    store = Store(answered / "preferences.sqlite")
    ada, bob, all_of_them, eve = (
        prediction_accuracy(answered, judged(store.database, who)) for who in ("ada", "bob", None, "eve")
    )
    assert ada is not None and (ada.share, ada.n) == (0.5, 2), "an answer that prefers neither is left out"
    assert bob is not None and (bob.share, bob.n) == (1.0, 1) and all_of_them is not None and all_of_them.n == 3
    given = [at for at, _ in prediction_scores(answered, judged(store.database))]
    assert eve is None and given == sorted(given) and times(store.database, "bob") == {"bob": given[2:]}
    AnnotationQueue(store.database).flag("bob", 3, 0, True)
    assert judged(store.database, "bob") == [], "what was taken back does not count"
    store.close()


def test_a_rating_is_predicted_in_pairs_with_the_same_annotator_s_previous_one(tmp_path: Path) -> None:
    """Of ada's ratings .2, .9, .9 and .4 r-hat has the first pair right, the second is a tie, and the third is the wrong way."""
    add_predictions(tmp_path, [Prediction(10, query, (value,)) for query, value in enumerate((-1.0, 1.0, 0.0, 0.5, 9.0))])
    given = [("ada", 0, 0.2), ("ada", 1, 0.9), ("bob", 4, 0.0), ("ada", 2, 0.9), ("ada", 3, 0.4), ("ada", 99, 1.0)]
    answers = [Judged(query, who, None, rating, float(at)) for at, (who, query, rating) in enumerate(given)]
    assert prediction_scores(tmp_path, answers[::-1]) == [(1.0, 1.0), (4.0, 0.0)]


def test_what_was_taken_and_when(answered: Path) -> None:
    store = Store(answered / "preferences.sqlite")
    store.settle()
    assert used_after(store.database, 0) == (0, []) and counts(store.path) == Counts(4, 4, 0)
    store.collect(64)
    before, new = used_after(store.database, 0)
    assert before == 0 and [(taken.query, taken.step) for taken in new] == [(0, 64), (1, 64), (2, 64), (3, 64)]
    assert new[0].clips == labels(store.path)[0].clips and used_after(store.database, 64) == (4, [])
    assert newest_clips(store.database, 1) == [*new[3].clips] and len(newest_clips(store.database, 9)) == 8
    store.close()


def test_a_question_is_predicted_once_and_not_before_the_first_fit(tmp_path: Path) -> None:
    run, store = make_run(tmp_path / "run", questions=3), Store(tmp_path / "run" / "preferences.sqlite")
    predict = Predictions(run, store, lambda clip: float(clip.true_reward.sum()), first=1, step=0)
    store.answer({0: Answer((0, 1))})
    store.collect(64)
    predict()
    assert read_predictions(run) == [], "r-hat has not been fitted"
    store.answer({1: Answer((0, 1))})
    store.collect(128)
    predict()
    predict()
    with_store(run, {1: (1, 0)}, "bob")
    store.settle()
    store.collect(192)
    predict()
    (row,) = read_predictions(run)
    first, second = store.segment(labels(store.path)[1].clips[0]), store.segment(labels(store.path)[1].clips[1])
    assert (row.step, row.query) == (128, 1) and first is not None and second is not None
    assert row.returns == tuple(pytest.approx(float(clip.true_reward.sum()), rel=1e-4) for clip in (first, second))
    store.close()


def test_a_run_predicts_what_it_has_not_learned_from_and_its_numbers_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlhp.train.job.page.page", lambda run, wanted, names: nullcontext())
    given, page = settings("env=reacher"), {"rest_answers": 0, "rest_seconds": 0}
    train(given, tmp_path / "plain")
    train({**given, "page": page}, tmp_path / "whole")
    assert not (tmp_path / "plain" / "predictions.csv").exists()
    assert (tmp_path / "whole" / "metrics.csv").read_bytes() == (tmp_path / "plain" / "metrics.csv").read_bytes()
    with monkeypatch.context() as patch:
        killed_at(2400, patch)
        with pytest.raises(Killed):
            train({**given, "page": page}, tmp_path / "killed")
    train({**given, "page": page}, tmp_path / "killed")
    table = (tmp_path / "whole" / "predictions.csv").read_text()
    assert (tmp_path / "killed" / "predictions.csv").read_text() == table
    taken = {label.query: label.taken_step for label in labels(tmp_path / "whole" / "preferences.sqlite")}
    predicted = {row.query: row.step for row in read_predictions(tmp_path / "whole")}
    first = min(step for step in taken.values() if step is not None)
    assert predicted and predicted == {query: step for query, step in taken.items() if step is not None and step > first}
