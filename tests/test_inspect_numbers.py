"""The mathematics of `rlhp inspect`: distances between rewards, values, rank correlation, the alarm."""

from math import sqrt

import numpy as np
import pytest

from rlhp.inspect import fits, hacking, ranks
from rlhp.inspect.checks import Outcome, generalises, orders_policies
from rlhp.inspect.distances import UNRELATED, epic_canonical, epic_distance, starc_canonical, starc_distance
from rlhp.inspect.estimate import Estimate, bootstrap, correlated, correlation

DISCOUNT = 0.5
STATES, ACTIONS = 3, 2
FROM, ACT, TO = (x.ravel() for x in np.meshgrid(*map(np.arange, (STATES, ACTIONS, STATES)), indexing="ij"))  # every transition
REWARD = np.array([[[1.0, -2, 0], [3, 0, 1]], [[0, 5, -1], [2, 2, -4]], [[1, 0, 0], [-3, 1, 6]]])  # R[s, a, s']
POTENTIAL = np.array([4.0, -1.0, 2.5])
SHAPED = REWARD + DISCOUNT * POTENTIAL[np.newaxis, np.newaxis] - POTENTIAL[:, np.newaxis, np.newaxis]


def epic(reward):
    """The canonical form on all transitions, states and actions drawn uniformly and independently."""
    at = reward.mean(axis=(1, 2))  # E[R(s, A, S')]
    return epic_canonical(reward[FROM, ACT, TO], at[FROM], at[TO], reward.mean(), DISCOUNT)


def test_epic_by_hand():
    """Two states, one action: R(0, 0) = 1, R(0, 1) = 3, R(1, .) = 0, so E[R(0, ., S)] = 2 and E[R(S, ., S')] = 1."""
    reward, at = np.array([1.0, 3, 0, 0]), np.array([2.0, 0])
    before, after = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    found = epic_canonical(reward, at[before], at[after], 1.0, 0.5)
    assert found.tolist() == [-0.5, 0.5, 0.5, -0.5]  # 1 + 1 - 2 - .5, 3 + 0 - 2 - .5, 0 + 1 - 0 - .5, 0 + 0 - 0 - .5


@pytest.mark.parametrize(
    ("other", "distance"),
    [(SHAPED, 0.0), (7 * REWARD, 0.0), (REWARD + 3, 0.0), (7 * SHAPED - 2, 0.0), (-REWARD, 1.0), (-SHAPED, 1.0)],
)
def test_epic_knows_shaping_scale_and_sign(other, distance):
    assert epic_distance(epic(REWARD), epic(other)) == pytest.approx(distance, abs=1e-7)


def test_distances_by_hand():
    """Of (1, 0, -1) and (0, 1, -1) the correlation is 1 / 2, so EPIC's distance is sqrt(1 / 4)."""
    one, other = np.array([1.0, 0, -1]), np.array([0.0, 1, -1])
    assert epic_distance(one, other) == pytest.approx(0.5)
    assert starc_distance(one, other) == pytest.approx(0.5)  # both have mean 0
    assert epic_distance(np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])) == pytest.approx(UNRELATED)
    assert starc_distance(one, np.zeros(3)) == pytest.approx(0.5)  # half of the norm of a unit vector
    assert np.isnan(epic_distance(one, np.ones(3))) and np.isnan(starc_distance(np.zeros(3), np.zeros(3)))


def test_weights_count_transitions_as_often():
    rng = np.random.default_rng(0)
    one, other, times = rng.normal(size=9), rng.normal(size=9), rng.integers(0, 4, 9)
    for distance in (epic_distance, starc_distance):
        assert distance(one, other, times.astype(float)) == pytest.approx(distance(one.repeat(times), other.repeat(times)))


def test_starc_by_hand():
    """One state that goes on for ever at a discount of 1/2: rewards 0 and 2 by the action, each taken half of the time.

    The value is 1 / (1 - 1/2) = 2, the advantages are 0 - 2 + 1 = -1 and 2 - 2 + 1 = 1.
    """
    assert starc_canonical(np.array([0.0, 2]), np.array([2.0, 2]), np.array([2.0, 2]), 0.5).tolist() == [-1, 1]


def chain(reward, policy):
    """Values [S] of a reward R[s, a, s'] in the chain where action a leads from s to (s + a + 1) % 3, by exact solution."""
    to = (np.arange(STATES)[:, np.newaxis] + np.arange(ACTIONS) + 1) % STATES
    moves = np.zeros((STATES, STATES))
    for s in range(STATES):
        for a in range(ACTIONS):
            moves[s, to[s, a]] += policy[a]
    gain = np.array([sum(policy[a] * reward[s, a, to[s, a]] for a in range(ACTIONS)) for s in range(STATES)])
    return to, np.linalg.solve(np.eye(STATES) - DISCOUNT * moves, gain)


def starc(reward):
    to, value = chain(reward, np.array([0.25, 0.75]))
    s, a = (x.ravel() for x in np.meshgrid(np.arange(STATES), np.arange(ACTIONS), indexing="ij"))
    return starc_canonical(reward[s, a, to[s, a]], value[s], value[to[s, a]], DISCOUNT)


@pytest.mark.parametrize(("other", "distance"), [(SHAPED, 0.0), (2 * REWARD, 0.0), (REWARD + 3, 0.0), (-SHAPED, 1.0)])
def test_starc_knows_shaping_scale_and_sign(other, distance):
    assert starc_distance(starc(REWARD), starc(other)) == pytest.approx(distance, abs=1e-7)


def test_starc_ignores_rewards_of_transitions_that_never_happen():
    """EPIC does not: only STARC is blind to what the dynamics rule out (Skalse et al. 2024)."""
    other, (to, _) = REWARD.copy(), chain(REWARD, np.array([0.25, 0.75]))
    for s in range(STATES):
        for a in range(ACTIONS):
            other[s, a, [k for k in range(STATES) if k != to[s, a]]] += 50 * (s - a)
    assert starc_distance(starc(REWARD), starc(other)) == pytest.approx(0, abs=1e-7)
    assert epic_distance(epic(REWARD), epic(other)) > 0.1


def walk(steps=4000):
    """Steps of the chain under the policy, one-hot features of the states."""
    rng, state, rows = np.random.default_rng(1), 0, []
    to, _ = chain(REWARD, np.array([0.25, 0.75]))
    for _ in range(steps):
        action = int(rng.random() < 0.75)
        rows.append((state, action, to[state, action]))
        state = to[state, action]
    return np.array(rows).T


def test_fits_give_the_values_of_the_chain(monkeypatch):
    monkeypatch.setattr(fits, "RIDGE", 0.0)
    s, a, after = walk()
    phi = np.eye(STATES)
    rewards = np.stack([REWARD[s, a, after], SHAPED[s, a, after]], axis=1)
    block = np.arange(len(s)) // 50
    weights = fits.values(phi[s], phi[after], np.zeros(len(s)), rewards, DISCOUNT, block).weights(np.ones(block.max() + 1))
    for k, reward in enumerate((REWARD, SHAPED)):
        assert weights[:, k] == pytest.approx(chain(reward, np.array([0.25, 0.75]))[1], abs=0.1)
    assert weights[:, 1] == pytest.approx(weights[:, 0] - POTENTIAL)  # shaping by a potential: exactly, on any sample


def test_averages_read_the_chosen_steps_alone(monkeypatch):
    monkeypatch.setattr(fits, "RIDGE", 0.0)
    phi, rewards = np.eye(2)[[0, 0, 0, 1, 1]], np.array([[1.0], [3], [99], [5], [7]])
    found = fits.averages(phi, rewards, np.array([1.0, 1, 0, 1, 1]), np.array([0, 0, 0, 1, 1]))
    assert found.weights(np.ones(2)).ravel() == pytest.approx([2, 6])
    assert found.weights(np.array([1.0, 0])).ravel() == pytest.approx([2, 0])  # a block that is not drawn counts for nothing


def test_features_do_not_depend_on_units():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(50, 3))
    scaled = states * [1.0, 1000, 1e-3] + [0, 7, -2]
    assert fits.features(states)(states) == pytest.approx(fits.features(scaled)(scaled), abs=1e-6)
    assert fits.features(np.ones((5, 3)))(np.ones((5, 3))).shape == (5, 1 + 3 + fits.WIDTH)


def test_wide_observations_are_projected():
    states = np.random.default_rng(0).normal(size=(20, 500))
    assert fits.features(states)(states).shape == (20, 1 + fits.MOST + fits.WIDTH)


@pytest.mark.parametrize(
    ("y", "tau"),
    [
        ([1, 2, 3, 4], 1.0),
        ([4, 3, 2, 1], -1.0),
        ([1, 3, 2, 4], 4 / 6),  # one of six pairs is turned round
        ([1, 1, 2, 3], 5 / sqrt(5 * 6)),  # one tie in y
    ],
)
def test_kendall(y, tau):
    assert ranks.kendall(np.arange(4.0), np.array(y, float)) == pytest.approx(tau)


def test_kendall_of_ties_alone_is_not_known():
    assert np.isnan(ranks.kendall(np.arange(3.0), np.ones(3)))


def test_order_of_policies_has_an_interval():
    rng = np.random.default_rng(0)
    true = [k + 0.1 * rng.normal(size=6) for k in range(6)]
    assert (found := ranks.order(true, true)).value == 1 and found.low == 1
    noise = [rng.normal(size=6) for _ in range(6)]
    assert (found := ranks.order(noise, true)).low < 0 < found.high
    assert not ranks.order(true[:3], true[:3]).known


def test_parts_are_as_equal_as_can_be():
    assert ranks.parts(10, 3, 2) == [slice(0, 3), slice(3, 7), slice(7, 10)]
    assert ranks.parts(10, 10, 4) == [slice(0, 5), slice(5, 10)]
    assert ranks.parts(3, 10, 4) == []


def test_bootstrap_covers_a_mean():
    """Of the mean of n standard normals the interval is about 2 / sqrt(n) to either side."""
    x = np.random.default_rng(0).normal(size=400)
    found = bootstrap(lambda rows: float(x[rows].mean()), 400)
    assert found.value == pytest.approx(x.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * x.std() / 20, rel=0.1)
    twins = np.repeat(x[:100], 4)  # four copies hold no more information than one
    grouped = bootstrap(lambda rows: float(twins[rows].mean()), 400, np.repeat(np.arange(100), 4))
    assert grouped.high - grouped.low == pytest.approx(2 * 1.96 * x[:100].std() / 10, rel=0.15)


def test_too_few_or_constant_values_give_no_number():
    x = np.arange(5.0)
    assert "too few" in bootstrap(lambda rows: float(x[rows].mean()), 5).missing
    assert correlation(np.ones(20), np.arange(20.0)).missing and np.isnan(correlated(np.full(9, 0.1), np.arange(9.0)))
    assert correlation(np.arange(20.0), np.arange(20.0)).text() == "1.00 (1.00 to 1.00)"


STEP = np.arange(120)


def noisy(curve, seed, size=0.5):
    return curve + size * np.random.default_rng(seed).normal(size=len(curve))


RISE = 0.03 * STEP
HACKED = np.where(STEP < 60, 0.05 * STEP, 3.0 - 0.04 * (STEP - 60))  # the true reward turns half-way


def test_alarm_rings_where_predicted_rises_and_true_falls():
    found = hacking.alarm(STEP, noisy(RISE, 0), noisy(HACKED, 1))
    assert found.rings and 30 <= found.since <= 90
    assert found.fall > 0.3 and found.rise > 0.3


@pytest.mark.parametrize(
    ("predicted", "true"),
    [(RISE, RISE), (RISE, 0 * RISE), (HACKED, HACKED), (-RISE, HACKED), (0 * RISE, 0 * RISE)],
    ids=["both rise", "true is flat", "both turn", "predicted falls", "both are flat"],
)
def test_alarm_is_silent_where_they_do_not_part(predicted, true):
    assert not hacking.alarm(STEP, noisy(predicted, 0), noisy(true, 1)).rings


def autocorrelated(n, share, rng):
    x, noise = np.zeros(n), rng.normal(size=n)
    for i in range(1, n):
        x[i] = share * x[i - 1] + noise[i]
    return x


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_false_alarms_are_rare(share):
    """60 runs whose r-hat rises while the true reward only wanders: at a level of 1 %, 3 or more have a probability of 2 %."""
    rings = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        predicted, true = 0.1 * STEP + autocorrelated(120, share, rng), autocorrelated(120, share, rng)
        rings += hacking.alarm(STEP, predicted, true, seed, draws=299).p <= hacking.LEVEL
    assert rings <= 2


def test_short_series_are_not_tested():
    assert np.isnan(hacking.alarm(STEP[:10], RISE[:10], HACKED[:10]).p)
    assert not hacking.alarm(STEP, np.ones(120), HACKED).rings


def test_slopes_by_hand():
    """Through 0, 1, 1, 2, 3, 3 the slope is 11 / 17.5; it leaves 24 - 100 / 6 - 121 / 17.5, on 4 degrees of freedom."""
    y = np.array([[0.0, 1, 1, 2, 3, 3]])
    rest = 24 - 100 / 6 - 121 / 17.5
    assert hacking.tails(y)[0, 0] == pytest.approx(11 / 17.5 / sqrt(rest / 4 / 17.5))


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(0.1, 0.9, Outcome.SOUND), (-0.57, 0.14, Outcome.UNKNOWN), (-0.9, -0.1, Outcome.FLAGGED)]
)
def test_an_order_that_chance_may_have_made_is_not_known(low: float, high: float, outcome: Outcome) -> None:
    assert orders_policies(Estimate((low + high) / 2, low, high, 8)).outcome is outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(0.04, 0.23, Outcome.SOUND), (-0.1, 0.5, Outcome.UNKNOWN), (0.2, 0.5, Outcome.FLAGGED)]
)
def test_over_fitting_that_is_not_ruled_out_is_not_known(low: float, high: float, outcome: Outcome) -> None:
    assert generalises(Estimate((low + high) / 2, low, high, 40)).outcome is outcome
