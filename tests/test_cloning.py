"""Behaviour cloning: the likeliest policy is found, the best one kept, and the fit goes on where it stopped."""

import numpy as np
import pytest
import torch
from states import same
from test_contracts import PONG, TINY, resolved

from rlhp import demonstrations
from rlhp.agent import Cloner
from rlhp.imitate import clone
from rlhp.train import build
from rlhp.types import Demonstrations, Episode, Transitions, UserError

WEIGHTS = np.array([[0.5, -0.2], [0.1, 0.3]])


def agent(*settings):
    return build(resolved([*TINY, "env=point", "condition=true_reward", "agent.batch_size=64", *settings])).agent


def linear(n=600, noise=0.0):
    """Actions that are linear in observations far from zero mean and unit spread."""
    rng = np.random.default_rng(0)
    obs = (3 + 2 * rng.normal(size=(n, 2))).astype(np.float32)
    act = np.tanh((obs - 3) @ WEIGHTS / 2) * 0.5 + noise * rng.normal(size=(n, 2))
    return Transitions(obs, act.astype(np.float32), obs)


def test_a_gaussian_policy_finds_the_expert_and_its_spread():
    learner, data = agent(), linear(noise=0.1)
    cloner = Cloner(learner, total_steps=600, seed=1)
    first = cloner.fit(data, 1)["valid_loss"]
    metrics = cloner.fit(data, 600)
    assert first > 0.03 and metrics["valid_loss"] == pytest.approx(2 * 0.5 * 0.1**2, rel=0.35)  # two actions of variance 0.01
    assert cloner.finish(data)["action_std"] == pytest.approx(0.1, rel=0.2)
    rms = learner.get_vec_normalize_env().obs_rms
    assert np.allclose(rms.mean, 3, atol=0.3) and np.allclose(np.sqrt(rms.var), 2, atol=0.2)
    clean = linear()
    assert np.abs(learner.act(clean.obs) - clean.act).mean() < 0.05


def test_what_is_constant_keeps_its_unit():
    """One observation is 3 throughout: 3.5 is half a unit off, and not as far off as can be."""
    learner, data = agent(), linear()
    data.obs[:, 1] = 3
    Cloner(learner, total_steps=5).fit(data, 1)
    seen = learner.get_vec_normalize_env().normalize_obs(np.array([[3, 3.5]]))
    assert seen[0, 1] == pytest.approx(0.5) and abs(seen[0, 0]) < 0.2


def test_the_value_function_is_left_alone():
    learner = agent()
    before = [p.clone() for n, p in learner.policy.named_parameters() if "value_net" in n]
    Cloner(learner, total_steps=5).fit(linear(), 5)
    after = [p for n, p in learner.policy.named_parameters() if "value_net" in n]
    assert len(before) == 6 and all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_policy_that_fits_what_was_held_out_best_is_kept():
    """Ten steps to learn from, and noise alone to learn: the longer it fits, the worse it gets on others."""
    rng = np.random.default_rng(1)
    data = Transitions(
        rng.normal(size=(40, 2)).astype(np.float32), rng.uniform(-1, 1, (40, 2)).astype(np.float32), np.zeros((40, 2), np.float32)
    )
    learner = agent()
    cloner = Cloner(learner, total_steps=2000, learning_rate=0.01, held_out=0.75)
    losses = [cloner.fit(data, until)["valid_loss"] for until in range(100, 1001, 100)]
    assert losses[-1] > 1.02 * min(losses)
    cloner.finish(data)
    assert cloner.fit(data, 0)["valid_loss"] == pytest.approx(min(losses), rel=1e-5)


def test_what_is_held_out_is_never_trained_on():
    """Held-out actions are absurd; a policy that saw them would be pulled to them."""
    data = linear()
    cloner = Cloner(agent(), total_steps=200)
    train, valid = cloner._rows(data)
    assert len(valid) == 60 and not np.intersect1d(train, valid).size and len(train) == 540
    data.act[valid] = 1.0
    cloner.fit(data, 200)
    assert cloner._loss_of(data, train) < 0.02 < 0.4 < cloner._loss_of(data, valid)


def test_a_categorical_policy_on_frames_learns_which_action_goes_with_which_picture():
    learner = agent(*PONG, "agent/network=small")
    rng = np.random.default_rng(0)
    act = rng.integers(0, 3, 60)
    obs = np.zeros((60, 4, 84, 84), np.uint8)
    for i, a in enumerate(act):
        obs[i, :, 28 * a : 28 * a + 28] = 255
    data = Transitions(obs, act, obs)
    metrics = Cloner(learner, total_steps=40, batch_size=16).fit(data, 40)
    assert metrics["valid_loss"] < 0.1
    assert np.array_equal(learner.act(obs), act)


def test_a_fit_goes_on_where_it_stopped():
    data, one, two, three = linear(), agent(), agent(), agent()
    whole = Cloner(one, total_steps=60)
    whole.fit(data, 30)
    expected = whole.fit(data, 60)
    half = Cloner(two, total_steps=60)
    half.fit(data, 30)
    state, policy = half.snapshot(), two.snapshot()
    rest = Cloner(three, total_steps=60)
    three.restore(policy)
    rest.restore(state)
    assert rest.fit(data, 60) == expected and same(rest.snapshot(), whole.snapshot())
    assert same(three.snapshot(), one.snapshot())


class Diary:
    def __init__(self):
        self.rows, self.pending = [], {}

    def log(self, step, metrics):
        self.pending |= metrics

    def end_step(self, step):
        self.rows.append((step, self.pending))
        self.pending = {}


def test_the_loop_measures_the_best_policy_last():
    class Learner:
        steps, best = 2, False

        def fit(self, data, until):
            self.steps = until
            return {"fit": until}

        def finish(self, data):
            self.best = True
            return {"finished": 1}

    learner, run = Learner(), Diary()
    clone(learner, None, lambda: {"best": learner.best}, run, total_steps=7, every=3)
    assert run.rows == [(5, {"fit": 5, "best": False}), (7, {"fit": 7, "finished": 1, "best": True})]


@pytest.mark.parametrize(("env", "mode"), [(["env=point"], True), (["env=gym", "env.id=CartPole-v1"], False)])
def test_a_clone_is_judged_as_rlhp_evaluate_judges_it(env, mode, tmp_path, monkeypatch):
    """By the mode of continuous actions, and by draws of discrete ones, which are the same in each evaluation."""
    settings = [*TINY, *env, "agent.batch_size=64"]
    made = build(resolved(settings)).env
    shown = demonstrations.record(lambda obs: np.stack([made.action_space.sample() for _ in obs]), made, 1000)
    demonstrations.save(tmp_path / "demos", shown, made)
    setup = build(resolved([*settings, "condition=cloning", f"demos={tmp_path / 'demos'}", "loop.evaluate_episodes=2"]))
    asked, predict = set(), setup.agent.policy.predict

    def asking(obs, state, starts, deterministic):
        asked.add(deterministic)
        return predict(obs, state, starts, deterministic)

    monkeypatch.setattr(setup.agent.policy, "predict", asking)
    assert setup.loop._evaluate() == setup.loop._evaluate() and asked == {mode}


@pytest.mark.parametrize("wrong", [{"held_out": 0.0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"weight_decay": -1.0}])
def test_settings_out_of_range_are_said(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Cloner(agent(), total_steps=5, **wrong)


def test_what_would_be_ignored_is_refused(tmp_path):
    settings = [*TINY, "env=point", "agent.batch_size=64", f"demos={tmp_path / 'demos'}"]
    env = build(resolved(settings[:-1])).env
    few = Episode(np.zeros((3, 2), np.float32), np.zeros((2, 2), np.float32), np.zeros(2, np.float32))
    demonstrations.save(tmp_path / "demos", Demonstrations((few,)), env)
    with pytest.raises(UserError, match="these settings do not use demos="):
        build(resolved(settings))
    with pytest.raises(UserError, match="remove agent/start"):
        build(resolved([*settings, "condition=cloning", "agent/start=demonstrations"]))
    assert build(resolved([*settings, "demo_labels=2", "clip_steps=2"])).demonstrations is not None


def test_cloning_without_demonstrations_is_said():
    with pytest.raises(UserError, match="set demos="):
        build(resolved([*TINY, "env=point", "agent.batch_size=64", "condition=cloning"]))
    with pytest.raises(UserError, match="episodes=2 counts demonstrations"):
        build(resolved([*TINY, "env=point", "agent.batch_size=64", "episodes=2"]))
    few = Transitions(np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32))
    with pytest.raises(UserError, match="too few to learn from"):
        Cloner(agent(), total_steps=5).fit(few, 1)
