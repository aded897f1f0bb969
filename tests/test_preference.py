"""Preference maths against numbers worked out by hand."""

from math import exp, log

import numpy as np
import pytest
import torch

from rlhp.preference import (
    AdaptiveScale,
    CrossEntropy,
    Labels,
    ReturnError,
    disagreement,
    elo,
    expected_score,
    win_probability,
)
from rlhp.types import UserError


def loss(delta, mu, error=0.1):
    """Cross-entropy of comparisons whose left sum is larger by `delta` [n], in double precision."""
    delta, mu = torch.as_tensor(delta, dtype=torch.float64), torch.as_tensor(mu, dtype=torch.float64)
    return CrossEntropy(error)(delta[None], torch.zeros_like(delta)[None], Labels(mu, mu, mu))[0]


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


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (1, 3, 4, 2)])
def test_disagreement_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="members, questions"):
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
    single = CrossEntropy()(torch.tensor([delta]), torch.zeros(1, 4), Labels(*[torch.tensor([1.0, 0.0, 1.0, 0.0])] * 3))
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
    labels = Labels(*[torch.tensor([1.0, 0.0])] * 3)
    both = CrossEntropy()(torch.tensor([[0.0, 0.0], [log(3), log(3)]]), torch.zeros(2, 2), labels)
    assert both.tolist() == [
        pytest.approx([log(2), log(2)]),
        pytest.approx([-log(0.9 * 0.75 + 0.05), -log(0.9 * 0.25 + 0.05)]),
    ]


@pytest.mark.parametrize("error", [-0.1, 1.0, float("nan")])
def test_an_impossible_error_is_refused(error):
    with pytest.raises(UserError, match="probability"):
        CrossEntropy(error)


# Smoothed labels


def smoothed(delta, mu, error, smoothing):
    """The loss of one comparison, and its slope in the left sum."""
    x, label = torch.tensor([[delta]], dtype=torch.float64, requires_grad=True), torch.tensor([mu], dtype=torch.float64)
    value = CrossEntropy(error, smoothing)(x, torch.zeros(1, 1, dtype=torch.float64), Labels(label, label, label))
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
    with pytest.raises(UserError, match="probability"):
        CrossEntropy(0.1, smoothing)


# A scale for each comparison

QUARTER = log(2) + 0.75 * log(0.75) + 0.25 * log(0.25)  # KL of a coin of 3/4 from an even one


def scaled(delta, mu=1.0, **settings):
    delta = torch.as_tensor(delta, dtype=torch.float64)
    labels = Labels(*[torch.full(delta.shape, mu, dtype=torch.float64)] * 3)
    return AdaptiveScale(**settings)(delta[None], torch.zeros_like(delta)[None], labels)[0]


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
    with pytest.raises(UserError, match="adaptive scale wants"):
        AdaptiveScale(**wrong)


# Regression on the target


def test_return_error_is_the_mean_squared_distance_of_both_sides():
    labels = Labels(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0]))
    left, right = torch.tensor([[3.0, 0.0], [1.0, 2.0]]), torch.tensor([[-1.0, 0.0], [0.0, 2.0]])
    assert ReturnError()(left, right, labels).tolist() == [[2.0, 0.0], [0.5, 4.0]]  # (2^2 + 0) / 2; (0 + 1) / 2, (4 + 4) / 2
