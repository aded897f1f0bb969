"""The seam with Stable-Baselines3: a blind agent handed the true reward is the agent that saw it."""

from __future__ import annotations

import csv
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecNormalize

from rlhp.agent import BlindA2C, BlindPPO, NoNormalisation, Recorder, ReturnNormaliser, RewardShift, linear
from rlhp.agent.build import make
from rlhp.agent.fast import FastPPO, choose
from rlhp.envs import gym as gym_envs
from rlhp.envs import mujoco as mujoco_envs
from rlhp.envs import point
from rlhp.types import UserError

STEPS = 4 * 64 * 6
SETTINGS = {
    PPO: {"n_steps": 64, "batch_size": 32, "n_epochs": 3, "clip_range": linear(0.2), "ent_coef": 0.01},
    A2C: {"n_steps": 64, "ent_coef": 0.01},
}


def pendulums(vec: type[VecEnv] = DummyVecEnv, count: int = 4) -> VecEnv:
    """Short-lived pendulums: every rollout holds time limits."""
    return vec([lambda: gym.make("Pendulum-v1", max_episode_steps=25) for _ in range(count)])


class Stateless(VecEnv):
    """Marks an environment as one without simulator states."""


def plain(algorithm, venv, normalise_observations, normalise_reward):
    if normalise_observations or normalise_reward:
        venv = VecNormalize(venv, norm_obs=normalise_observations, norm_reward=normalise_reward, gamma=0.97)
    agent = algorithm("MlpPolicy", venv, gamma=0.97, learning_rate=linear(1e-3), seed=5, device="cpu", **SETTINGS[algorithm])
    agent.learn(STEPS)
    return agent


def blind(algorithm, base, venv, normalise_observations, normalise_reward):
    venv.states = lambda: None
    venv.seed(5)  # as SB3 does it; here environments have seeds of their own
    agent = make(
        algorithm,
        venv,
        gamma=0.97,
        learning_rate=linear(1e-3),
        seed=5,
        normalise_observations=normalise_observations,
        normalise_reward=normalise_reward,
        **SETTINGS[base],
    )
    for rollout in agent.rollouts(STEPS):
        agent.update(rollout.true_reward)
    return agent


def assert_same(a, b):
    for (name, left), right in zip(a.policy.state_dict().items(), b.policy.state_dict().values(), strict=True):
        assert torch.equal(left, right), name


@pytest.mark.parametrize("base, algorithm", [(PPO, BlindPPO), (PPO, FastPPO), (A2C, BlindA2C)])
@pytest.mark.parametrize("normalise", [(False, False), (True, False), (True, True)])
def test_true_reward_gives_the_parameters_of_plain_sb3(base, algorithm, normalise):
    reference = plain(base, pendulums(), *normalise)
    assert_same(reference, blind(algorithm, base, pendulums(), *normalise))
    untouched = base("MlpPolicy", pendulums(), seed=5, device="cpu", **SETTINGS[base])
    with pytest.raises(AssertionError):
        assert_same(reference, untouched)


def test_the_same_over_subprocesses():
    apart = pendulums(SubprocVecEnv, count=2)
    assert_same(plain(PPO, pendulums(count=2), True, False), blind(BlindPPO, PPO, apart, True, False))
    apart.close()


@pytest.mark.parametrize("algorithm", [BlindPPO, FastPPO])
@pytest.mark.parametrize("task", ["reacher", "hopper"])
def test_the_same_over_native_environments(task, algorithm):
    make_env = lambda: mujoco_envs.make(task, n_envs=4, seed=3, horizon=25)  # noqa: E731
    assert_same(plain(PPO, make_env(), True, True), blind(algorithm, PPO, make_env(), True, True))


LIKE_OURS = {"n_steps": 32, "batch_size": 64, "n_epochs": 4, "ent_coef": 0.01, "learning_rate": linear(3e-4), "gamma": 0.99}
NETS = [
    {"net_arch": [64, 64], "log_std_init": -0.5, "optimizer_kwargs": {"eps": 1e-5, "fused": True}},  # conf/agent/ppo.yaml
    {"net_arch": {"pi": [16], "vf": [50, 30]}},  # lengths that are no multiple of anything, an optimiser that is not fused
    {"net_arch": [], "ortho_init": False},
]


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("batch_size", [64, 24])
def test_lean_ppo_learns_and_logs_what_ppo_does(net, batch_size):
    """Not only the parameters: every number that SB3 logs is the same."""
    settings = {**LIKE_OURS, "seed": 5, "policy_kwargs": net, "batch_size": batch_size}
    logs, agents = [], []
    for algorithm in (BlindPPO, FastPPO):
        env = mujoco_envs.make("walker", n_envs=6, seed=3, horizon=25)
        agents.append(make(algorithm, env, **settings))
        logs.append([])
        for rollout in agents[-1].rollouts(32 * 6 * 5):
            agents[-1].update(rollout.true_reward)
            logs[-1].append({name: float(value) for name, value in agents[-1].logger.name_to_value.items()})
    assert_same(*agents)
    assert len(logs[0]) == 5 and logs[0] == logs[1]


def chosen(env, settings):
    return choose(env, settings, "float32", 1)[0]


@pytest.mark.parametrize(
    "settings, lean",
    [
        ({}, True),
        ({"policy_kwargs": {"net_arch": [8], "activation_fn": "Tanh"}}, True),
        ({"target_kl": None, "clip_range_vf": None}, True),
        ({"target_kl": 0.02}, False),
        ({"clip_range_vf": 0.2}, False),
        ({"use_sde": True}, False),
        ({"normalize_advantage": False}, False),
        ({"device": "cuda"}, False),
        ({"batch_size": 60}, False),  # does not divide the rollout
        ({"policy_kwargs": {"activation_fn": "ReLU"}}, False),
        ({"policy_kwargs": {"squash_output": True}}, False),
        ({"policy_kwargs": {"optimizer_kwargs": {"eps": 1e-5, "betas": (0.9, 0.99)}}}, True),
        ({"policy_kwargs": {"optimizer_kwargs": {"weight_decay": 0.01}}}, False),
    ],
)
def test_the_lean_ppo_is_taken_where_it_does_the_same(settings, lean):
    assert chosen(point.make(n_envs=4, seed=0), {"n_steps": 64, "batch_size": 64, **settings}) is (FastPPO if lean else BlindPPO)


def test_the_lean_ppo_needs_vectors():
    assert chosen(gym_envs.make("CartPole-v1", n_envs=4, seed=0), {"n_steps": 64}) is BlindPPO  # discrete actions


WITHOUT = """
import sys
from rlhp.cli import main
tiny = ["env=point", "total_steps=512", "labels=8", "n_envs=2", "threads=1", "agent.n_steps=64", "agent.batch_size=64"]
assert main(["train", *tiny, "training_schedule.first_per_1000_steps=4", *sys.argv[1:]]) == 0
print(sum(name.startswith("rlhp.agent.fast") for name in sys.modules))
"""


@pytest.mark.parametrize("fast", ["true", "false"])
def test_a_run_without_the_lean_ppo_does_not_import_it(fast, tmp_path):
    call = [sys.executable, "-c", WITHOUT, f"agent.fast={fast}", f"hydra.run.dir={tmp_path / 'run'}"]
    run = subprocess.run(call, check=True, timeout=120, capture_output=True, text=True)
    assert (int(run.stdout.split()[-1]) == 0) is (fast == "false")
    metrics = list(csv.DictReader((tmp_path / "run" / "metrics.csv").read_text().splitlines()))
    assert metrics[-1]["step"] == "512" and metrics[-1]["policy_loss"], "the policy was updated"


def test_the_agent_is_handed_zero():
    recorder = Recorder(point.make(n_envs=3, seed=0))
    recorder.reset()
    _, reward, _, _ = recorder.step(np.zeros((3, 2), dtype=np.float32))
    assert reward.tolist() == [0, 0, 0]
    assert (recorder.rollout().true_reward < 0).all()


def test_zero_reaches_ppo():
    """What PPO stores before the update is zero, but for gamma V at a time limit."""
    agent = make(BlindPPO, point.make(n_envs=2, seed=0, horizon=8), gamma=0.9, n_steps=8, batch_size=8, n_epochs=1, seed=0)
    rollout = next(agent.rollouts(16))
    assert (rollout.true_reward < 0).all()
    assert (agent.rollout_buffer.rewards[:-1] == 0).all()
    assert (agent.rollout_buffer.rewards[-1] != 0).all()  # the bootstrap


def test_a_rollout_is_what_happened():
    env = point.make(n_envs=2, seed=0, horizon=5)
    recorder = Recorder(env)
    before = [recorder.reset().copy()]
    acts = np.random.default_rng(0).uniform(-1, 1, (7, 2, 2)).astype(np.float32)
    after, dones = [], []
    for act in acts:
        obs, _, done, infos = recorder.step(act)
        before.append(obs.copy())
        after.append([info.get("terminal_observation", row) for row, info in zip(obs, infos, strict=True)])
        dones.append(done.copy())
    rollout = recorder.rollout()
    assert np.allclose(rollout.obs, np.stack(before[:-1]))
    assert np.array_equal(rollout.act, acts)
    assert np.array_equal(rollout.cut, np.stack(dones))
    assert rollout.cut[4].all() and rollout.cut.sum() == 2
    assert np.allclose(rollout.returns, rollout.true_reward[:5].sum(axis=0))
    assert np.allclose(rollout.seen_after(), np.stack(after))
    assert not np.allclose(rollout.seen_after()[4], rollout.obs[5])  # an episode's last is not the next one's first
    recorder.step(acts[0])
    assert np.allclose(recorder.rollout().obs[0], rollout.seen_after()[-1])


def test_a_shortened_episode_has_no_return():
    env = point.make(n_envs=2, seed=0, horizon=4)
    env.desynchronise()
    recorder = Recorder(env)
    recorder.reset()
    for _ in range(6):
        recorder.step(np.zeros((2, 2)))
    rollout = recorder.rollout()
    assert rollout.cut.T.tolist() == [[False, True, False, False, False, True], [False, False, False, True, False, False]]
    assert np.allclose(rollout.returns, [rollout.true_reward[:4, 1].sum(), rollout.true_reward[2:, 0].sum()])


def test_the_policy_sees_normalised_observations_and_the_record_raw_ones():
    agent = make(BlindPPO, mujoco_envs.make("hopper", n_envs=2, seed=0), gamma=0.9, n_steps=16, batch_size=8, n_epochs=1, seed=0)
    rollout = next(agent.rollouts(32))
    height = rollout.obs[..., 0]
    assert (height > 0.9).all()
    assert abs(agent.rollout_buffer.observations[..., 0].mean()) < 0.9 * height.mean()


def test_schedules_run_over_the_whole_of_training():
    agent = make(
        BlindPPO,
        point.make(n_envs=2, seed=0),
        gamma=0.9,
        n_steps=8,
        batch_size=8,
        n_epochs=1,
        seed=0,
        learning_rate=linear(0.1),
    )
    rates = [agent.update(rollout.true_reward)["learning_rate"] for rollout in agent.rollouts(64)]
    assert rates == pytest.approx([0.075, 0.05, 0.025, 0.0])


def test_return_scale_by_hand():
    """gamma 0.5, one environment, rewards 1 and 3: returns 1 and 3.5; SB3's running variance starts from a count of 1e-4."""
    scaled = ReturnNormaliser(1, gamma=0.5, clip=10)(np.array([[1.0], [3.0]]), np.zeros((2, 1), dtype=bool))
    reference = VecNormalize(gym_envs.make("CartPole-v1", n_envs=1, seed=0), gamma=0.5)
    expected = []
    for reward in (1.0, 3.0):
        reference._update_reward(np.array([reward]))
        expected.append(reference.normalize_reward(np.array([reward]))[0])
    assert scaled[:, 0].tolist() == expected


def test_level_by_hand():
    """Mean 2 and spread 1 at first; the second rollout is a twentieth of what the running statistics look back over."""
    level, done = RewardShift(NoNormalisation(), 3.0), np.zeros((1024, 2), dtype=bool)
    first = level(np.tile([1.0, 3.0], (1024, 1)), done)
    assert first[0].tolist() == [2.0, 4.0]  # mean 3, spread 1
    second = level(np.full((1024, 2), 12.0), done)
    mean, spread = 2 + 0.05 * (12 - 2), 1 + 0.05 * (0 - 1)
    assert second[0] == pytest.approx(12 - mean + 3 * spread)


def test_a_levelled_reward_is_the_same_whatever_its_zero_and_its_unit():
    reward, done = np.random.default_rng(0).normal(size=(3, 64, 8)), np.zeros((64, 8), dtype=bool)
    one, other = (RewardShift(ReturnNormaliser(8, gamma=0.99), 2.0) for _ in range(2))
    for rollout in reward:
        assert other(7 * rollout - 40, done) == pytest.approx(one(rollout, done), abs=1e-3)


@pytest.mark.parametrize("level", [float("nan"), float("inf"), "high"])
def test_a_level_that_is_no_number_is_refused_with_a_sentence(level):
    with pytest.raises(UserError, match=f"reward_shift is {level}"):
        RewardShift(NoNormalisation(), level)


@pytest.mark.parametrize("reward_shift", [None, 1.5])
def test_snapshot_and_restore_go_on_bit_for_bit(reward_shift):
    settings = {"gamma": 0.9, "n_steps": 32, "batch_size": 16, "n_epochs": 2, "seed": 0, "reward_shift": reward_shift}
    build = lambda: make(BlindPPO, mujoco_envs.make("reacher", n_envs=2, seed=0), **settings)  # noqa: E731
    whole, states = build(), []
    for rollout in whole.rollouts(64 * 6):
        whole.update(rollout.true_reward)
        states.append(whole.snapshot())
    again = build()
    again.restore(states[2])
    for rollout in again.rollouts(64 * 6):
        again.update(rollout.true_reward)
    assert_same(whole, again)
    final, resumed = whole.snapshot(), again.snapshot()
    assert final.keys() == resumed.keys()
    assert all(np.array_equal(final[k], resumed[k]) for k in final)


def test_an_agent_for_discrete_actions_only_says_so():
    class DiscreteOnly(BlindPPO):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            assert isinstance(self.action_space, gym.spaces.Discrete), (
                "only supports Discrete as action spaces but Box was provided"
            )

    with pytest.raises(UserError, match="only supports Discrete"):
        make(DiscreteOnly, point.make(n_envs=1, seed=0), gamma=0.9, n_steps=8, batch_size=8)


def test_a_mistyped_setting_is_the_users():
    with pytest.raises(UserError, match="n_stepz"):
        make(BlindPPO, point.make(n_envs=1, seed=0), gamma=0.9, n_stepz=8)
