"""Ratings worked out by hand, and intervals that cover what was simulated."""

from math import log, log10, sqrt

import numpy as np
import pytest

from rlhp.rating import groups, rate

BARELY = 1e-9  # draws that do not count


def table(n, **games):
    """Points from games, such as ab=(3, 1): a won three of them and b one."""
    points = np.zeros((n, n))
    for pair, (first, second) in games.items():
        i, j = ("abcdef".index(name) for name in pair)
        points[i, j], points[j, i] = first, second
    return points


def test_two_policies_by_hand():
    """Ten to one are 400 points, of which each has a half; the information on their difference is 11 p q = 10 / 11."""
    found = rate(table(2, ab=(10, 1)), draws=BARELY)
    assert found.elo == pytest.approx([200, -200])
    assert found.error == pytest.approx([0.5 * 1.959964 * sqrt(11 / 10) * 400 / log(10)] * 2)
    assert rate(table(2, ab=(10, 1)), anchor=1, draws=BARELY).elo == pytest.approx([400, 0])
    assert rate(table(2, ab=(10, 1)), anchor=1, draws=BARELY).error == pytest.approx([2 * found.error[0], 0])
    assert rate(table(2, ab=(4.5, 1.5)), draws=BARELY).elo == pytest.approx([200 * log10(3), -200 * log10(3)])  # draws are halves


def test_three_policies_by_hand():
    """Odds of 3 to 1 and 2 to 1 in a chain; then all against all, where 6 to 1 is just what the other two say."""
    chain = [400 * log10(6), 400 * log10(2), 0]
    for points in (table(3, ab=(3, 1), bc=(20, 10)), table(3, ab=(3, 1), bc=(20, 10), ac=(60, 10))):
        assert rate(points, draws=BARELY).elo == pytest.approx(np.array(chain) - np.mean(chain))
    cycle = rate(table(3, ab=(2, 1), bc=(2, 1), ca=(2, 1)))
    assert cycle.elo == pytest.approx([0, 0, 0], abs=1e-9)


def test_an_undefeated_policy_has_a_finite_rating():
    """5 wins of 5, 6 draws each: with 1 / (1 + e^-r) = 2/3, the 5 (1 - 4/5) points missed are the 6 (2/3 - 1/2) that are over."""
    found = rate(table(2, ab=(5, 0)), draws=6)
    assert found.elo == pytest.approx([400 * log10(2), -400 * log10(2)])
    more = rate(table(2, ab=(50, 0)), draws=1)
    assert 400 < more.elo[0] - more.elo[1] < 1000 and np.isfinite(more.error).all()
    with pytest.raises(ValueError, match="no finite rating"):
        rate(table(2, ab=(5, 0)), draws=0)


def test_a_landslide_is_found_too():
    """From ratings of 0, full steps of Newton's method would run away."""
    found = rate(table(2, ab=(1e6, 1)), draws=BARELY)
    assert found.elo[0] - found.elo[1] == pytest.approx(2400)


def test_no_games_no_rating():
    found = rate(np.zeros((3, 3)))
    assert found.elo.tolist() == [0, 0, 0] and (found.error > 400).all()


def test_intervals_cover_what_was_simulated():
    """Five policies, 30 games of each pair, 300 times; 95 % of 1,500 intervals, give or take, hold the true rating."""
    rng, true = np.random.default_rng(0), np.array([300.0, 120, 0, -150, -270])
    wins = 1 / (1 + 10 ** ((true - true[:, np.newaxis]) / 400))
    covered = []
    for _ in range(300):
        points = np.triu(rng.binomial(30, wins), 1).astype(float)
        points += np.tril(30 - points.T, -1)
        found = rate(points)
        covered.append(np.abs(found.elo - true) <= found.error)
    assert 0.93 < np.mean(covered) < 0.98


def test_policies_that_never_met_are_told_apart():
    assert groups(table(5, ab=(1, 0), cd=(1, 1), de=(0, 2))) == [[0, 1], [2, 3, 4]]
    assert groups(table(3, ac=(1, 0), bc=(0, 1))) == [[0, 1, 2]]
