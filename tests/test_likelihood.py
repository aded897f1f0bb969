"""Likelihoods of graded comparisons and of ratings against numbers worked out by hand, and what ensembles learn by them."""

from dataclasses import replace
from math import exp, log
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_preference import ranked
from test_reward import clips, ensemble, rollout, same

from rlhp.likelihood import ANNOTATORS, Graded, Ratings
from rlhp.preference import AdaptiveScale, CrossEntropy, PlackettLuce, Rankings, agreement, disagreement
from rlhp.reward import NoRegularisation
from rlhp.train.fit import Measured, _rate
from rlhp.types import Clips, Comparisons, Evidence, UserError

NAN = float("nan")


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def rated(*ratings: float, by=None) -> Rankings:
    """Ratings of a clip each, whose sum is that of the same place."""
    n = len(ratings)
    annotator = torch.tensor([0] * n if by is None else by)
    place, zero = torch.arange(n)[:, None], torch.zeros(n, 1, dtype=torch.int64)
    return Rankings(place, zero, zero == 0, torch.zeros(n, 1), torch.tensor(ratings, dtype=torch.float64), annotator)


def sums(*each: float) -> torch.Tensor:
    return torch.tensor([each], dtype=torch.float64)


# graded comparisons


def test_the_four_answers_of_a_graded_comparison_add_up_to_one() -> None:
    answers = ((0, 2), (0, 1), (1, 0), (2, 0))
    for lead in (-5.0, -0.3, 0.0, 1.0, 4.0):
        for error in (0.0, 0.2):
            each = [exp(-Graded(2.0, error)(sums(lead, 0), ranked(said)).item()) for said in answers]
            assert sum(each) == pytest.approx(1.0)
    # sigmoid(1 - 2) and sigmoid(1) - sigmoid(1 - 2)
    assert Graded(2.0, 0)(sums(1, 0), ranked((0, 2))).item() == pytest.approx(-log(sigmoid(-1)))
    assert Graded(2.0, 0)(sums(1, 0), ranked((0, 1))).item() == pytest.approx(-log(sigmoid(1) - sigmoid(-1)))
    assert Graded(2.0, 0.2)(sums(1, 0), ranked((0, 1))).item() == pytest.approx(-log(0.8 * (sigmoid(1) - sigmoid(-1)) + 0.05))


def test_slightly_better_is_likeliest_half_way_to_the_threshold() -> None:
    lead = torch.tensor([[0.5, 0.0], [1.0, 0.0], [1.5, 0.0]], dtype=torch.float64, requires_grad=True)
    Graded(2.0, 0)(lead, ranked((0, 1))).sum().backward()
    assert lead.grad is not None and lead.grad[:, 0].sign().tolist() == [-1, 0, 1]


def test_equal_is_the_mean_of_both_orders_and_ranks_far_apart_are_much_better() -> None:
    loss = Graded(2.0, 0.1)
    both = [loss(sums(0.7, 0), ranked(said)).item() for said in ((0, 1), (1, 0))]
    assert loss(sums(0.7, 0), ranked((0, 0))).item() == pytest.approx(sum(both) / 2)
    assert loss(sums(0.7, 0), ranked((0, 3))).item() == loss(sums(0.7, 0), ranked((0, 2))).item()


# ratings


def test_a_rating_is_the_cross_entropy_with_a_middling_clip() -> None:
    """At a sum of log 3, p = 3/4; the default loss and that of ratings agree as long as nothing is known of annotators."""
    wanted = [-0.25 * log(0.75) - 0.75 * log(0.25), -log(0.75), -log(0.25), log(2)]
    for loss in (CrossEntropy(0), Ratings(0)):
        assert loss(sums(log(3), log(3), log(3), 0), rated(0.25, 1, 0, 0.9))[0].tolist() == pytest.approx(wanted)
    guessed = -0.25 * log(0.9 * 0.75 + 0.05) - 0.75 * log(0.9 * 0.25 + 0.05)
    for loss in (CrossEntropy(0.1), Ratings(0.1)):
        assert loss(sums(log(3)), rated(0.25)).item() == pytest.approx(guessed)


def test_an_annotators_scale_and_shift() -> None:
    """One of scale 2 and shift -log 3: at a sum of log 3 the logit is 2 log 3 - log 3, so p = 3/4; another stays as he is."""
    loss, parameters = Ratings(0).start(1)
    with torch.no_grad():
        parameters[:, 0, 1] = torch.tensor([log(2), -log(3)])
    values = loss(sums(log(3), log(3), 0), rated(1, 1, 1, by=[0, 1, 1]))
    assert values[0].tolist() == pytest.approx([-log(0.75), -log(0.75), log(4)])
    crowd = loss(sums(1, 1), rated(1, 1, by=[ANNOTATORS - 1, 10**6]))[0].tolist()
    assert crowd[0] == crowd[1], "beyond the last they share one"


def test_comparisons_beside_ratings_cost_what_they_do_alone() -> None:
    """Such as those of demonstrations: (0, 1) of the sums log 3 and 0, and a rating of 1 at 0."""
    rating = torch.tensor([NAN, 1.0])
    both = Rankings(
        torch.tensor([[0, 1], [2, 0]]), torch.tensor([[0, 1], [0, -1]]), torch.tensor([[True, True], [True, False]]),
        torch.zeros(2, 2), rating, torch.zeros(2, dtype=torch.int64),
    )  # fmt: skip
    for loss in (CrossEntropy(0), Ratings(0)):
        x = sums(log(3), 0, 0).requires_grad_()
        values = loss(x, both)
        assert values[0].tolist() == pytest.approx([-log(0.75), log(2)])
        (slope,) = torch.autograd.grad(values.sum(), x)
        assert slope[0].tolist() == pytest.approx([-0.25, 0.25, -0.5])


def test_agreement_of_ratings_is_with_those_of_the_same_annotator() -> None:
    """Ratings 0.1, 0.5, 0.5 and 0.9 at sums of 0, 2, 1 and 1: the first is right about three, the second about one of two."""
    said = rated(0.1, 0.5, 0.5, 0.9, 0.0, by=[0, 0, 0, 0, 1])
    shares = agreement(sums(0, 2, 1, 1, 9), said)[0].tolist()
    assert shares[:4] == pytest.approx([1, 1 / 2, 1 / 2, 1 / 3]) and np.isnan(shares[4]), "nobody else has rated with the last"


def test_disagreement_about_one_clip_is_the_variance_of_its_probability() -> None:
    """Members that find the clip good with 3/4 and 1/4 differ by a variance of 1/16; about the second they agree."""
    assert disagreement(np.array([[[log(3)], [1.0]], [[-log(3)], [1.0]]])).tolist() == pytest.approx([1 / 16, 0])


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"error": 1}])
def test_an_impossible_grade_is_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match="graded loss needs"):
        Graded(**wrong)


@pytest.mark.parametrize("wrong", [{"error": 1}, {"learning_rate": 0}, {"decay": -1}])
def test_impossible_ratings_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match="loss of ratings needs"):
        Ratings(**wrong)


def test_losses_that_only_compare_refuse_single_clips() -> None:
    setup = SimpleNamespace(query=SimpleNamespace(clips=1))
    for loss in (Graded(), AdaptiveScale(), PlackettLuce()):
        with pytest.raises(UserError, match="supports only comparisons and rankings"):
            loss.check(setup)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="needs comparisons of two clips"):
        Graded().check(SimpleNamespace(query=SimpleNamespace(clips=4)))  # type: ignore[arg-type]


# what is learned


def ratings_of(n: int, scales=((1.0, 0.0),), seed: int = 0, hard: bool = False) -> Comparisons:
    """n clips, rated in turn by annotators of these scales and shifts as the model says."""
    seen = clips(n, seed)
    returns = seen.true_reward.sum(axis=1)
    by = np.arange(n) % len(scales)
    scale, shift = np.array(scales)[by].T
    rating = 1 / (1 + np.exp(-(scale * returns / returns.std() + shift)))
    rating = (rating > 0.5).astype(float) if hard else rating
    shown = np.arange(n)[:, None]
    return Comparisons(Clips(seen.obs, seen.act, seen.true_reward), shown, 0 * shown, np.arange(n), np.zeros(n, bool), rating, by)


def correlation(reward) -> float:
    fresh = clips(300, 99)
    return float(np.corrcoef(reward(rollout(fresh)).sum(axis=0), fresh.true_reward.sum(axis=1))[0, 1])


@pytest.mark.parametrize("hard", [False, True])
def test_a_reward_is_learned_from_single_clips(hard: bool) -> None:
    reward = ensemble(loss=Ratings(), hidden=(), members=2)
    metrics = reward.fit(Evidence(ratings_of(300, hard=hard)), 250)
    assert correlation(reward) > 0.9 and metrics["valid_accuracy"] > 0.8


def test_what_is_sent_to_a_fitting_process_is_put_together_again() -> None:
    """Ratings beside a comparison, sent in two parts, and an answer that is taken back after it was sent."""
    data = replace(ratings_of(6, ((1.0, 0.0), (3.0, 1.0))), query=np.arange(10, 16))
    whole = data.marked(np.arange(6) == 1)
    first, later = data.rows(slice(0, 4)), whole.after(0, 4)
    joined = first.joined(later).marked(whole.flagged)
    for name in ("shown", "ranks", "query", "rating", "annotator", "flagged"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name)), name
    assert joined.marked(whole.flagged) is joined, "by which a model knows that nothing is new"
    assert len(first.joined(later.rows(slice(0, 0)))) == 4 and whole.decided().tolist() == [True, False, True, True, True, True]


def test_a_fit_is_measured_by_how_it_orders_what_one_annotator_rated() -> None:
    """Of three clips that return 3, 2 and 1, rated 0.9, 0.2 and 0.4 by one: the first is right twice, the others once."""
    measured = Measured(*np.full((3, 4), NAN))
    out = replace(ratings_of(4), rating=np.array([0.9, 0.2, 0.4, 0.5]), annotator=np.array([0, 0, 0, 1]))
    _rate(measured, out, np.array([3.0, 2.0, 1.0, 9.0]), np.array([[log(3), 0.0, 0.0, 0.0]] * 2))
    assert measured.right[:3].tolist() == pytest.approx([1, 1 / 2, 1 / 2]) and np.isnan(measured.right[3])
    assert measured.probability.tolist() == pytest.approx([0.75, 0.5, 0.5, 0.5])
    assert measured.loss[:2].tolist() == pytest.approx([-0.9 * log(0.75) - 0.1 * log(0.25), log(2)])


def test_scales_and_shifts_of_annotators_are_found() -> None:
    """Beside one of scale 1 and shift 0, one of scale 3 and shift 1: log 3 apart, and 1, as far as the decay lets them."""
    data = ratings_of(300, ((1.0, 0.0), (3.0, 1.0)))
    reward = ensemble(loss=Ratings(decay=0.0), hidden=(), members=1, regulariser=NoRegularisation(), learning_rate=0.02)
    reward.fit(Evidence(data), 600)
    (one, other), shift = reward.snapshot()["loss/parameters"][:, 0, :2]
    assert other - one == pytest.approx(log(3), abs=0.2)
    assert shift[1] - np.exp(other - one) * shift[0] == pytest.approx(1.0, abs=0.3)


def test_a_fit_with_annotators_goes_on_exactly() -> None:
    data = Evidence(ratings_of(60, ((1.0, 0.0), (3.0, 1.0))))
    whole, half, resumed = (ensemble(loss=Ratings(), members=2) for _ in range(3))
    whole.fit(data, 40)
    half.fit(data, 20)
    resumed.restore(half.snapshot())
    resumed.fit(data, 40)
    assert same(whole.snapshot(), resumed.snapshot()) and np.abs(whole.snapshot()["loss/parameters"]).max() > 0


def test_an_answer_that_is_taken_back_is_not_learned_from() -> None:
    """Two thirds of the answers say the opposite, and are taken back or not."""
    good, wrong = ratings_of(150), np.arange(150) >= 50
    mixed = replace(good, rating=np.where(wrong, 1 - good.rating, good.rating))
    one, two = (ensemble(loss=Ratings(), hidden=(), members=2) for _ in range(2))
    one.fit(Evidence(mixed.marked(wrong)), 150)
    two.fit(Evidence(mixed), 150)
    assert correlation(one) > 0.8 and correlation(two) < 0
    nothing = ensemble(loss=Ratings())
    assert nothing.fit(Evidence(mixed.marked(np.ones(150, bool))), 10) == {}
