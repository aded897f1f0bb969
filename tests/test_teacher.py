"""Teachers: what they say, how often they err, and that a resumed one says the same."""

import math
import subprocess
import sys

import numpy as np
import pytest

from rlhp.teacher import BPref, Delayed, Human, Noisy, Oracle, Replay
from rlhp.types import Answer, Query, Recorded, Segment, Stateful, UserError


def clip(*rewards: float) -> Segment:
    true_reward = np.array(rewards, np.float32)
    steps = np.zeros((len(rewards), 1), np.float32)
    return Segment(steps, steps, true_reward, None)


def query(*returns: float, id: int = 0, asked: int = 0) -> Query:
    """Clips of one step with these returns."""
    return Query(id, tuple(clip(value) for value in returns), asked)


def pairs(n: int, *returns: float, first: int = 0) -> list[Query]:
    return [query(*returns, id=id) for id in range(first, first + n)]


def rate(answers: list[Answer], ranks: tuple[int, ...]) -> float:
    return sum(answer.ranks == ranks for answer in answers) / len(answers)


def near(measured: float, probability: float, n: int) -> bool:
    """Within four standard deviations of a binomial."""
    return abs(measured - probability) <= 4 * math.sqrt(probability * (1 - probability) / n)


def test_oracle_prefers_the_larger_sum_and_ties_equal_ones() -> None:
    queries = [query(2, 1, id=3), query(1, 2, id=4), query(5, 5, id=5)]
    assert Oracle()(queries, 0) == {3: Answer((0, 1)), 4: Answer((1, 0)), 5: Answer((0, 0))}


def test_oracle_sums_over_the_clip() -> None:
    assert Oracle()([Query(0, (clip(3, 0, 0), clip(1, 1, 2)), 0)], 0)[0] == Answer((1, 0))


def test_the_same_rewards_in_another_order_tie() -> None:
    rewards = [0.1, 1e8, 0.7, -1e8, 0.3, 1e-9]
    assert Oracle()([Query(0, (clip(*rewards), clip(*reversed(rewards))), 0)], 0)[0] == Answer((0, 0))


def test_oracle_ranks_four_clips_by_how_many_are_better() -> None:
    assert Oracle()([query(1, 7, 7, 3)], 0)[0] == Answer((3, 0, 0, 2))


def test_a_score_of_whole_clips_replaces_the_sum() -> None:
    """Judged by their last steps, the clip with the smaller sum is better."""
    shown = Query(0, (clip(9, 9, 1), clip(0, 0, 2)), 0)
    assert Oracle()([shown], 0)[0] == Answer((0, 1))
    assert Oracle(score=lambda clip: float(clip.true_reward[-1]))([shown], 0)[0] == Answer((1, 0))


def test_a_noisy_teacher_without_faults_is_the_oracle() -> None:
    rng = np.random.default_rng(0)
    queries = [query(*rng.integers(0, 4, size=k).astype(float), id=i) for i, k in enumerate([2] * 50 + [4] * 50)]
    assert Noisy(seed=0)(queries, 0) == Noisy(seed=0, beta=math.inf)(queries, 0) == Oracle()(queries, 0)


@pytest.mark.parametrize(("beta", "mistake"), [(1.0, 0.0), (0.5, 0.2), (None, 0.1), (0.0, 0.0)])
def test_flips_come_as_often_as_the_formula_says(beta: float | None, mistake: float) -> None:
    """Returns 10 and 30, equally often, have standard deviation 10: the better is 2 of them ahead."""
    n = 4000
    answers = list(Noisy(seed=1, beta=beta, mistake=mistake)(pairs(n, 10.0, 30.0), 0).values())
    rational = 1.0 if beta is None else 1 / (1 + math.exp(-beta * 2))
    assert near(rate(answers, (1, 0)), (1 - mistake) * rational + mistake * (1 - rational), n)
    assert rate(answers, (0, 1)) + rate(answers, (1, 0)) == 1


def test_rationality_does_not_depend_on_the_scale_or_origin_of_reward() -> None:
    small = Noisy(seed=0, beta=1.0)(pairs(300, 1.0, 2.0), 0)
    assert small == Noisy(seed=0, beta=1.0)(pairs(300, -4096.0, 0.0), 0)
    assert len({answer.ranks for answer in small.values()}) == 2, "a stochastic teacher errs now and then"


def test_four_clips_are_ranked_by_plackett_luce() -> None:
    """P[first place] = exp(beta * score) / sum; here the returns are 0, 0.5, 1 and 3, so the mean is 9/8."""
    returns, n = (0.0, 0.5, 1.0, 3.0), 4000
    answers = Noisy(seed=2, beta=1.0)(pairs(n, *returns), 0).values()
    weights = np.exp(np.array(returns) / np.std(returns))
    for place in range(4):
        measured = np.mean([answer.ranks is not None and answer.ranks[place] == 0 for answer in answers])
        assert near(float(measured), float(weights[place] / weights.sum()), n)
    assert all(answer.ranks is not None and sorted(answer.ranks) == [0, 1, 2, 3] for answer in answers)


def test_a_mistake_reverses_the_whole_order() -> None:
    assert Noisy(seed=0, mistake=1.0)([query(1, 7, 7, 3)], 0)[0] == Answer((0, 2, 2, 1))
    assert Noisy(seed=0, mistake=1.0)([query(5, 5)], 0)[0] == Answer((0, 0))


def test_draws_depend_on_seed_and_question_alone() -> None:
    teacher = Noisy(seed=0, beta=1.0, mistake=0.1)
    queries = pairs(200, 10.0, 30.0)
    together = dict(teacher(queries, 0))
    alone = {q.id: teacher([q], 999)[q.id] for q in reversed(queries)}
    assert together == alone != dict(Noisy(seed=1, beta=1.0, mistake=0.1)(queries, 0))


def test_close_returns_tie() -> None:
    """Returns 0, 1, 10 and 11 are equally often seen: standard deviation 5.02."""
    queries = [query(0, 1, id=0), query(10, 11, id=1), query(0, 10, id=2), query(11, 1, id=3), query(0, 11, 1, 10, id=4)]
    answers = Noisy(seed=0, equal_within=0.25)(queries, 0)
    assert [answers[id].ranks for id in range(5)] == [(0, 0), (0, 0), (1, 0), (0, 1), (2, 0, 2, 0)]


def test_clips_all_poor_cannot_be_told_apart() -> None:
    """Returns -1 and 1, equally often: one standard deviation from the mean."""
    queries = [query(-1, -1, id=0), query(1, 1, id=1), query(-1, 1, id=2)]
    answers = Noisy(seed=0, skip_below=-0.5)(queries, 0)
    assert [answers[id] for id in range(3)] == [Answer(None), Answer((0, 0)), Answer((1, 0))]


def test_a_myopic_teacher_counts_later_steps_more() -> None:
    """gamma 0.5: 4 + 0 + 0 counts 4/4 = 1; 0 + 0 + 2 counts 2."""
    queries = [Query(0, (clip(4, 0, 0), clip(0, 0, 2)), 0)]
    assert Oracle()(queries, 0)[0] == Answer((0, 1))
    assert Noisy(seed=0, gamma=0.5)(queries, 0)[0] == Answer((1, 0))


def test_a_question_is_counted_in_the_spread_once() -> None:
    often, once = Noisy(seed=0, beta=1.0), Noisy(seed=0, beta=1.0)
    for _ in range(5):
        often([query(0, 100)], 0)
    once([query(0, 100)], 0)
    assert all(np.array_equal(often.snapshot()[name], once.snapshot()[name]) for name in ("spread", "last"))
    assert once.snapshot()["spread"].tolist() == [2, 50, 5000]


@pytest.mark.parametrize("delay", [None, 5])
def test_a_resumed_teacher_goes_on_as_if_never_stopped(delay: int | None) -> None:
    def build() -> Noisy | Delayed:
        noisy = Noisy(seed=0, beta=1.0, mistake=0.1)
        return noisy if delay is None else Delayed(noisy, delay)

    rng = np.random.default_rng(0)
    queries = [query(*rng.normal(scale=1 + i, size=2), id=i, asked=i) for i in range(60)]
    whole, first, second = build(), build(), build()
    for q in queries[:30]:
        whole([q], 100), first([q], 100)
    assert isinstance(first, Stateful)
    second.restore({name: array.copy() for name, array in first.snapshot().items()})
    assert [whole([q], 100) for q in queries[30:]] == [second([q], 100) for q in queries[30:]]


def test_delayed_answers_when_due_as_the_teacher_within() -> None:
    teacher = Delayed(Oracle(), delay=10)
    queries = [query(1, 2, id=0, asked=0), query(2, 1, id=1, asked=5)]
    assert [dict(teacher(queries, step)) for step in (0, 9)] == [{}, {}]
    assert teacher(queries, 10) == {0: Answer((1, 0))}
    assert teacher(queries, 15) == {0: Answer((1, 0)), 1: Answer((0, 1))}
    assert teacher.snapshot()["seen"].tolist() == [1, 2, 2, 1] and Delayed(Human(), delay=1).snapshot() == {}


def test_a_person_says_nothing_here() -> None:
    assert Human()([query(1, 2)], 10) == {}


def digest(clip: Segment) -> str:
    return str(clip.true_reward.tolist())


def recorded(returns: tuple[float, float], *answers: tuple[int, Answer]) -> Recorded:
    return Recorded(tuple(digest(clip(value)) for value in returns), answers)


LEFT, RIGHT, UNSURE = Answer((0, 1)), Answer((1, 0)), Answer(None)


def test_replay_answers_from_the_step_of_first_use() -> None:
    teacher = Replay({0: recorded((1, 2), (100, LEFT)), 1: recorded((3, 4), (200, UNSURE)), 2: recorded((5, 6))}, digest)
    queries = [query(1, 2, id=0), query(3, 4, id=1), query(5, 6, id=2), query(7, 8, id=3)]
    assert teacher(queries, 99) == {}
    assert teacher(queries, 100) == {0: (LEFT,)}
    assert teacher(queries, 250) == {0: (LEFT,), 1: (UNSURE,)}


def test_replay_repeats_what_several_people_said() -> None:
    """The second answer was used when the question was no longer open."""
    teacher = Replay({0: recorded((1, 2), (100, LEFT), (100, UNSURE), (300, RIGHT)), 1: recorded((3, 4), (200, LEFT))}, digest)
    queries = [query(1, 2, id=0), query(3, 4, id=1)]
    assert teacher(queries, 100) == {0: (LEFT, UNSURE)}
    assert teacher(queries[1:], 200) == {1: (LEFT,)}
    resumed = Replay(teacher._queries, digest)
    resumed.restore({name: array.copy() for name, array in teacher.snapshot().items()})
    assert teacher([], 300) == resumed([], 300) == {0: (LEFT, UNSURE, RIGHT)}
    assert teacher([], 400) == {}


def test_replay_refuses_the_first_question_that_is_another_one() -> None:
    questions = {0: recorded((1, 2), (100, LEFT)), 1: recorded((3, 4)), 2: recorded((5, 6), (100, LEFT))}
    same = [query(1, 2, id=0), query(3, 4, id=1)]
    for other in ([query(4, 3, id=1)], [*same, query(5, 7, id=2)]):
        with pytest.raises(UserError, match=rf"query {other[-1].id} differs from that .*versions.json"):
            Replay(questions, digest)(other, 0)
    teacher = Replay(questions, digest)
    assert teacher(same, 99) == {}
    with pytest.raises(UserError, match=r"query 2 differs from that"):
        teacher(same, 100)  # it was used there before it was asked here


def test_replay_looks_at_a_question_once() -> None:
    looked: list[Segment] = []
    teacher = Replay({0: recorded((1, 2), (9, LEFT))}, lambda clip: looked.append(clip) or digest(clip))
    for step in range(5):
        teacher([query(1, 2, id=0)], step)
    assert len(looked) == 2


def test_late_teachers_say_so() -> None:
    assert Delayed.needs_time and Replay.needs_time and not hasattr(Oracle, "needs_time") and not hasattr(Human, "needs_time")


def test_senseless_values_are_refused() -> None:
    for build in (
        lambda: Noisy(seed=0, beta=-1),
        lambda: Noisy(seed=0, mistake=1.5),
        lambda: Noisy(seed=0, equal_within=-0.1),
        lambda: Noisy(seed=0, gamma=0),
        lambda: Noisy(seed=0, gamma=1.1),
        lambda: Delayed(Oracle(), -1),
        lambda: Replay({0: recorded((1, 2))}, digest),
    ):
        with pytest.raises(UserError, match="give"):
            build()


def test_labelling_needs_no_torch() -> None:
    modules = "rlhp.types, rlhp.schedule, rlhp.memory, rlhp.teacher, rlhp.store"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# B-Pref's teachers, in raw returns


def test_bprefs_oracle_is_the_oracle() -> None:
    rng = np.random.default_rng(0)
    queries = [query(*rng.integers(0, 4, size=k).astype(float), id=i) for i, k in enumerate([2] * 50 + [4] * 50)]
    assert BPref(seed=0)(queries, 0) == Oracle()(queries, 0)


@pytest.mark.parametrize(("beta", "mistake"), [(1.0, 0.0), (2.0, 0.2), (None, 0.1)])
def test_bprefs_noise_is_of_raw_returns(beta: float | None, mistake: float) -> None:
    """The better clip returns half a unit more."""
    n = 4000
    answers = list(BPref(seed=1, beta=beta, eps_mistake=mistake)(pairs(n, 3.0, 3.5), 0).values())
    rational = 1.0 if beta is None else 1 / (1 + math.exp(-beta * 0.5))
    assert near(rate(answers, (1, 0)), (1 - mistake) * rational + mistake * (1 - rational), n)


def test_bpref_skips_where_no_clip_exceeds_a_share_of_the_mean_clip() -> None:
    """The mean of 8, 32, 1, 3 and 2, 2 is 8; a quarter of it is 2."""
    queries = [query(8, 32, id=0), query(1, 3, id=1), query(2, 2, id=2)]
    assert BPref(seed=0, eps_skip=0.25)(queries, 0) == {0: Answer((1, 0)), 1: Answer((1, 0)), 2: Answer(None)}


def test_bpref_ties_what_differs_by_a_share_of_the_mean_clip() -> None:
    """The mean of 7, 9, 4 and 12 is 8; a quarter of it is 2. A mistake does not turn a tie round."""
    queries = [query(7, 9, id=0), query(4, 12, id=1)]
    assert BPref(seed=0, eps_equal=0.25, eps_mistake=1.0)(queries, 0) == {0: Answer((0, 0)), 1: Answer((0, 1))}


def test_bprefs_mean_is_of_the_newest_clips() -> None:
    teacher = BPref(seed=0, eps_skip=0.5)
    teacher(pairs(50, 1000.0, 1000.0), 0)
    assert teacher([query(10, 20, id=50)], 0)[50] == Answer(None), "the mean is still near 1000"
    teacher(pairs(100, 10.0, 20.0, first=51), 0)
    assert teacher([query(10, 20, id=151)], 0)[151] == Answer((1, 0)), "the newest 200 clips return 15 on average"


def test_bprefs_myopic_teacher_looks_at_the_end_but_skips_by_the_whole() -> None:
    early, late = clip(4, 0, 0), clip(0, 0, 1)  # discounted by half: 1 and 1; by a quarter: 0.25 and 1
    assert BPref(seed=0, gamma=0.25)([Query(0, (early, late), 0)], 0)[0] == Answer((1, 0))
    assert BPref(seed=0, gamma=0.75)([Query(0, (early, late), 0)], 0)[0] == Answer((0, 1))
    assert BPref(seed=0, gamma=0.25, eps_skip=1.5)([Query(0, (early, late), 0)], 0)[0] == Answer((1, 0)), "4 is more than 3.75"


def test_a_resumed_bpref_teacher_says_the_same() -> None:
    def new() -> BPref:
        return BPref(seed=3, beta=1.0, eps_skip=0.9, eps_equal=0.1)

    rng = np.random.default_rng(0)
    queries = [query(*rng.normal(5, 1, size=2), id=id) for id in range(300)]
    whole, first, second = new(), new(), new()
    said = whole(queries[:150], 0) | whole(queries[150:], 0)
    half = first(queries[:150], 0)
    second.restore(first.snapshot())
    assert half | second(queries[150:], 0) == said
    assert {answer.ranks for answer in said.values()} == {(0, 1), (1, 0), (0, 0), None}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"beta": -1.0}, "null for a teacher without noise"),
        ({"eps_mistake": 2.0}, "teacher.eps_mistake is 2.0"),
        ({"gamma": 0.0}, "gamma"),
    ]
    + [({name: -0.1}, f"teacher.{name} is -0.1: give 0 or more") for name in ("eps_skip", "eps_equal")],
)
def test_bpref_refuses_what_is_out_of_range(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        BPref(seed=0, **settings)
