"""Maximum-entropy inverse RL on problems solved by hand: occupancies are asserted, rewards are not identified."""

from dataclasses import replace
from itertools import product
from math import log

import numpy as np
import pytest

from rlhp.tabular import TabularMDP, Trajectories, chain, fit, gradient, grid, log_likelihood, occupancy, sample, soft_policy
from rlhp.types import UserError


def by_state(mdp):
    """Features [S, A, S] that tell the states apart, and not the actions."""
    states, actions = mdp.shape
    return np.repeat(np.eye(states)[:, np.newaxis], actions, 1)


def by_pair(mdp):
    """Features [S, A, S A] that tell everything apart."""
    return np.eye(np.prod(mdp.shape)).reshape(*mdp.shape, -1)


def slippery(horizon=6, discount=0.9):
    """A grid of 3 x 3 with slips, which starts in a corner."""
    return replace(grid(3, 3, horizon, slip=0.3, start=np.eye(9)[0]), discount=discount)


def uniform(mdp):
    return np.full((mdp.horizon, *mdp.shape), 1 / mdp.shape[1])


# Soft-optimal policies


def test_one_step_is_a_softmax_of_the_reward():
    found = soft_policy(chain(1, horizon=1), np.array([[0, log(3)]]))
    assert found.probabilities[0, 0] == pytest.approx([1 / 4, 3 / 4])
    assert found.value[0, 0] == pytest.approx(log(4))


def test_a_chain_whose_trajectories_can_be_counted():
    """Two steps, reward log 2 in state 1. Stay first: 0, 0, two last actions, weight 2; move first: 0, 1, weight 2 x 2."""
    mdp = chain(3, horizon=2)
    found = soft_policy(mdp, np.array([0, log(2), 0]))
    assert found.probabilities[0, 0] == pytest.approx([1 / 3, 2 / 3])
    assert found.probabilities[1] == pytest.approx(np.full((3, 2), 1 / 2))  # the last action leads nowhere that counts
    assert found.value[0, 0] == pytest.approx(log(6)) and found.value.shape == (2, 3)
    assert found.value[1] == pytest.approx([log(2), log(4), log(2)])  # a reward, and two last actions
    there = occupancy(mdp, found.probabilities)
    assert there == pytest.approx(np.array([[1 / 3 + 1 / 6, 2 / 3 + 1 / 6], [1 / 3, 1 / 3], [0, 0]]))


def test_a_trajectory_is_as_likely_as_the_exponential_of_its_return():
    """The definition (Ziebart et al. 2008, equation 2), by listing all 4^3 trajectories from the middle of a grid of 3 x 3."""
    mdp, reward = grid(3, 3, horizon=3, start=np.eye(9)[4]), np.random.default_rng(1).normal(size=(9, 4))
    expected, total = np.zeros((9, 4)), 0.0
    for actions in product(range(4), repeat=3):
        state, visits = 4, []
        for action in actions:
            visits.append((state, action))
            state = int(mdp.transitions[state, action].argmax())
        weight = np.exp(sum(reward[visit] for visit in visits))
        total += weight
        for visit in visits:
            expected[visit] += weight
    found = soft_policy(mdp, reward)
    assert found.value[0, 4] == pytest.approx(log(total))
    assert occupancy(mdp, found.probabilities) == pytest.approx(expected / total)


def test_a_large_reward_leaves_only_the_best_path():
    """From corner to corner of a grid of 2 x 2 in two moves: right and down or down and right, one half each."""
    mdp = grid(2, 2, horizon=3, start=np.eye(4)[0])
    there = occupancy(mdp, soft_policy(mdp, np.array([0, 0, 0, 100.0])).probabilities)
    assert there.sum(1) == pytest.approx([1, 1 / 2, 1 / 2, 1])


def test_shaping_leaves_the_occupancy_as_it_is():
    """r + discount E[potential(s')] - potential(s), with potential 0 at the end: no horizon cuts what is paid back."""
    mdp = slippery(horizon=200, discount=0.8)  # 0.8^200 < 1e-19
    reward, potential = np.arange(9.0)[:, np.newaxis] * np.ones(4), np.sin(np.arange(9))
    shaped = reward + mdp.discount * mdp.transitions @ potential - potential[:, np.newaxis]
    before, after = (occupancy(mdp, soft_policy(mdp, r).probabilities) for r in (reward, shaped))
    assert after == pytest.approx(before, abs=1e-9)
    assert not np.allclose(reward, shaped)


# Where policies go


def test_occupancy_of_the_uniform_policy_in_the_middle_of_a_grid():
    """t = 0: the centre. t = 1: a quarter in each neighbour. t = 2, from a neighbour: itself (wall), the centre, two corners."""
    mdp = grid(3, 3, horizon=3, start=np.eye(9)[4])
    there = occupancy(mdp, uniform(mdp)).sum(1).reshape(3, 3)
    corner, edge, centre = 2 / 16, 1 / 4 + 1 / 16, 1 + 4 / 16
    assert there == pytest.approx(np.array([[corner, edge, corner], [edge, centre, edge], [corner, edge, corner]]))


def test_a_discounted_step_counts_less():
    mdp = replace(chain(2, horizon=3), discount=0.5)
    moving = np.zeros((3, 2, 2))
    moving[..., 1] = 1
    assert occupancy(mdp, moving) == pytest.approx(np.array([[0, 1], [0, 1 / 2 + 1 / 4]]))


def test_slips_go_anywhere():
    mdp = grid(1, 3, horizon=2, slip=0.4, start=np.eye(3)[1])
    right = np.zeros((2, 3, 4))
    right[..., 1] = 1
    # right with .6 + .1; left .1; up and down stay, .2; from the middle, where the first step is
    assert occupancy(mdp, right).sum(1) == pytest.approx([0.1, 1.2, 0.7])


def test_demonstrations_are_counted_discounted():
    mdp = replace(chain(3, horizon=2), discount=0.5)
    demonstrations = Trajectories(np.array([[0, 1], [0, 0]]), np.array([[1, 0], [0, 1]]))
    assert demonstrations.occupancy(mdp) == pytest.approx(np.array([[0.5, 0.5 + 0.25], [0.25, 0], [0, 0]]))
    assert demonstrations.start(mdp).tolist() == [1, 0, 0]


def test_sampled_trajectories_have_the_occupancy_of_their_policy():
    mdp = slippery()
    policy = soft_policy(mdp, np.linspace(-1, 1, 9)).probabilities
    seen, expected = sample(mdp, policy, 20_000, np.random.default_rng(2)).occupancy(mdp), occupancy(mdp, policy)
    assert np.abs(seen - expected).max() < 0.02  # five standard errors of a count below 1
    assert np.abs(seen - occupancy(mdp, uniform(mdp))).max() > 0.1  # and not that of another


# The likelihood


def test_the_likelihood_is_that_of_the_demonstrated_actions():
    """Without chance: the mean over demonstrations of the sum over steps of log pi."""
    mdp, reward = grid(3, 3, horizon=4), np.random.default_rng(3).normal(size=(9, 4))
    demonstrations = sample(mdp, uniform(mdp), 50, np.random.default_rng(4))
    mdp = replace(mdp, start=demonstrations.start(mdp))
    policy = soft_policy(mdp, reward).probabilities
    chosen = policy[np.arange(4), demonstrations.states, demonstrations.actions]
    assert log_likelihood(mdp, reward, demonstrations.occupancy(mdp)) == pytest.approx(np.log(chosen).sum(1).mean())


@pytest.mark.parametrize("discount", [1.0, 0.7])
def test_the_gradient_is_that_of_finite_differences(discount):
    mdp, rng, size = slippery(discount=discount), np.random.default_rng(5), 1e-5
    features, theta = rng.normal(size=(9, 4, 3)), rng.normal(size=3)
    visited = sample(mdp, uniform(mdp), 10, rng).occupancy(mdp)
    found = gradient(mdp, features, features @ theta, visited)
    values = [[log_likelihood(mdp, features @ (theta + sign * size * one), visited) for sign in (1, -1)] for one in np.eye(3)]
    assert found == pytest.approx([(up - down) / (2 * size) for up, down in values], rel=1e-6)
    assert np.abs(found).min() > 1e-2  # not of a place where all is flat


# The fit


def test_a_share_of_one_action_gives_its_log_odds():
    """One step in one state, 3 of 4 move: pi(move) = 3/4, so the reward's difference is log 3; the constant stays at 0."""
    mdp = chain(1, horizon=1)
    found = fit(mdp, by_pair(mdp), Trajectories(np.zeros((4, 1), int), np.array([[1], [1], [0], [1]])))
    assert found.reward[0] == pytest.approx([-log(3) / 2, log(3) / 2], abs=1e-5)
    assert found.occupancy == pytest.approx(np.array([[1 / 4, 3 / 4]]), abs=1e-6)
    assert found.objective[[0, -1]] == pytest.approx([-log(2), 0.75 * log(0.75) + 0.25 * log(0.25)])


def test_occupancies_of_the_chain_are_matched():
    """Half of the demonstrations wait a step, half do not: state 1 is visited for 1/2, and so it is by the policy found."""
    mdp = chain(3, horizon=2)
    found = fit(mdp, by_state(mdp), Trajectories(np.array([[0, 0], [0, 1]]), np.array([[0, 1], [1, 1]])))
    assert found.occupancy.sum(1) == pytest.approx([3 / 2, 1 / 2, 0], abs=1e-6)
    assert found.policy[0, 0] == pytest.approx([1 / 2, 1 / 2], abs=1e-6)


@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_an_experts_occupancy_on_a_grid_is_matched(slip):
    mdp = grid(3, 3, horizon=6, slip=slip)
    expert = soft_policy(mdp, np.array([0, 0, 0, 0, -2, 0, 0, 0, 2.0])).probabilities
    demonstrations = sample(mdp, expert, 300, np.random.default_rng(6))
    found, visited = fit(mdp, by_state(mdp), demonstrations), demonstrations.occupancy(mdp)
    assert found.slope <= 1e-6
    assert found.occupancy.sum(1) == pytest.approx(visited.sum(1), abs=1e-5)
    untrained = occupancy(replace(mdp, start=demonstrations.start(mdp)), uniform(mdp))
    assert np.abs(untrained - visited).sum() > 1  # it could have been otherwise


def test_the_likelihood_never_falls_and_ends_above_that_of_the_truth():
    mdp = slippery()
    truth = np.repeat(np.linspace(-1, 1, 9)[:, np.newaxis], 4, 1)
    demonstrations = sample(mdp, soft_policy(mdp, truth).probabilities, 100, np.random.default_rng(7))
    found, visited = fit(mdp, by_state(mdp), demonstrations), demonstrations.occupancy(mdp)
    assert len(found.objective) > 3 and (np.diff(found.objective) >= 0).all()
    assert found.objective[-1] == pytest.approx(log_likelihood(mdp, found.reward, visited))
    assert found.objective[-1] >= log_likelihood(mdp, truth, visited)


def test_what_was_never_done_is_bounded_by_l2():
    mdp = chain(1, horizon=1)
    always = Trajectories(np.zeros((1, 1), int), np.ones((1, 1), int))
    free, held = (fit(mdp, by_pair(mdp), always, l2=l2, max_steps=50) for l2 in (0.0, 0.1))
    assert held.slope <= 1e-6 and free.theta[1] > held.theta[1]
    assert len(fit(mdp, by_pair(mdp), always, max_steps=3).objective) == 4, "before each step and after the last"
    assert held.theta[1] == pytest.approx(held.policy[0, 0, 0] / 0.1)  # the slope 1 - pi(1) - l2 theta is 0


def test_first_states_are_taken_as_given():
    """Only the second of two absorbing states was demonstrated: that the first is never seen says nothing about its reward."""
    mdp = TabularMDP(np.eye(2)[:, np.newaxis], np.array([0.5, 0.5]), horizon=3)
    found = fit(mdp, by_state(mdp), Trajectories(np.ones((1, 3), int), np.zeros((1, 3), int)))
    assert found.theta.tolist() == [0, 0]


# What users get wrong


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transitions": np.ones((2, 2))}, "do not fit together"),
        ({"start": np.ones(3) / 3}, "do not fit together"),
        ({"transitions": np.full((2, 2, 2), 0.4)}, "transitions are probabilities"),
        ({"start": np.array([1.5, -0.5])}, "start are probabilities"),
        ({"horizon": 0}, "horizon=0"),
        ({"discount": 1.1}, "discount=1.1"),
    ],
)
def test_an_mdp_that_is_none_is_refused(change, words):
    with pytest.raises(UserError, match=words):
        replace(chain(2, horizon=1), **change)


def test_trajectories_of_another_mdp_are_refused():
    mdp = chain(2, horizon=2)
    for trajectories, words in [
        (Trajectories(np.zeros((1, 3), int), np.zeros((1, 3), int)), "3 steps in an MDP of horizon 2"),
        (Trajectories(np.full((1, 2), 2), np.zeros((1, 2), int)), "states of trajectories go from 0 to 1"),
        (Trajectories(np.zeros((1, 2), int), np.full((1, 2), -1)), "actions of trajectories go from 0 to 1"),
    ]:
        with pytest.raises(UserError, match=words):
            fit(mdp, by_state(mdp), trajectories)
    with pytest.raises(UserError, match="both be"):
        Trajectories(np.zeros((1, 2), int), np.zeros((2, 2), int))
    with pytest.raises(UserError, match="features of shape"):
        fit(mdp, np.zeros((2, 3, 1)), Trajectories(np.zeros((1, 2), int), np.zeros((1, 2), int)))
    with pytest.raises(ValueError, match="reward of shape"):
        soft_policy(mdp, np.zeros(3))
