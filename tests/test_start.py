"""A policy that starts from another one: what it takes over, what waits, what leaving it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp import report
from rlhp.agent import AdaptiveKL, BlindA2C, BlindPPO, FixedKL, FromPolicy, StateEntropy, ValueRefit
from rlhp.agent.build import make, ppo
from rlhp.agent.fast import FastPPO
from rlhp.agent.start import check_fit, copy_actor
from rlhp.envs import gym as gym_envs
from rlhp.envs import mujoco as mujoco_envs
from rlhp.run import RunDirectory, last_checkpoint
from rlhp.run.record import read_table
from rlhp.store import recorded, segments
from rlhp.train import build, load, train
from rlhp.types import Array, UserError

T, N = 32, 4
SETTINGS = {"n_steps": T, "gamma": 0.9, "learning_rate": 3e-3, "seed": 5, "normalise_reward": False}
PPO = {**SETTINGS, "batch_size": 32, "n_epochs": 2}
ALGORITHMS = pytest.mark.parametrize("algorithm", [FastPPO, BlindPPO, BlindA2C])


class Snapshot:
    """A source: the policy in a snapshot."""

    def __init__(self, state: dict[str, Array]) -> None:
        self.state = state

    def check(self, setup) -> None:
        check_fit(setup.agent, self.state, "it")

    def __call__(self, agent) -> None:
        copy_actor(agent, self.state)


def agent(algorithm=FastPPO, seed: int = 0, **settings) -> Any:
    env = mujoco_envs.make("reacher", n_envs=N, seed=seed, horizon=25)
    return make(algorithm, env, **((SETTINGS if algorithm is BlindA2C else PPO) | settings))


def trained(one: Any, rounds: int, rewarded: bool = True) -> Any:
    for rollout in one.rollouts(one.num_timesteps + rounds * T * N):
        if rewarded:
            one.update(rollout.true_reward)
    return one


@pytest.fixture(scope="module")
def other() -> dict[str, Array]:
    """The snapshot of an agent that has learned a little."""
    return trained(agent(seed=3), 3).snapshot()


def parameters(one) -> dict[str, Array]:
    return {name: value.numpy().copy() for name, value in one.policy.state_dict().items()}


def changed(before: dict[str, Array], after: dict[str, Array]) -> set[str]:
    return {name for name in before if not np.array_equal(before[name], after[name])}


# The start


@ALGORITHMS
def test_the_actor_and_its_moments_are_the_others_and_its_moments_stay(algorithm, other):
    one = trained(agent(algorithm, start=FromPolicy(Snapshot(other), seed=0)), 2, rewarded=False)
    for name, value in parameters(one).items():
        assert np.array_equal(value, other[f"policy/{name}"]) == ("value_net" not in name), name
    assert np.array_equal(one.snapshot()["normalise/mean"], other["normalise/mean"])
    assert np.array_equal(one.snapshot()["normalise/var"], other["normalise/var"])


def test_the_spread_can_be_set(other):
    one = trained(agent(start=FromPolicy(Snapshot(other), seed=0, log_std=-2.0)), 1, rewarded=False)
    assert parameters(one)["log_std"].tolist() == [-2.0, -2.0]


@ALGORITHMS
def test_the_value_function_learns_alone_in_the_first_rollouts(algorithm, other):
    one = agent(algorithm, start=FromPolicy(Snapshot(other), seed=0, critic_first=2))
    moved = []
    for rollout in one.rollouts(3 * T * N):
        before = parameters(one)
        logged = one.update(rollout.true_reward)
        moved.append(changed(before, parameters(one)))
        assert {"entropy", "explained_variance", "kl_to_reference"} <= logged.keys()
    critic = {name for name in parameters(one) if "value_net" in name}
    assert moved[:2] == [critic, critic] and moved[2] == set(parameters(one))


def test_rollouts_that_nobody_rewards_do_not_count(other):
    one = trained(agent(start=FromPolicy(Snapshot(other), seed=0, critic_first=1)), 4, rewarded=False)
    before = parameters(one)
    assert all("value_net" in name for name in changed(before, parameters(trained(one, 1))))


def test_it_goes_on_from_a_snapshot_whatever_became_of_its_source(other):
    source = Snapshot(other)
    settings = {"kl_penalty": AdaptiveKL(0.1, target=0.1, horizon=1000)}
    one = trained(agent(start=FromPolicy(source, seed=0, critic_first=2), **settings), 1)
    saved = one.snapshot()
    trained(one, 3)
    gone = Snapshot({name: value * 2 for name, value in other.items()})
    two = agent(start=FromPolicy(gone, seed=0, critic_first=2), kl_penalty=AdaptiveKL(0.1, target=0.1, horizon=1000))
    two.restore(saved)
    trained(two, 3)
    a, b = one.snapshot(), two.snapshot()
    assert a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("more", [{"refit": ValueRefit(seed=0)}, {"reward_shift": 2.0, "normalise_reward": True}], ids=str)
def test_it_goes_with_what_else_becomes_of_a_reward(more, other):
    one = agent(start=FromPolicy(Snapshot(other), seed=0, critic_first=1), kl_penalty=FixedKL(0.1), **more)
    told = [one.update(rollout.true_reward) for rollout in one.rollouts(3 * T * N)]
    assert all(np.isfinite(value) for row in told for value in row.values()) and told[2]["kl_penalty"] > 0


def test_discrete_actions_start_and_are_penalised_too():
    def cartpoles(**settings):
        return ppo(gym_envs.make("CartPole-v1", n_envs=2, seed=0), n_steps=32, batch_size=16, n_epochs=2, gamma=0.9, **settings)

    first = cartpoles(seed=1)
    next(first.rollouts(64))
    one = cartpoles(seed=2, start=FromPolicy(Snapshot(first.snapshot()), seed=0, critic_first=0), kl_penalty=FixedKL(0.5))
    told = [one.update(np.ones((32, 2), np.float32)) for _ in one.rollouts(192)]
    assert abs(told[0]["kl_to_reference"]) < 1e-6 and told[2]["kl_to_reference"] > 1e-4


# The penalty


def test_a_fixed_penalty_by_hand():
    penalty, told = FixedKL(0.5)(np.array([[1, 2], [3, -2]], np.float32))
    assert penalty.tolist() == [[0.5, 1.0], [1.5, -1.0]]
    assert told == {"kl_to_reference": 1.0, "kl_penalty": 0.5, "kl_beta": 0.5}


def test_an_adaptive_penalty_by_hand():
    one = AdaptiveKL(0.5, target=1.0, horizon=40)
    betas = [one(np.full((2, 2), kl, np.float32))[1]["kl_beta"] for kl in (1.125, 3.0, 0.5, 1.0)]
    # 0.125, then clipped to 0.2, then to -0.2, each times 4 / 40
    assert betas == pytest.approx([0.5, 0.5 * 1.0125, 0.5 * 1.0125 * 1.02, 0.5 * 1.0125 * 1.02 * 0.98])
    again = AdaptiveKL(9.0, target=1.0, horizon=40)
    again.restore(one.snapshot())
    assert again.snapshot() == one.snapshot()


def test_the_divergence_is_zero_at_the_start_and_that_of_two_gaussians_later(other):
    one = agent(start=FromPolicy(Snapshot(other), seed=0, critic_first=0, log_std=-1.0))
    rounds = iter(one.rollouts(2 * T * N))
    next(rounds)
    assert np.abs(one.start.log_ratio(one, one._unrewarded[0])).max() < 1e-4
    with torch.no_grad():
        one.policy.log_std.fill_(0.0)
    next(rounds)
    ratio = one.start.log_ratio(one, one._unrewarded[0])
    # e times the spread in 2 dimensions: KL = 2 (log(1 / e) + (e^2 + 0) / 2 - 1 / 2) = e^2 - 3
    assert float(ratio.mean()) == pytest.approx(np.e**2 - 3, abs=4 * float(ratio.std()) / np.sqrt(T * N))


def test_the_penalty_is_taken_off_the_reward_of_each_step(other):
    one = agent(start=FromPolicy(Snapshot(other), seed=0, critic_first=0), kl_penalty=FixedKL(0.25))
    rounds = iter(one.rollouts(2 * T * N))
    one.update(next(rounds).true_reward)
    rollout, seen = next(rounds), {}
    one.scale = type("Scale", (), {"__call__": lambda self, reward, done: seen.setdefault("reward", reward)})()
    ratio = one.start.log_ratio(one, rollout)
    told = one.update(rollout.true_reward)
    assert np.allclose(seen["reward"], rollout.true_reward - 0.25 * ratio) and np.abs(ratio).max() > 0
    assert told["kl_penalty"] == pytest.approx(0.25 * float(ratio.mean()), rel=1e-5)


def test_the_larger_the_penalty_the_nearer_the_policy_stays(other):
    def distance(beta: float) -> float:
        one = agent(start=FromPolicy(Snapshot(other), seed=0, critic_first=1), kl_penalty=FixedKL(beta))
        return [one.update(rollout.act[..., 0]) for rollout in one.rollouts(30 * T * N)][-1]["kl_to_reference"]

    assert distance(10.0) < 0.2 * distance(0.0)


@pytest.mark.parametrize("target", [0.1, 0.5])
def test_an_adaptive_penalty_brings_the_divergence_to_its_target(target, other):
    penalty = AdaptiveKL(0.05, target=target, horizon=T * N)
    one = agent(start=FromPolicy(Snapshot(other), seed=0, critic_first=1), kl_penalty=penalty)
    divergences = [one.update(rollout.act[..., 0])["kl_to_reference"] for rollout in one.rollouts(50 * T * N)]
    assert np.mean(divergences[-10:]) == pytest.approx(target, rel=0.25)


def test_an_adaptive_penalty_is_not_corrected_while_the_policy_waits(other):
    penalty = AdaptiveKL(0.05, target=0.1, horizon=T * N)
    one = agent(start=FromPolicy(Snapshot(other), seed=0, critic_first=2), kl_penalty=penalty)
    betas = []
    for rollout in one.rollouts(3 * T * N):
        one.update(rollout.true_reward)
        betas.append(float(penalty.snapshot()["beta"]))
    assert betas[:2] == [0.05, 0.05] and betas[2] != 0.05


# What is refused


@pytest.mark.parametrize(
    "make_it, sentence",
    [
        (lambda: FixedKL(-1.0), "the cost of a nat of divergence"),
        (lambda: AdaptiveKL(0.1, target=0.0, horizon=1), "target and horizon above 0"),
        (lambda: AdaptiveKL(0.1, target=1.0, horizon=0), "target and horizon above 0"),
        (lambda: FromPolicy(Snapshot({}), seed=0, critic_first=-1), "counts rollouts"),
        (lambda: FromPolicy(Snapshot({}), seed=0, log_std=float("nan")), "give a finite number"),
        (lambda: agent(kl_penalty=FixedKL(0.1)), "choose that with agent/start"),
        (lambda: agent(start=FromPolicy(Snapshot({}), seed=0), intrinsic_reward=StateEntropy()), "set one of them to null"),
    ],
)
def test_what_cannot_be_is_refused(make_it, sentence):
    with pytest.raises(UserError, match=sentence):
        make_it()


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"normalise_observations": False}, "set agent.normalise_observations as in that run"),
        ({"policy_kwargs": {"net_arch": [32, 32]}}, r"is of shape \(64, .*\), and here of shape \(32, "),
        ({"policy_kwargs": {"net_arch": [64]}}, "set agent.policy_kwargs as in that run"),
    ],
)
def test_another_network_is_refused(settings, sentence, other):
    with pytest.raises(UserError, match=sentence):
        check_fit(agent(**settings), other, "runs/other")


def test_a_mixture_of_policies_is_refused(other):
    one = agent()
    one.become([one.frozen_policy(), one.frozen_policy()], np.array([0.5, 0.5]))
    with pytest.raises(UserError, match="a mixture of several"):
        check_fit(agent(), {**other, **{k: v for k, v in one.snapshot().items() if k.startswith("mixture")}}, "runs/other")


# In a run


def settings(*overrides: str) -> dict[str, Any]:
    rollouts = ["n_envs=2", "agent.n_steps=64", "agent.batch_size=32", "total_steps=384", "checkpoint_every=128"]
    tiny = ["env=point", "threads=1", *rollouts]
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        cfg = OmegaConf.to_container(compose("config", [*tiny, *overrides]), resolve=True, throw_on_missing=True)
    return cast(dict[str, Any], cfg)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("finished")
    train(settings("condition=true_reward"), path)
    return path


def from_run(run: Path, *overrides: str):
    return settings("condition=true_reward", "agent/start=clone", f"agent.start.run={run}", *overrides)


@pytest.mark.parametrize("batch", [32, 50], ids=["lean", "SB3's"])  # 50 leave a remainder, which the lean one does without
def test_a_killed_run_ends_with_equal_metrics_though_its_source_has_gone_on(batch, finished, tmp_path, monkeypatch):
    cfg = from_run(finished, "agent.start.critic_first=1", "agent/kl_penalty=adaptive", f"agent.batch_size={batch}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *a, **k: None)
        train(cfg, tmp_path / "whole")
        tick = RunDirectory.end_step

        def killed(run, step):
            if step == 384:
                raise KeyboardInterrupt
            tick(run, step)

        with pytest.raises(KeyboardInterrupt):
            patch.setattr(RunDirectory, "end_step", killed)
            train(cfg, tmp_path / "killed")
        patch.setattr(RunDirectory, "end_step", tick)
        patch.setattr("rlhp.train.starts.copy_actor", None)  # its policy is not asked for again
        train(cfg, tmp_path / "killed")
    whole, killed_rows = (read_table(tmp_path / name / "metrics.csv") for name in ("whole", "killed"))
    assert whole == killed_rows and whole[-1]["kl_beta"] != "0.05"


@pytest.fixture(scope="module")
def demonstrated(finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demonstrated") / "episodes"
    report.demonstrate(finished, out, episodes=3, best_of=None, seed=0, max_steps=1000)
    return out


def test_the_clone_within_a_run_is_that_of_cloning(demonstrated, tmp_path):
    cloning = ["condition=cloning", "total_steps=300", "loop.evaluate_every=300", "loop.evaluate_episodes=2"]
    train(settings(f"demos={demonstrated}", *cloning), tmp_path / "run")
    clone = last_checkpoint(tmp_path / "run")["agent"]
    within = ["agent/start=demonstrations", "agent.start.cloning_steps=300", "agent.start.log_std=null"]
    agent: Any = build(settings(f"demos={demonstrated}", "condition=true_reward", *within)).agent
    next(iter(agent.rollouts(128)))
    state = agent.snapshot()
    actor = [name for name in state if name.startswith("policy/") and "value_net" not in name]
    assert len(actor) == 7 and all(
        np.array_equal(state[name], clone[name]) for name in [*actor, "normalise/mean", "normalise/var"]
    )
    start = ["agent/start=clone", f"agent.start.run={tmp_path / 'run'}"]
    other: Any = build(settings("condition=true_reward", *start)).agent
    next(iter(other.rollouts(128)))
    assert all(np.array_equal(other.snapshot()[name], clone[name]) for name in [*actor, "normalise/mean", "normalise/var"])


def test_the_first_labels_are_about_the_clones_clips(demonstrated, tmp_path):
    """The clone hardly errs here, so that clips which it has made hold its own mean actions."""
    start = ["agent/start=demonstrations", "agent.start.cloning_steps=300", "agent.start.log_std=-12"]
    train(settings(f"demos={demonstrated}", "labels=4", "schedule=upfront", *start), tmp_path / "run")
    policy = load(tmp_path / "run").agent  # after two rollouts of the critic alone
    asked = recorded(tmp_path / "run" / "preferences.sqlite")
    clips = [clip for question in asked.values() for _, clip in segments(tmp_path / "run" / "preferences.sqlite", question.clips)]
    assert len(clips) >= 4
    assert all(np.allclose(clip.act, policy.act(clip.obs), atol=1e-3) for clip in clips)


@pytest.mark.parametrize(
    "overrides, sentence",
    [([], "set demos="), (["demos={demonstrated}", "agent.start.cloning_steps=0"], "counts gradient steps")],
)
def test_an_impossible_clone_is_refused(overrides, sentence, demonstrated):
    with pytest.raises(UserError, match=sentence):
        build(settings("agent/start=demonstrations", *(word.format(demonstrated=demonstrated) for word in overrides)))


def test_a_run_can_be_loaded_where_its_source_is_gone(finished, tmp_path):
    cfg = from_run(finished)
    train(cfg, tmp_path / "run")
    text = (tmp_path / "run" / "config.yaml").read_text().replace(str(finished), str(tmp_path / "nowhere"))
    (tmp_path / "run" / "config.yaml").write_text(text)
    assert load(tmp_path / "run").policy(np.zeros((1, 2))).shape == (1, 2)


@pytest.mark.parametrize(
    "overrides, sentence",
    [
        (["env=reacher"], "is for env=point; start from a run on env=reacher"),
        (["agent.policy_kwargs.net_arch=[32]"], "set agent.policy_kwargs as in that run"),
        (["agent.start.run=/nowhere"], "is not a run directory"),
    ],
)
def test_an_unusable_start_is_one_sentence(overrides, sentence, finished):
    with pytest.raises(UserError, match=sentence):
        build(from_run(finished, *overrides))


def test_a_run_without_a_checkpoint_is_no_start(finished, tmp_path):
    (tmp_path / "config.yaml").write_text((finished / "config.yaml").read_text())
    with pytest.raises(UserError, match="holds no checkpoint yet"):
        build(from_run(tmp_path))


def test_the_spread_of_discrete_actions_is_refused(finished):
    cfg = from_run(finished, "env=gym", "env.id=CartPole-v1", "clip_steps=8", "agent.start.log_std=-2")
    with pytest.raises(UserError, match="these are discrete"):
        build(cfg)


def test_pixels_are_refused():
    cfg = settings("env=pong", "clip_steps=8", "agent/start=clone", "agent.start.run=/nowhere")
    with pytest.raises(UserError, match="on images they share their layers"):
        build(cfg)
