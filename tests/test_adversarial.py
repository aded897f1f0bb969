"""Adversarial imitation: networks against autograd, discriminators and rewards by numbers worked out by hand."""

import time
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.envs.registration import register
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from torch import Tensor

from rlhp import demonstrations, evaluate, report
from rlhp.reward import AIRL, GAIL, AsynchronousReward, GradientPenalty, SpectralNorm, Unbounded
from rlhp.reward.airl import ShapedScore
from rlhp.reward.balanced import Balanced
from rlhp.reward.gail import StepScore
from rlhp.reward.past import CAPACITY, KEPT_PER_ROLLOUT, Past
from rlhp.reward.tanh_mlp import TanhMLP, parameters
from rlhp.run import last_checkpoint
from rlhp.train import build, load, train
from rlhp.types import Behaviour, Clips, Comparisons, Demonstrations, Episode, Evidence, Rollout, Steps, Transitions, UserError

OBS, ACT = spaces.Box(-np.inf, np.inf, (2,), np.float32), spaces.Box(-1, 1, (1,), np.float32)
NO_CLIPS = Clips(np.zeros((0, 1, 2)), np.zeros((0, 1, 1)), np.zeros((0, 1)))
NOTHING = Comparisons(NO_CLIPS, np.zeros((0, 2), int), np.zeros((0, 2), int), np.zeros(0, int), np.zeros(0, bool))


def network(sizes: tuple[int, ...], seed: int = 0) -> tuple[TanhMLP, Tensor, Tensor]:
    flat = torch.randn(parameters(sizes), generator=torch.Generator().manual_seed(seed)) / 2
    grad = torch.zeros_like(flat)
    return TanhMLP(flat, grad, sizes), flat, grad


def by_autograd(flat: Tensor, sizes: tuple[int, ...], x: Tensor) -> Tensor:
    net = TanhMLP(flat, flat, sizes)
    for weight, bias in net.layers[:-1]:
        x = torch.tanh(x @ weight.t() + bias)
    weight, bias = net.layers[-1]
    return (x @ weight.t() + bias).squeeze(1)


@pytest.mark.parametrize("sizes", [(3, 5), (3, 5, 4), (2, 6, 5, 4)])
def test_gradients_of_the_network_and_of_its_gradient_are_autograds(sizes):
    net, flat, grad = network(sizes)
    x = torch.randn(7, sizes[0], generator=torch.Generator().manual_seed(1))
    into, direction = torch.randn(7), torch.randn(7, sizes[0])
    run, learned, inputs = net.run(x), flat.clone().requires_grad_(), x.clone().requires_grad_()
    values = by_autograd(learned, sizes, inputs)
    assert torch.allclose(run.values, values) and torch.allclose(net.value(x), values)
    run.backward(into)
    (expected,) = torch.autograd.grad((into * values).sum(), learned, retain_graph=True)
    assert torch.allclose(grad, expected, atol=1e-5)
    (slope,) = torch.autograd.grad(values.sum(), inputs, create_graph=True)
    assert torch.allclose(run.input_gradient(), slope, atol=1e-6)
    grad.zero_()
    run.backward_gradient(direction)
    (expected,) = torch.autograd.grad((direction * slope).sum(), learned)
    assert torch.allclose(grad, expected, atol=1e-5)


def test_a_linear_units_derivatives_by_hand():
    """v tanh(w x) with w = 1, v = 2 at x = 0: slope 2, which v changes by 1 and w by 2."""
    flat, grad = torch.tensor([1.0, 0, 2, 0]), torch.zeros(4)  # w, its bias, v, its bias
    run = TanhMLP(flat, grad, (1, 1)).run(torch.zeros(1, 1))
    assert run.input_gradient().item() == 2
    run.backward_gradient(torch.ones(1, 1))
    assert grad.tolist() == [2, 0, 1, 0]


@pytest.mark.parametrize("actions", [True, False])
def test_the_shaped_scores_gradients_are_numeric_ones(actions):
    score = ShapedScore(Balanced(OBS, ACT), (4,), (3,), actions, 0.9, seed=0)
    score.flat.copy_(torch.randn(len(score.flat)) / 2)
    x, into, direction = torch.randn(6, 5), torch.randn(6), torch.randn(6, 5)
    values = score.g.value(x[:, : 3 if actions else 2]) + 0.9 * score.h.value(x[:, 3:]) - score.h.value(x[:, :2])
    assert torch.allclose(score.run(x).values, values, atol=1e-6)

    def sums(x: Tensor) -> tuple[Tensor, Tensor]:
        run = score.run(x)
        return (into * run.values).sum(), (direction * run.input_gradient()).sum()

    eps, along = 1e-2, torch.randn(len(score.flat))
    before = score.flat.clone()
    ahead, behind = [], []
    for end, sign in ((ahead, 1), (behind, -1)):
        score.flat.copy_(before + sign * eps * along)
        end += sums(x)
    score.flat.copy_(before)
    for k, backward in enumerate((lambda run: run.backward(into), lambda run: run.backward_gradient(direction))):
        score.flat.grad.zero_()
        backward(score.run(x))
        assert float(score.flat.grad @ along) == pytest.approx(float(ahead[k] - behind[k]) / (2 * eps), rel=0.02, abs=0.02)
    numeric = (score.run(x + eps * direction).values - score.run(x - eps * direction).values) / (2 * eps)
    assert torch.allclose((score.run(x).input_gradient() * direction).sum(1), numeric, atol=0.01)


def test_the_penalty_is_the_squared_distance_of_the_slope_from_one():
    """f = 3 x, all but linear near 0: penalty 2 (3 - 1)^2 = 8; its gradient for v, where df/dx = v w: 2 * 2 (3 - 1) = 8."""
    inputs = Balanced(spaces.Box(-1, 1, (1,), np.float32), spaces.Box(-1, 1, (0,), np.float32))
    score = StepScore(inputs, (1,), "state_action", 0)
    score.flat.copy_(torch.tensor([1.0, 0, 3, 0]))
    rows = torch.zeros(4, 1)
    assert GradientPenalty(2.0).add(score, rows, rows, np.random.default_rng(0)) == pytest.approx(8)
    assert score.flat.grad.tolist() == pytest.approx([24, 0, 8, 0])


def test_the_spectral_norm_is_scaled_back_and_small_ones_stay():
    score = StepScore(Balanced(OBS, ACT), (2,), "state_action", 0)
    first, last = score.weights
    first.copy_(torch.tensor([[0.0, 4, 0], [0, 0, 1]]))
    last.copy_(torch.tensor([[0.3, 0.4]]))
    SpectralNorm(1.0).project(score)
    assert first.tolist() == [[0, 1, 0], [0, 0, 0.25]] and last.flatten().tolist() == pytest.approx([0.3, 0.4])
    with pytest.raises(UserError, match="most"):
        SpectralNorm(0)
    with pytest.raises(UserError, match="coefficient"):
        GradientPenalty(-1)
    with pytest.raises(UserError, match="least"):
        GradientPenalty(1, least=0.5)


def transitions(obs: np.ndarray, act: np.ndarray) -> Transitions:
    obs, act = obs.astype(np.float32), act.astype(np.float32)
    return Transitions(obs, act, obs)


class Flat:
    """A policy whose density is 1 everywhere."""

    def act(self, obs, deterministic=True):
        return np.zeros((len(obs), 1), np.float32)

    def log_prob(self, obs, act):
        return np.zeros(len(obs), np.float32)


def evidence(expert_at: float = 1.0, policy_at: float = -1.0, n: int = 400) -> Evidence:
    """Both sides stand around points on the first axis, with spread 0.1; the action is noise."""
    rng = np.random.default_rng(0)
    sides = [transitions(rng.normal([at, 0], 0.1, (n, 2)), rng.normal(size=(n, 1))) for at in (expert_at, policy_at)]
    return Evidence(NOTHING, Behaviour(sides[1], np.zeros(n, np.float32), Flat()), sides[0])


def rollout(obs: np.ndarray, log_prob: float | None = None) -> Rollout:
    n = len(obs)
    given = None if log_prob is None else np.full((n, 1), log_prob, np.float32)
    return Rollout(
        obs[:, None].astype(np.float32),
        *[np.zeros((n, 1, 1), np.float32), np.zeros((n, 1), np.float32), np.zeros((n, 1), bool), None, np.zeros(0)],
        last=obs[-1:].astype(np.float32),
        log_prob=given,
    )


def test_inputs_are_normalised_half_over_either_side():
    """Expert at +1, policy at -1, however many steps of each: mean 0, spread 1; what never changes keeps unit 1."""
    inputs = Balanced(OBS, ACT)
    expert, policy = (transitions(np.tile([[at, 5]], (n, 1)), np.zeros((n, 1))) for at, n in ((1, 10), (-1, 1000)))
    inputs.observe(expert, policy)
    assert inputs(np.array([[3.0, 6.0]]), np.zeros((1, 1))).tolist() == [[3, 1, 0]]
    inputs.observe(expert, transitions(np.tile([[9, 5]], (4, 1)), np.zeros((4, 1))))
    # the policy's running mean has gone a twentieth of the way from -1 to 9, to -0.5; its mean square from 1 to 81, to 5
    mean, square = (1 - 0.5) / 2, (1 + 5) / 2
    unit = (square - mean**2) ** 0.5
    assert inputs.states(np.array([[3.0, 6.0]]))[0].tolist() == pytest.approx([(3 - mean) / unit, 1])
    assert inputs(np.array([[3.0, 6.0]]), np.zeros((1, 1)))[0].tolist() == pytest.approx([(3 - mean) / unit, 1, 0])


@pytest.mark.parametrize("model", [GAIL, AIRL])
def test_images_are_refused_and_vectors_of_bytes_are_not(model):
    with pytest.raises(UserError, match="reads vectors"):
        model(spaces.Box(0, 255, (84, 84), np.uint8), ACT)
    model(spaces.Box(0, 255, (84,), np.uint8), ACT)


@pytest.mark.parametrize("lipschitz", [GradientPenalty(), SpectralNorm(), Unbounded()])
def test_a_discriminator_learns_who_stands_where(lipschitz):
    model, seen = GAIL(OBS, ACT, hidden=(16,), lipschitz=lipschitz, learning_rate=0.01, reward="logit"), evidence()
    metrics = model.fit(seen, 150)
    assert metrics["fit_steps"] == 150 and metrics["discriminator_expert_accuracy"] > 0.9
    told = model.fit(seen, 160)
    assert told["discriminator_policy_accuracy"] == told["discriminator_expert_accuracy"] == 1
    at_expert, between, at_policy = model(rollout(np.array([[1.0, 0], [0, 0], [-1, 0]])))[:, 0]
    assert at_expert > 0.5 and at_policy < -0.5 and abs(between) < 0.5
    assert model.fit(seen, 160) == {}, "as many as were asked for are made"


def test_without_a_side_there_is_nothing_to_fit():
    model, both = GAIL(OBS, ACT), evidence()
    assert model.fit(replace(both, behaviour=None), 9) == model.fit(replace(both, demonstrations=None), 9) == {}


def test_a_discriminator_that_reads_states_alone_sees_no_action():
    blind, sighted = (GAIL(OBS, ACT, hidden=(8,), reads=reads, reward="logit") for reads in ("state", "state_action"))
    for model, told in ((blind, False), (sighted, True)):
        model.fit(evidence(), 50)
        still, moved = (replace(rollout(np.ones((3, 2))), act=np.full((3, 1, 1), at, np.float32)) for at in (0.0, 1.0))
        assert np.array_equal(model(still), model(moved)) != told


def test_what_the_policy_did_earlier_stays_unlike_the_expert():
    """The expert at 0; the policy first at 2, then at -2: whoever has forgotten 2 takes it for the expert's side."""
    said = {}
    for past in (0.0, 0.5):
        model = GAIL(OBS, ACT, hidden=(16,), past=past, learning_rate=0.01, reward="logit")
        for rounds, at in enumerate((2.0, -2.0)):
            for fit in range(10):
                model.fit(evidence(expert_at=0.0, policy_at=at), 100 * rounds + 10 * (fit + 1))
        said[past] = model(rollout(np.array([[2.0, 0]])))[0, 0]
    assert said[0.0] > 0.5 and said[0.5] < 0


def steps_of(values: np.ndarray) -> Transitions:
    return Transitions(*[values[:, np.newaxis].astype(np.float32)] * 3)


def test_batches_mix_the_newest_rollout_and_earlier_ones():
    past, newest = Past(0.25, seed=0), steps_of(np.full(50, 2))
    past.drawn(steps_of(np.full(50, 1)), 8, range(1))
    batches = past.drawn(newest, 8, range(1, 4)).act.reshape(3, 8)
    assert (batches[:, :6] == 2).all() and set(batches[:, 6:].flatten()) <= {1, 2}
    assert (Past(0.0, seed=0).drawn(newest, 8, range(3)).act == 2).all()
    with pytest.raises(UserError, match="past"):
        Past(1.5, seed=0)


def test_what_is_shown_as_earlier_is_earlier():
    past, one, two = Past(0.5, seed=0), steps_of(np.full(50, 1)), steps_of(np.full(50, 2))
    assert (past.drawn(one, 8, range(3)).act == 1).all()
    assert (past.drawn(two, 8, range(3, 6)).act == 1).sum() == 12  # half of three batches of eight


def test_of_earlier_rollouts_so_many_are_kept_and_the_older_the_fewer():
    past, rollouts = Past(0.5, seed=0), 2 * CAPACITY // KEPT_PER_ROLLOUT
    for i in range(rollouts):
        past.drawn(steps_of(np.full(10, i)), 2, range(i, i + 1))
    kept = past.snapshot()["past/act"].flatten()
    assert len(kept) == CAPACITY and (kept == rollouts - 1).sum() == KEPT_PER_ROLLOUT
    assert (kept < rollouts // 2).sum() < (kept >= rollouts // 2).sum()


def test_a_penalty_keeps_the_discriminator_from_being_sure():
    """Two clusters two spreads apart: with a slope of 1 the logit can differ by 2, without a bound by much more."""
    gaps = {}
    for bound in (GradientPenalty(10.0), Unbounded()):
        model = GAIL(OBS, ACT, hidden=(16,), lipschitz=bound, learning_rate=0.03, reward="logit")
        model.fit(evidence(), 400)
        ends = model(rollout(np.array([[1.0, 0], [-1, 0]])))[:, 0]
        gaps[type(bound)] = ends[0] - ends[1]
    assert gaps[GradientPenalty] < 3 and gaps[Unbounded] > 6


def test_rewards_by_hand():
    """An untrained discriminator says 1/2: -log(1 - D) = log 2, log D = -log 2, the logit is 0."""
    said = {name: GAIL(OBS, ACT, reward=name)(rollout(np.zeros((3, 2)))) for name in ("softplus", "log_d", "logit")}
    assert (
        said["softplus"] == pytest.approx(np.log(2)) and said["log_d"] == pytest.approx(-np.log(2)) and (said["logit"] == 0).all()
    )
    assert said["softplus"].shape == (3, 1) and said["softplus"].dtype == np.float32


def test_the_signs_of_the_rewards():
    """What a step pays whatever is done: softplus for lasting, log_d for ending."""
    seen, far = evidence(), rollout(np.random.default_rng(1).normal(size=(100, 2)) * 3)
    signs = {}
    for name in ("softplus", "log_d", "logit"):
        model = GAIL(OBS, ACT, reward=name, learning_rate=0.01)
        model.fit(seen, 100)
        signs[name] = {float(np.sign(x)) for x in model(far).flatten()}
    assert signs == {"softplus": {1.0}, "log_d": {-1.0}, "logit": {1.0, -1.0}}


def test_airl_takes_log_pi_off_and_a_frozen_one_hands_out_g():
    model = AIRL(OBS, ACT, hidden=(8,), potential_hidden=(8,), learning_rate=0.01)
    model.fit(evidence(), 50)
    obs = np.random.default_rng(2).normal(size=(5, 2))
    paid, f, g = model(rollout(obs, log_prob=3.0)), AIRL(OBS, ACT, hidden=(8,), potential_hidden=(8,), reward="f"), None
    f.restore(model.snapshot())
    assert np.allclose(paid, f(rollout(obs, log_prob=3.0)) - 3, atol=1e-5)
    clips = Steps(obs[None].astype(np.float32), np.zeros((1, 5, 1), np.float32), np.zeros((1, 5), np.float32))
    g = model.predict_members(clips)[0, 0]
    assert np.array_equal(model(rollout(obs))[:, 0], g), "where log pi is not recorded it is g"
    assert not np.allclose(f(rollout(obs, log_prob=3.0))[:, 0], g), "shaping is not nothing"
    model.freeze()
    assert np.array_equal(model(rollout(obs, log_prob=3.0))[:, 0], g)


def test_airl_counts_what_the_policy_would_do_itself_as_no_evidence():
    """Both sides alike, and the density 2 nats everywhere: f goes to it, where D is 1/2."""

    class Sure(Flat):
        def log_prob(self, obs, act):
            return np.full(len(obs), 2.0, np.float32)

    same = evidence(expert_at=0.0, policy_at=0.0)
    model = AIRL(OBS, ACT, hidden=(8,), potential_hidden=(8,), learning_rate=0.01, reward="f", gamma=1.0)
    model.fit(replace(same, behaviour=replace(same.behaviour, policy=Sure())), 300)
    assert model(rollout(np.zeros((4, 2)), log_prob=0.0)).mean() == pytest.approx(2.0, abs=0.5), "D = 1/2 where f = log pi"


def test_models_go_on_from_their_snapshots():
    for kind in (GAIL, AIRL):
        whole, killed, resumed = (kind(OBS, ACT, hidden=(8, 8)) for _ in range(3))
        whole.fit(evidence(), 5)
        whole.fit(evidence(), 9)
        killed.fit(evidence(), 5)
        resumed.restore(killed.snapshot())
        resumed.fit(evidence(), 9)
        ours, theirs = whole.snapshot(), resumed.snapshot()
        assert ours.keys() == theirs.keys() and all(np.array_equal(ours[k], theirs[k]) for k in ours)


def test_reading_never_writes():
    for kind in (GAIL, AIRL):
        model = kind(OBS, ACT)
        model.fit(evidence(), 3)
        before = model.snapshot()
        model(rollout(np.ones((4, 2)), 0.0))
        assert all(np.array_equal(before[k], v) for k, v in model.snapshot().items())


@pytest.mark.parametrize(
    ("kind", "settings", "told"),
    [
        (GAIL, {"reward": "log"}, "softplus, log_d, logit"),
        (GAIL, {"reads": "action"}, "state_action, state"),
        (GAIL, {"past": -0.5}, "past"),
        (GAIL, {"hidden": []}, "hidden"),
        (GAIL, {"batch_size": 0}, "batch_size"),
        (GAIL, {"learning_rate": 0}, "learning_rate"),
        (AIRL, {"reward": "h"}, "f_minus_log_pi, f, g"),
        (AIRL, {"g_reads": "action"}, "state_action, state"),
        (AIRL, {"gamma": 2}, "gamma"),
        (AIRL, {"scale": 0}, "scale"),
    ],
)
def test_settings_that_cannot_be_used(kind, settings, told):
    with pytest.raises(UserError, match=told):
        kind(OBS, ACT, **settings)


def test_images_are_refused():
    with pytest.raises(UserError, match="images"):
        GAIL(spaces.Box(0, 255, (4, 84, 84), np.uint8), spaces.Discrete(3))


def test_discrete_actions_count_as_one_hot():
    model, n = GAIL(OBS, spaces.Discrete(2), hidden=(8,), learning_rate=0.03, reward="logit"), 200
    sides = [Transitions(np.zeros((n, 2), np.float32), np.full(n, choice), np.zeros((n, 2), np.float32)) for choice in (1, 0)]
    metrics = model.fit(Evidence(NOTHING, Behaviour(sides[1], np.zeros(n), Flat()), sides[0]), 100)
    assert metrics["discriminator_expert_accuracy"] > 0.9


# In a run


def make() -> GAIL:
    return GAIL(OBS, ACT, hidden=(8,))


def airl() -> AIRL:
    return AIRL(OBS, ACT, hidden=(8,), potential_hidden=(8,))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", [make, airl])
def test_a_fit_in_a_process_of_its_own_gives_the_same_numbers(kind):
    one, two = (AsynchronousReward(kind, threads) for threads in (1, 2))
    for effort, at in ((8, -1.0), (16, -0.5), (24, 0.5)):
        for each in (one, two):
            each.begin(evidence(policy_at=at), effort)
        while two._starting is None or not two._starting.ready:
            time.sleep(0.05)
        assert one.fitted() == two.fitted()
    assert two._fit_process is not None and one.watches
    ours, theirs = one.snapshot(), two.snapshot()
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[k], theirs[k]) for k in ours)


class Walk(gymnasium.Env):
    """A point that a push of either sign moves along a line; the episode ends where it leaves [-1, 1], or after 200 steps."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = float(self.np_random.uniform(-0.1, 0.1))
        return np.array([self.at], np.float32), {}

    def step(self, action):
        self.at += 0.5 * float(action[0])
        return np.array([self.at], np.float32), 1.0, abs(self.at) > 1, False, {}


register("Walk-v0", Walk, max_episode_steps=200)
WALK = ["env=gym", "env.id=test_adversarial:Walk-v0", "n_envs=16", "threads=1", "clip_steps=2", "agent.n_steps=64"]


def settings(*overrides: str) -> dict:
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        cfg = OmegaConf.to_container(compose("config", overrides), resolve=True, throw_on_missing=True)
    assert isinstance(cfg, dict)
    return cfg


@pytest.fixture(scope="module")
def aimless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations of nothing: the Walk under random pushes, whose episodes soon end."""
    rng, env, episodes = np.random.default_rng(0), Walk(), []
    env.reset(seed=0)
    for _ in range(50):
        obs, act, terminated = [env.reset()[0]], [], False
        while not terminated:
            act.append(rng.uniform(-1, 1, 1).astype(np.float32))
            after, _, terminated, *_ = env.step(act[-1])
            obs.append(after)
        episodes.append(Episode(np.array(obs), np.array(act), np.ones(len(act), np.float32), terminated=True))
    folder = tmp_path_factory.mktemp("aimless") / "demonstrations"
    demonstrations.save(folder, Demonstrations(tuple(episodes)), build(settings(*WALK)).env)
    return folder


def lasts(run: Path) -> float:
    """Steps of an episode under the mean action: as many as its return, 1 a step."""
    trained = load(run)
    return float(evaluate.returns(trained.policy, trained.make_env(10, 1), 10).mean())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_surviving_is_not_imitation(aimless, tmp_path, capsys):
    """The demonstrations show nothing but how to fall off. A reward that is never negative teaches to stay all the same, and one
    that is never positive to end it: where episodes end early, a long episode does not show that an expert is imitated.
    """
    lengths, demonstrated = {}, demonstrations.load(aimless, build(settings(*WALK)).env).returns().mean()
    for reward in ("softplus", "log_d"):
        cfg = settings(*WALK, "condition=gail", f"demos={aimless}", f"reward_model.reward={reward}", "total_steps=30720")
        train({**cfg, "video": False}, tmp_path / reward)
        assert f"reward={reward} is never" in capsys.readouterr().err
        lengths[reward] = lasts(tmp_path / reward)
    assert demonstrated < 20 and lengths["softplus"] > 5 * demonstrated and lengths["log_d"] < 2 * demonstrated


def test_who_may_terminate_is_told_and_who_may_not_is_not(aimless, capsys):
    build(settings(*WALK, "condition=gail", f"demos={aimless}", "reward_model.reward=logit"))
    assert "may terminate early" not in capsys.readouterr().err
    build(settings(*WALK, "condition=gail", f"demos={aimless}"))
    told = capsys.readouterr().err
    assert "episodes of test_adversarial:Walk-v0 may terminate early" in told and "reward_model.reward=logit" in told
    build(settings(*WALK, "condition=airl", f"demos={aimless}", "agent.start.cloning_steps=1"))
    assert "and reward_model=airl treats a termination as if the episode continued" in capsys.readouterr().err


@pytest.mark.parametrize("condition", ["gail", "airl"])
def test_there_must_be_demonstrations(condition):
    with pytest.raises(UserError, match="set demos="):
        build(settings("env=point", f"condition={condition}", "threads=1"))


TINY = ["env=point", "n_envs=2", "threads=1", "agent.n_steps=64", "agent.batch_size=64", "total_steps=384", "video=false"]


def test_a_frozen_airl_run_hands_out_g(tmp_path, capsys):
    train(settings(*TINY, "condition=true_reward"), tmp_path / "expert")
    report.demonstrate(tmp_path / "expert", tmp_path / "demos", episodes=2, best_of=None, seed=0, max_steps=1000)
    cloned = ["condition=airl", f"demos={tmp_path / 'demos'}", "agent.start.cloning_steps=50", "agent.start.critic_first=1"]
    train(settings(*TINY, *cloned), tmp_path / "airl")
    told = capsys.readouterr().err
    assert "agent/start" not in told and "may terminate early" not in told
    build(settings(*TINY, "condition=gail", cloned[1]))
    assert "may terminate early" not in capsys.readouterr().err, "time alone ends an episode"
    setup = build(settings(*TINY, "reward_model=frozen", f"reward_model.run={tmp_path / 'airl'}"))
    learned = build(settings(*TINY, "reward_model=airl", "schedule=none", cloned[1]))
    assert "agent/start=demonstrations" in capsys.readouterr().err, "from scratch f learns nothing"
    learned.reward.restore(last_checkpoint(tmp_path / "airl")["reward"])
    obs, act = np.random.default_rng(0).normal(size=(2, 3, 2, 2)).astype(np.float32)
    steps = Rollout(obs, act, *[np.zeros((3, 2), np.float32)] * 2, None, np.zeros(0), log_prob=np.ones((3, 2), np.float32))
    clips = Steps(obs.swapaxes(0, 1), act.swapaxes(0, 1), np.zeros((2, 3), np.float32))
    assert np.allclose(setup.reward(steps), learned.reward.predict_members(clips)[0].T, atol=1e-6)
    assert not np.allclose(setup.reward(steps), learned.reward(steps))
