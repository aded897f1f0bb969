"""Preference maths against numbers worked out by hand."""

from itertools import permutations
from math import exp, factorial, log

import numpy as np
import pytest
import torch

from rlhp.preference import (
    AdaptiveScale,
    CrossEntropy,
    PlackettLuce,
    Rankings,
    ReturnError,
    agreement,
    disagreement,
    elo,
    expected_score,
    win_probability,
)
from rlhp.types import UserError


def ranked(*ranks, returns=None):
    """Answers to questions about clips of their own: clip k of question i has sum i K + k."""
    there = torch.tensor([[rank is not None for rank in row] for row in ranks])
    rank = torch.tensor([[rank or 0 for rank in row] for row in ranks])
    returns = torch.zeros(rank.shape) if returns is None else torch.tensor(returns)
    return Rankings(torch.arange(rank.numel()).reshape(rank.shape), rank, there, returns)


def pairs_of(delta, mu):
    """Sums [*, 2 n] of pairs whose left sum is larger by `delta` [*, n], and what was said of them: `mu` [n]."""
    sums = torch.stack([delta, torch.zeros_like(delta)], dim=-1).flatten(-2)
    return sums, ranked(*[(int(m < 0.5), int(m > 0.5)) for m in torch.as_tensor(mu).tolist()])


def of(loss, delta, mu):
    """A loss of pairs, one member, in double precision: [n]."""
    sums, rankings = pairs_of(torch.as_tensor(delta, dtype=torch.float64), mu)
    return loss(sums[None], rankings)[0]


def loss(delta, mu, error=0.1):
    """Cross-entropy of comparisons whose left sum is larger by `delta` [n], in double precision."""
    return of(CrossEntropy(error), delta, mu)


def slope(delta, mu, error=0.1):
    """Its derivative by the left sum."""
    x = torch.tensor([float(delta)], dtype=torch.float64, requires_grad=True)
    loss(x, [mu], error).sum().backward()
    return x.grad.item()


# Probabilities


def test_win_probability_is_the_logistic_of_the_difference():
    left, right = np.array([0.0, log(3), 5.0, 1.0]), np.array([0.0, 0.0, 5.0, 1 + log(4)])
    assert win_probability(left, right) == pytest.approx([1 / 2, 3 / 4, 1 / 2, 1 / 5])  # e^log 3 / (e^log 3 + 1) = 3/4
    assert win_probability(left, right) + win_probability(right, left) == pytest.approx(np.ones(4))


def test_win_probability_of_huge_sums_is_certain():
    assert win_probability(np.array([1e4, -1e4]), np.array([-1e4, 1e4])).tolist() == [1.0, 0.0]


def test_disagreement_of_a_pair_is_the_variance_of_the_probabilities():
    sums = np.array([[[0, 0], [log(3), 0]], [[log(3), 0], [log(3), 0]], [[0, log(3)], [log(3), 0]]])  # [3, 2, 2]
    # first question: 1/2, 3/4 and 1/4, whose variance is (1/4)^2 * 2/3 = 1/24; on the second the members agree
    assert disagreement(sums) == pytest.approx([1 / 24, 0])


def test_disagreement_of_three_clips_is_the_mean_over_the_pairs():
    sums = np.array([[[0, 0, 0]], [[log(3), 0, 0]]])
    # pairs 01 and 02: 1/2 against 3/4, variance (1/8)^2; pair 12: no difference
    assert disagreement(sums) == pytest.approx([(1 / 64 + 1 / 64 + 0) / 3])


def test_disagreement_is_of_probabilities_so_two_sure_members_agree():
    sums = np.array([[[100, 0], [1, 0]], [[50, 0], [-1, 0]]])
    sure, torn = disagreement(sums)
    assert sure < 1e-12 and torn == pytest.approx((1 / (1 + exp(-1)) - 0.5) ** 2)


@pytest.mark.parametrize("members", [1, 3])
def test_identical_members_never_disagree(members):
    sums = np.repeat(np.random.default_rng(0).normal(size=(1, 5, 4)), members, axis=0)
    assert disagreement(sums) == pytest.approx(np.zeros(5), abs=1e-30)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 0), (1, 3, 4, 2)])
def test_disagreement_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="members, queries"):
        disagreement(np.zeros(shape))


def test_elo_is_bradley_terry_in_other_units():
    assert elo(np.array([0.0, 1.0, -log(10)])) == pytest.approx([0, 173.7178, -400])  # 400 / ln 10 = 173.7178
    # leads of 400, 0 and -400 points: odds of 10 to 1, even, and 1 to 10; 400 log10(3) = 190.85 points: 3 to 1
    assert expected_score(np.array([400.0, 0.0, -400.0, 190.8485])) == pytest.approx([10 / 11, 1 / 2, 1 / 11, 3 / 4])
    assert expected_score(np.array([400, 0])) == pytest.approx([10 / 11, 1 / 2])  # whole points too
    left, right = np.array([0.3, -2.0, 5.0]), np.array([1.0, -2.5, 0.0])
    assert expected_score(elo(left) - elo(right)) == pytest.approx(win_probability(left, right))


# The loss of the paper


@pytest.mark.parametrize("odds", [1 / 9, 1 / 3, 1, 3, 9])
def test_the_teacher_errs_one_time_in_ten(odds):
    p = odds / (1 + odds)
    assert loss([log(odds)] * 2, [1, 0]).tolist() == pytest.approx([-log(0.9 * p + 0.05), -log(0.9 * (1 - p) + 0.05)])


def test_the_loss_has_a_floor_and_a_ceiling_and_is_stable():
    delta = [1000.0, -1000.0, -1000.0, 1000.0]
    floor, ceiling = -log(0.95), -log(0.05)
    assert loss(delta, [1, 0, 1, 0]).tolist() == pytest.approx([floor, floor, ceiling, ceiling])
    sums, rankings = pairs_of(torch.tensor(delta), [1, 0, 1, 0])
    single = CrossEntropy()(sums[None], rankings)
    assert single[0].tolist() == pytest.approx([floor, floor, ceiling, ceiling])  # in single precision too


def test_a_tie_is_learned_as_equality():
    assert loss([0.0], [0.5]).item() == pytest.approx(log(2))
    assert slope(0, 0.5) == pytest.approx(0)
    assert (loss([-3.0, -0.1, 0.1, 3.0], [0.5] * 4) > log(2)).all()


@pytest.mark.parametrize("delta", [-20.0, -5.0, -1.0, 0.0, 2.0])
def test_the_gradient_is_that_of_the_formula(delta):
    p = 1 / (1 + exp(-delta))
    expected = -0.9 * p * (1 - p) / (0.9 * p + 0.05)  # d/d delta of -log(.9 p + .05)
    assert slope(delta, 1) == pytest.approx(expected, rel=1e-9)
    assert slope(-delta, 0) == pytest.approx(-expected, rel=1e-9)
    assert expected < 0  # a confident mistake is still pulled back, if weakly: the teacher may have erred


def test_without_error_it_is_the_plain_cross_entropy():
    delta, mu = torch.linspace(-8, 8, 17, dtype=torch.float64), torch.tensor([0.0, 0.5, 1.0] * 6, dtype=torch.float64)[:17]
    plain = torch.nn.functional.binary_cross_entropy_with_logits(delta, mu, reduction="none")
    assert loss(delta, mu, error=0).tolist() == pytest.approx(plain.tolist())
    assert slope(-1000, 1, error=0) == pytest.approx(-1)  # it never saturates


@pytest.mark.parametrize("error", [0.0, 0.1, 0.5])
def test_left_and_right_are_alike(error):
    delta, mu = torch.linspace(-30, 30, 13), torch.tensor([1.0, 0.0, 0.5, 1.0, 0.0, 0.5, 1.0, 0.0, 0.5, 1.0, 0.0, 0.5, 1.0])
    assert torch.equal(loss(delta, mu, error), loss(-delta, 1 - mu, error))


def test_members_stand_apart():
    both = CrossEntropy()(*pairs_of(torch.tensor([[0.0, 0.0], [log(3), log(3)]]), [1, 0]))
    assert both.tolist() == [
        pytest.approx([log(2), log(2)]),
        pytest.approx([-log(0.9 * 0.75 + 0.05), -log(0.9 * 0.25 + 0.05)]),
    ]


@pytest.mark.parametrize("error", [-0.1, 1.0, float("nan")])
def test_an_impossible_error_is_refused(error):
    with pytest.raises(UserError, match="probabilities"):
        CrossEntropy(error)


# Smoothed labels


def smoothed(delta, mu, error, smoothing):
    """The loss of one comparison, and its slope in the left sum."""
    x = torch.tensor([delta], dtype=torch.float64, requires_grad=True)
    value = of(CrossEntropy(error, smoothing), x, [mu])
    value.sum().backward()
    return value.item(), x.grad.item()


def test_a_smoothed_label_asks_for_no_more_than_its_own_odds():
    """smoothing 0.2 makes 1 to 0.9, whose log odds are log 9: that is the minimum, and surer is worse."""
    value, slope = smoothed(log(9), 1, 0, 0.2)
    assert value == pytest.approx(-0.9 * log(0.9) - 0.1 * log(0.1)) and slope == pytest.approx(0)
    assert smoothed(log(3), 1, 0, 0.2)[1] == pytest.approx(0.75 - 0.9)  # P - mu
    assert smoothed(log(19), 1, 0, 0.2)[1] == pytest.approx(0.95 - 0.9)
    assert smoothed(-log(9), 0, 0, 0.2) == (pytest.approx(value), pytest.approx(0))


def test_smoothing_pulls_at_confident_mistakes_where_the_error_forgives_them():
    assert smoothed(-20.0, 1, 0, 0.1)[1] == pytest.approx(-0.95)  # P - mu = 0 - 0.95
    assert -1e-6 < smoothed(-20.0, 1, 0.1, 0)[1] < 0


def test_smoothing_leaves_ties_alone_and_is_cancelled_by_an_error_of_its_size():
    assert smoothed(1.5, 0.5, 0.1, 0.3) == smoothed(1.5, 0.5, 0.1, 0)
    assert smoothed(log(19), 1, 0, 0.1)[1] == pytest.approx(0) and smoothed(log(19), 1, 0.1, 0.1)[1] < -0.01
    assert smoothed(30.0, 1, 0.1, 0.1)[0] == pytest.approx(-0.95 * log(0.95) - 0.05 * log(0.05))  # the least there is, at P = 1


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_an_impossible_smoothing_is_refused(smoothing):
    with pytest.raises(UserError, match="probabilities"):
        CrossEntropy(0.1, smoothing)


# A scale for each comparison

QUARTER = log(2) + 0.75 * log(0.75) + 0.25 * log(0.25)  # KL of a coin of 3/4 from an even one


def scaled(delta, mu=1.0, **settings):
    return of(AdaptiveScale(**settings), delta, [mu] * len(delta))


def test_the_adaptive_scale_by_hand():
    """rho such that between the bounds each comparison is predicted with 3/4: tau = d / log 3."""
    settings = {"low": 0.5, "high": 2.0, "rho": QUARTER}
    at = torch.tensor([0.0, log(3), -log(3), 4 * log(3)], dtype=torch.float64)
    assert AdaptiveScale(**settings).scale(at).tolist() == pytest.approx([0.5, 1, 1, 2])  # 0 and 4 are out of bounds
    gap = log(2) - QUARTER
    expected = [0.5 * log(2) + 1.5 * gap, -log(0.75) + gap, -log(0.25) + gap, -2 * log(0.9)]  # sigmoid(2 log 3) = 9/10
    assert scaled(at, **settings).tolist() == pytest.approx(expected)
    assert scaled([1e4], **settings).item() == pytest.approx(0)


@pytest.mark.parametrize("mu", [1.0, 0.0])
@pytest.mark.parametrize("low, high, rho", [(0.1, 1.0, 0.1), (0.1, 5.0, 0.6), (0.5, 0.5, 0.3), (1e-3, 10.0, 0.02)])
def test_the_scale_found_is_the_best_of_a_fine_grid(low, high, rho, mu):
    delta, sign = torch.linspace(-8, 8, 41, dtype=torch.float64), 2 * mu - 1
    grid = torch.linspace(low, high, 20001, dtype=torch.float64)[:, None]
    tried = -grid * (log(2) + torch.nn.functional.logsigmoid(sign * delta / grid)) + rho * grid  # as published
    best, row = tried.min(dim=0)
    assert scaled(delta, mu, low=low, high=high, rho=rho).tolist() == pytest.approx(
        (best + high * (log(2) - rho)).tolist(), abs=1e-6
    )
    assert torch.allclose(AdaptiveScale(low, high, rho).scale(delta), grid[row, 0], atol=(high - low) / 2000 + 1e-9)


def test_the_gradient_is_that_of_the_minimum():
    settings = {"low": 0.5, "high": 2.0, "rho": QUARTER}
    points = torch.tensor([-3.0, -0.2, 0.3, 1.0, 2.0, 6.0], dtype=torch.float64, requires_grad=True)
    for mu in (1.0, 0.5, 0.0):
        (slope,) = torch.autograd.grad(scaled(points, mu, **settings).sum(), points)
        numeric = (scaled(points + 1e-6, mu, **settings) - scaled(points - 1e-6, mu, **settings)) / 2e-6
        assert slope.tolist() == pytest.approx(numeric.tolist(), abs=1e-6)
    (slope,) = torch.autograd.grad(scaled(points, **settings).sum(), points)
    assert slope[3:5].tolist() == pytest.approx([-0.25, -0.25])  # P - 1 where the scale is free


def test_with_one_scale_it_is_the_plain_cross_entropy():
    delta = torch.linspace(-5, 5, 11, dtype=torch.float64)
    for mu in (1.0, 0.5, 0.0):
        plain = torch.nn.functional.binary_cross_entropy_with_logits(delta, torch.full_like(delta, mu), reduction="none")
        assert scaled(delta, mu, low=1.0, high=1.0).tolist() == pytest.approx(plain.tolist())


@pytest.mark.parametrize("wrong", [{"low": 0}, {"high": 0.05}, {"rho": 0}, {"rho": log(2)}, {"rho": float("nan")}])
def test_an_impossible_scale_is_refused(wrong):
    with pytest.raises(UserError, match="adaptive scale needs"):
        AdaptiveScale(**wrong)


# Rankings


@pytest.mark.parametrize("loss", [CrossEntropy(0.1), CrossEntropy(0.0, 0.2), AdaptiveScale()])
def test_a_ranking_is_the_mean_over_its_pairs(loss):
    """Six pairs of four clips, the first and the last of them tied."""
    sums = torch.tensor([0.5, -1.0, 2.0, 0.0], dtype=torch.float64)
    leads, mu = [1.5, -1.5, 0.5, -3.0, -1.0, 2.0], [1, 0, 0.5, 0, 0, 1]  # 01 02 03 12 13 23
    assert loss(sums[None], ranked((1, 2, 0, 1))).item() == pytest.approx(of(loss, leads, mu).mean().item())


def test_questions_of_fewer_clips_count_as_much_as_others():
    sums = torch.tensor([[0.5, -1.0, 2.0, log(3), 0.0, 7.0]], dtype=torch.float64)
    both = CrossEntropy(0)(sums, ranked((1, 2, 0), (0, 1, None)))[0]
    assert both[1].item() == pytest.approx(-log(3 / 4))
    assert both[0].item() == pytest.approx(CrossEntropy(0)(sums[:, :3], ranked((1, 2, 0))).item())


def test_agreement_is_the_share_of_decided_pairs_in_the_same_order():
    """Of the pairs of (2, 0, 1, 1) the last is a tie; a member that finds a decided pair equal is wrong about it."""
    members = torch.tensor([[0.0, 3, 2, 1], [3, 0, 1, 2], [0, 0, 0, 0], [1, 3, 2, 1]])
    assert agreement(members, ranked((2, 0, 1, 1)))[:, 0].tolist() == pytest.approx([1, 0, 0, 4 / 5])
    assert agreement(members[:, :3], ranked((0, 0, None))).isnan().all()
    assert agreement(torch.tensor([[1.0, -1, 5, 0]]), ranked((0, 1), (1, 0))).tolist() == [[1.0, 0.0]]


def luce(sums, *ranks):
    """The loss of one ranking, in double precision, and its slopes."""
    x = torch.tensor([sums], dtype=torch.float64, requires_grad=True)
    value = PlackettLuce()(x, ranked(ranks))
    (slope,) = torch.autograd.grad(value.sum(), x)
    return value.item(), slope[0].tolist()


@pytest.mark.parametrize("mu", [1, 0, 0.5])
def test_plackett_luce_of_two_clips_is_bradley_terry(mu):
    delta = torch.linspace(-9, 9, 19, dtype=torch.float64)
    assert of(PlackettLuce(), delta, [mu] * 19).tolist() == pytest.approx(of(CrossEntropy(0), delta, [mu] * 19).tolist())


def test_plackett_luce_of_three_by_hand():
    """Weights 6, 3 and 1: the first is chosen with 6/10, the second of the others with 3/4."""
    value, slope = luce([log(6), log(3), 0.0], 0, 1, 2)
    assert value == pytest.approx(-log(6 / 10 * 3 / 4))
    # what a clip is expected to be chosen, minus what it was: 6/10 - 1; 3/10 + 3/4 - 1; 1/10 + 1/4
    assert slope == pytest.approx([-0.4, 0.05, 0.35])
    assert luce([0.0, log(6), log(3)], 2, 0, 1)[0] == pytest.approx(value), "whichever way they are shown"
    assert luce([log(6), log(3), 0.0], 2, 1, 0)[0] == pytest.approx(-log(1 / 10 * 3 / 9))


def test_plackett_luce_of_four_by_hand_is_no_mean_over_pairs():
    sums = [log(4), log(3), log(2), 0.0]
    value, slope = luce(sums, 0, 1, 2, 3)
    assert value == pytest.approx(-log(4 / 10 * 3 / 6 * 2 / 3))
    assert slope == pytest.approx([0.4 - 1, 0.3 + 1 / 2 - 1, 0.2 + 1 / 3 + 2 / 3 - 1, 0.1 + 1 / 6 + 1 / 3])
    pairs = [-log(a / (a + b)) for a, b in [(4, 3), (4, 2), (4, 1), (3, 2), (3, 1), (2, 1)]]
    assert value != pytest.approx(sum(pairs)) and value != pytest.approx(sum(pairs) / 6)


def test_a_tie_is_the_mean_over_the_orders_it_leaves_open():
    sums = [0.3, -1.2, 2.0, 0.7]
    orders = {
        (0, 1, 1, 3): [(0, 1, 2, 3), (0, 2, 1, 3)],
        (1, 0, 0, 0): [(3, *order) for order in permutations(range(3))],
        (0, 0, 1, 1): [(a, 1 - a, 2 + b, 3 - b) for a in (0, 1) for b in (0, 1)],
    }
    for ranks, each in orders.items():
        values, slopes = zip(*(luce(sums, *order) for order in each), strict=True)
        value, slope = luce(sums, *ranks)
        assert value == pytest.approx(np.mean(values)) and slope == pytest.approx(np.mean(slopes, axis=0))
    assert luce([0.0] * 4, 2, 2, 2, 2)[0] == pytest.approx(log(24)), "all alike: each of 4! orders is as likely"
    assert luce([0.0] * 4, 2, 2, 2, 2)[1] == pytest.approx([0] * 4)


def test_plackett_luce_leaves_out_what_is_not_there_and_is_stable():
    sums = torch.tensor([[log(6), log(3), 0.0, 9.0, log(3), 0.0, 5.0, 5.0]], dtype=torch.float64)
    rows = PlackettLuce()(sums, ranked((0, 1, 2, None), (1, 0, None, None)))[0]
    assert rows.tolist() == pytest.approx([-log(6 / 10 * 3 / 4), -log(1 / 4)])
    single = PlackettLuce()(torch.tensor([[1000.0, 0, -1000, -1000, 0, 1000]]), ranked((0, 1, 2), (0, 1, 2)))[0]
    assert single.tolist() == pytest.approx([0, 1000 + 2000], abs=1e-3)  # 1000 beside -1000; then 1000 beside 0


def test_plackett_luce_refuses_questions_of_too_many_clips():
    with pytest.raises(UserError, match=r"at most 10 clips at once, not 11; lower query\.clips"):
        PlackettLuce()(torch.zeros(1, 11), ranked(range(11)))
    assert PlackettLuce()(torch.zeros(1, 10), ranked(range(10))).item() == pytest.approx(log(factorial(10)), rel=1e-5)


@pytest.mark.parametrize("loss", [CrossEntropy(0), PlackettLuce()], ids=lambda loss: type(loss).__name__)
def test_rankings_of_a_planted_order_are_explained_by_it(loss):
    """Scores of six things, fitted to 3,000 rankings of three drawn from the Plackett-Luce model, pull them back to its own."""
    rng, true = np.random.default_rng(0), np.array([1.5, 0.8, 0.3, -0.2, -0.9, -1.5])
    shown = np.array([rng.choice(6, 3, replace=False) for _ in range(3000)])
    ranks = np.argsort(np.argsort(-(true[shown] + rng.gumbel(size=shown.shape)), axis=1), axis=1)  # its best has the first rank
    rankings = Rankings(*map(torch.from_numpy, (shown, ranks, np.full(shown.shape, True), np.zeros(shown.shape))))
    scores = torch.zeros(1, 6, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([scores], max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        solver.zero_grad()
        total = loss(scores, rankings).mean()
        total.backward()
        return total

    solver.step(closure)
    found = scores.detach().numpy()[0]
    assert found - found.mean() == pytest.approx(true - true.mean(), abs=0.1)


# Regression on the target


def test_return_error_is_the_mean_squared_distance_of_all_clips():
    rankings = ranked((0, 1), (1, 0), returns=[[1.0, -1.0], [0.0, 0.0]])
    sums = torch.tensor([[3.0, -1.0, 0.0, 0.0], [1.0, 0.0, 2.0, 2.0]])
    assert ReturnError()(sums, rankings).tolist() == [[2.0, 0.0], [0.5, 4.0]]  # (2^2 + 0) / 2; (0 + 1) / 2, (4 + 4) / 2
    assert ReturnError()(torch.ones(1, 3), ranked((0, 1, None), returns=[[1.0, 3.0, 9.0]])).tolist() == [[2.0]]
