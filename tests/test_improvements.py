"""What an agent may do besides PPO: fit its value function anew where the reward has changed, explore before there is one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stable_baselines3.common.utils import explained_variance
from states import same

from rlhp.agent import BlindA2C, BlindPPO, StateEntropy, ValueRefit
from rlhp.agent.build import make
from rlhp.agent.fast import FastPPO
from rlhp.agent.intrinsic_reward import nearest
from rlhp.envs import mujoco as mujoco_envs
from rlhp.types import Array, Rollout, UserError

T, N, ROUNDS = 32, 4, 6
SETTINGS = {"n_steps": T, "gamma": 0.9, "learning_rate": 3e-3, "seed": 5}
PPO = {**SETTINGS, "batch_size": 32, "n_epochs": 2}


def agent(algorithm=FastPPO, **settings):
    env = mujoco_envs.make("reacher", n_envs=N, seed=0, horizon=25)
    return make(algorithm, env, **((SETTINGS if algorithm is BlindA2C else PPO) | settings))


def trained(one, unrewarded: int = 0, keep: list | None = None):
    """Six rounds, of which the first ones get no reward; snapshots on the way go into `keep`."""
    for i, rollout in enumerate(one.rollouts(ROUNDS * T * N)):
        if i >= unrewarded:
            one.update(rollout.true_reward)
        if keep is not None:
            keep.append(one.snapshot())
    return one


def parameters(one) -> dict[str, Array]:
    return {name: value.numpy().copy() for name, value in one.policy.state_dict().items()}


def critics(state: dict[str, Array]) -> dict[str, Array]:
    return {name: value for name, value in state.items() if "value" in name}


# The value function fitted anew


def rewarded(one) -> Rollout:
    """An agent with a rollout in its buffer, rewarded and credited as before the policy's step."""
    rollout = next(one.rollouts(T * N))
    one.rollout_buffer.rewards += rollout.true_reward
    one._compute_advantages()
    return rollout


@pytest.mark.parametrize("algorithm", [FastPPO, BlindPPO, BlindA2C])
def test_a_refit_moves_the_value_function_alone_until_it_explains_enough(algorithm):
    one = agent(algorithm)
    rewarded(one)
    before, buffer = parameters(one), one.rollout_buffer
    explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
    metrics = ValueRefit(seed=0, epochs=200, below=0.5, batch_size=32)(one, one._compute_advantages)
    after = parameters(one)
    assert (
        1 < metrics["refit_epochs"] < 200 and metrics["explained_before"] == pytest.approx(float(explained)) and explained < 0.5
    )
    assert explained_variance(buffer.values.flatten(), buffer.returns.flatten()) >= 0.5
    assert {name for name in before if not np.array_equal(before[name], after[name])} == critics(before).keys()
    with torch.no_grad():
        values = one.policy.predict_values(torch.from_numpy(buffer.observations.reshape(T * N, -1)))
    assert np.allclose(buffer.values, values.numpy().reshape(T, N), atol=1e-6)
    assert np.allclose(buffer.returns, buffer.values + buffer.advantages)


def test_a_refit_stops_after_so_many_passes():
    one = agent()
    rewarded(one)
    assert ValueRefit(seed=0, epochs=3, below=1.0)(one, one._compute_advantages)["refit_epochs"] == 3


def test_where_the_values_explain_enough_nothing_changes():
    assert same(parameters(trained(agent())), parameters(trained(agent(refit=ValueRefit(seed=0, below=-1e9)))))


def test_the_lean_ppo_refits_as_ppo_does():
    one, two = (trained(agent(algorithm, refit=ValueRefit(seed=0))) for algorithm in (FastPPO, BlindPPO))
    assert same(parameters(one), parameters(two)) and not same(parameters(one), parameters(trained(agent())))


def test_what_a_refit_did_is_logged():
    one = agent(refit=ValueRefit(seed=0, epochs=4))
    logged = [one.update(rollout.true_reward) for rollout in one.rollouts(3 * T * N)]
    assert logged[0]["refit_epochs"] == 4 and "explained_before" in logged[0]


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 0}, {"below": 1.5}])
def test_an_impossible_refit_is_refused(wrong):
    with pytest.raises(UserError, match=r"agent\.refit needs"):
        ValueRefit(seed=0, **wrong)


# Exploring before there is a reward


def states(values: list[list[float]]) -> Rollout:
    """A rollout of observations of one number, [T, N]."""
    obs = np.array(values, np.float32)
    return Rollout(obs[..., None], obs[..., None], obs, obs > np.inf, None, np.zeros(0))


def test_the_nearest_by_hand():
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert nearest(points, points, 1).tolist() == [1, 1, 2, 4]
    assert nearest(points, points, 2).tolist() == [3, 2, 3, 6]
    assert nearest(points, points, 9).tolist() == [7, 6, 4, 7]  # the farthest
    assert nearest(torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]]), 1).tolist() == [5]
    many = torch.randn(700, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(nearest(many, many, 5), torch.cdist(many, many).sort(dim=1).values[:, 5], atol=1e-3)


def test_a_state_is_worth_its_distance_from_others_in_units_of_their_spread():
    spread = np.std([0, 3, 1, 7])
    explore = StateEntropy(neighbours=1)
    assert explore(states([[0, 3], [1, 7]])) == pytest.approx(np.array([[1, 2], [1, 4]]) / spread)
    spread = np.std([0, 3, 1, 7, 8, 8])
    assert explore(states([[8], [8]])) == pytest.approx(np.array([[0], [0]]))  # one beside the other
    assert StateEntropy(neighbours=1)(states([[2, 2], [2, 2]])).tolist() == [[0, 0], [0, 0]]  # no spread at all


def test_states_of_rollouts_before_count_too():
    explore = StateEntropy(neighbours=1)
    explore(states([[0], [10]]))
    assert explore(states([[11], [30]])) == pytest.approx(np.array([[1], [19]]) / np.std([0, 10, 11, 30]))


def test_of_the_states_before_an_evenly_spaced_sample_stays():
    """32 states one after the other; of at most 4, every eighth."""
    explore = StateEntropy(particles=4)
    for first in range(0, 32, 4):
        explore(states([[first + i] for i in range(4)]))
    assert explore.snapshot()["before"][:, 0].tolist() == [0, 8, 16, 24]
    again = StateEntropy(particles=4)
    again.restore(explore.snapshot())
    more = states([[32.0], [33], [34]])
    assert np.array_equal(explore(more), again(more)) and same(explore.snapshot(), again.snapshot())


def test_a_rollout_without_reward_is_explored_by():
    still, moved = (
        parameters(trained(agent(), unrewarded=ROUNDS)),
        parameters(trained(agent(intrinsic_reward=StateEntropy()), ROUNDS)),
    )
    assert same(still, parameters(agent())) and not same(still, moved)


def test_a_rollout_with_a_reward_is_not():
    assert same(parameters(trained(agent())), parameters(trained(agent(intrinsic_reward=StateEntropy()))))


def test_after_exploring_values_and_scale_begin_anew():
    one = agent(intrinsic_reward=StateEntropy(), n_epochs=1, learning_rate=lambda remaining: 1e-2 if remaining > 0.4 else 0.0)
    fresh = parameters(one)
    for i, rollout in enumerate(one.rollouts(ROUNDS * T * N)):
        if i == 4:  # the learning rate is 0 by now: what is seen is what beginning anew did
            one._intrinsic_update()
            explored, spread = parameters(one), one.scale.snapshot()
            one.update(rollout.true_reward)
            with torch.no_grad():
                values = one.policy.predict_values(torch.from_numpy(one.rollout_buffer.observations.reshape(T * N, -1)))
            assert np.allclose(one.rollout_buffer.values, values.numpy().reshape(T, N), atol=1e-6)
            break
    after = parameters(one)
    assert not same(critics(explored), critics(fresh)) and same(critics(after), critics(fresh))
    assert same({k: v for k, v in after.items() if "value" not in k}, {k: v for k, v in explored.items() if "value" not in k})
    assert float(spread["count"]) > 4 * T * N > float(one.scale.snapshot()["count"])
    assert len(one.intrinsic_reward.snapshot()["before"]) == 0


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_an_exploring_agent_goes_on_bit_for_bit(at):
    """Saved after a rollout without a reward it has explored by it already, as the one that was never saved is about to."""
    build = lambda: agent(intrinsic_reward=StateEntropy(particles=100), refit=ValueRefit(seed=0, epochs=2))  # noqa: E731
    states: list = []
    trained(build(), unrewarded=2, keep=states)
    whole, again = trained(build(), unrewarded=2), build()
    again.restore(states[at])
    trained(again, unrewarded=max(2 - at - 1, 0))
    assert same(whole.snapshot(), again.snapshot()) and same(whole.snapshot(), states[-1])


@pytest.mark.parametrize("wrong", [{"neighbours": 0}, {"particles": 0}])
def test_impossible_exploring_is_refused(wrong):
    with pytest.raises(UserError, match=r"agent\.intrinsic_reward needs"):
        StateEntropy(**wrong)
