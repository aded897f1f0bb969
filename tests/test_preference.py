"""Preference maths against numbers worked out by hand."""

from math import exp, log

import numpy as np
import pytest
import torch

from rlhp.preference import CrossEntropy, Labels, ReturnError, disagreement, win_probability
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


# Regression on the target


def test_return_error_is_the_mean_squared_distance_of_both_sides():
    labels = Labels(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0]))
    left, right = torch.tensor([[3.0, 0.0], [1.0, 2.0]]), torch.tensor([[-1.0, 0.0], [0.0, 2.0]])
    assert ReturnError()(left, right, labels).tolist() == [[2.0, 0.0], [0.5, 4.0]]  # (2^2 + 0) / 2; (0 + 1) / 2, (4 + 4) / 2
