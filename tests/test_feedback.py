"""Kinds of questions: what can be answered, and what synthetic teachers say, worked out by hand."""

import math

import numpy as np
import pytest
from test_teacher import clip, near

from rlhp.feedback import COMPARISON, KINDS, RANKING, InvalidAnswer, Standard, asked_about, find
from rlhp.perception import perceived_alone
from rlhp.teacher import BPref, Noisy, Oracle
from rlhp.types import Answer, Query, UserError

VALUES = {
    "comparison": ["left", "right", "equal"],
    "graded_comparison": ["left_much", "left", "equal", "right", "right_much"],
    "ranking": [[0, 1, 2], [2, 0, 0], [0, 0, 0]],
    "rating": [0.0, 0.25, 1.0],
    "good_bad": ["good", "bad"],
}


def one(value: float, id: int = 0, kind: str = "rating") -> Query:
    """A question about a clip of one step with this return."""
    return Query(id, (clip(value),), 0, kind)


def two(left: float, right: float, id: int = 0) -> Query:
    return Query(id, (clip(left), clip(right)), 0, "graded_comparison")


@pytest.mark.parametrize("name", KINDS)
def test_what_is_said_is_stored_and_said_again(name: str) -> None:
    kind = find(name)
    size = 3 if name == "ranking" else kind.fewest
    for value in [*VALUES[name], "unsure"]:
        answer = kind.parse(value, size)
        assert kind.value(answer) == value and kind.admits(answer, size) and answer.unsure == (value == "unsure")
        assert kind.value(answer.reversed().reversed()) == value
    said = {kind.parse(value, size) for value in VALUES[name]}
    assert len(said) == len(VALUES[name]), "each says something else"
    for value in (None, "both", [], -0.1, 1.5, float("nan"), True, [0, 1.5, 2], [0, -1, 2], {}):
        with pytest.raises(InvalidAnswer, match="is answered by"):
            kind.parse(value, size)


def test_clips_in_reverse_are_answered_in_reverse() -> None:
    graded, ranking = find("graded_comparison"), find("ranking")
    assert graded.value(graded.parse("left_much", 2).reversed()) == "right_much"
    assert ranking.parse([0, 2, 1], 3).reversed() == Answer((1, 2, 0))
    assert find("rating").parse(0.3, 1).reversed() == Answer(None, 0.3)


def test_an_answer_ranks_or_rates() -> None:
    with pytest.raises(ValueError, match="not both"):
        Answer((0, 1), 0.5)


def test_a_comparison_of_several_clips_is_a_ranking() -> None:
    assert asked_about(COMPARISON, 2) is COMPARISON and asked_about(COMPARISON, 4) is RANKING
    with pytest.raises(UserError, match=r"good_bad shows 1 clip, not 2; set query\.clips"):
        asked_about(find("good_bad"), 2)


# synthetic teachers


def test_a_clip_is_rated_by_the_share_of_those_seen_that_are_worse() -> None:
    """Of the returns 1, 2, 2 and 5: below 2 lies one, and two are equal; below 5 lie three, and one is equal."""
    standard = Standard((1.0, 2.0, 2.0, 5.0))
    assert [standard.share_below(value) for value in (1, 2, 5, 3, 9, 0)] == [1 / 8, 2 / 4, 7 / 8, 3 / 4, 1, 0]
    assert standard.middle() == 2.0 and standard.spread() == 1.5  # the mean is 2.5; (1.5^2 + 2 * 0.5^2 + 2.5^2) / 4 = 2.25
    assert [find("rating").judge([value], standard).rating for value in (2, 5)] == [0.5, 0.875]
    assert [find("good_bad").judge([value], standard).rating for value in (2, 2.1, 5)] == [0, 1, 1]


def test_much_better_is_by_a_standard_deviation_of_those_seen() -> None:
    graded, standard = find("graded_comparison"), Standard((1.0, 2.0, 2.0, 5.0), much=2.0)  # 2 times 1.5
    said = [graded.judge(pair, standard).ranks for pair in ([5, 2], [5, 2.1], [2, 2], [2, 2.5], [1, 5])]
    assert said == [(0, 2), (0, 1), (0, 0), (1, 0), (2, 0)]


def test_an_oracle_knows_nothing_of_the_clips_to_come() -> None:
    oracle = Oracle(remember=3)
    assert oracle([one(1.0, 0), one(2.0, 1)], 0) == {0: Answer(None, 0.25), 1: Answer(None, 0.75)}
    assert oracle([one(3.0, 2)], 0)[2].rating == 5 / 6, "the third of three; that the next are better is to come"
    assert oracle([one(9.0, 3), one(8.0, 4)], 0)[4].rating == 1.5 / 3, "1 and 2 are forgotten"
    assert oracle([one(9.0, 3)], 0)[3].rating == 2.5 / 3, "asked again, a question is counted once"


def test_a_resumed_oracle_says_the_same() -> None:
    rng = np.random.default_rng(0)
    for build in (lambda: Oracle(remember=5), lambda: Noisy(seed=1, beta=2.0, mistake=0.1)):
        whole, resumed = build(), build()
        first = [one(value, id) for id, value in enumerate(rng.normal(size=20))]
        later = [one(value, id) for id, value in enumerate(rng.normal(size=20), 20)]
        before = build()
        assert whole(first, 0) == before(first, 0)
        resumed.restore(before.snapshot())
        assert resumed(later, 1) == whole(later, 1)


def test_a_noisy_teacher_without_faults_says_what_the_oracle_says_of_single_clips() -> None:
    rng = np.random.default_rng(0)
    for kind in ("rating", "good_bad"):
        queries = [one(value, id, kind) for id, value in enumerate(rng.integers(0, 9, 60).astype(float))]
        assert Noisy(seed=0)(queries, 0) == Oracle()(queries, 0)
    queries = [two(*pair, id=id) for id, pair in enumerate(rng.integers(0, 9, (60, 2)).astype(float))]
    assert Noisy(seed=0)(queries, 0) == Oracle()(queries, 0)


def test_a_noisy_teacher_finds_a_clip_better_than_a_middling_one_as_bradley_and_terry_say() -> None:
    n, rng = 4000, np.random.default_rng(0)
    better = sum(perceived_alone(rng, 0.7, beta=2.0, mistake=0.0, middle=0.2) > 0.2 for _ in range(n))
    assert near(better / n, 1 / (1 + math.exp(-2.0 * 0.5)), n)
    assert perceived_alone(rng, 0.7, None, 0.0, 0.2) == 0.7 and perceived_alone(rng, 0.7, None, 1.0, 0.2) == pytest.approx(-0.3)


def test_mistakes_call_good_what_is_bad() -> None:
    queries = [one(float(id % 2), id, "good_bad") for id in range(2000)]
    said = Noisy(seed=0, mistake=0.2)(queries, 0)
    wrong = sum(said[id].rating != id % 2 for id in range(2000)) / 2000
    assert near(wrong, 0.2, 2000)


def test_bpref_compares_and_ranks_alone() -> None:
    from types import SimpleNamespace

    BPref(seed=0).check(SimpleNamespace(settings={"feedback": "ranking"}))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="choose teacher=noisy or oracle"):
        BPref(seed=0).check(SimpleNamespace(settings={"feedback": "rating"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(("wrong", "said"), [({"much": 0}, "teacher.much"), ({"remember": 0}, "teacher.remember")])
def test_a_senseless_standard_is_refused(wrong: dict, said: str) -> None:
    for build in (lambda: Oracle(**wrong), lambda: Noisy(seed=0, **wrong)):
        with pytest.raises(UserError, match=said):
            build()
