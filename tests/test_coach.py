"""COACH: its update against the recursion that it stands for, its synthetic trainer where the advantage is known, its loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp.agent import coach
from rlhp.agent.trace import Traces, credited
from rlhp.coaching import coach as learn
from rlhp.envs import mujoco, point
from rlhp.evaluate import returns
from rlhp.run import last_checkpoint
from rlhp.train import build, load, train
from rlhp.train.expert import Expert, Lookahead
from rlhp.trainer import AdvantageTrainer
from rlhp.types import Rollout, UserError

HORIZON = 50


def agent_of(n_envs=2, seed=1, **settings):
    env = point.make(n_envs, seed, HORIZON)
    env.desynchronise()
    chosen = {"decay": 0.5, "delay": 0, "learning_rate": 0.01, "n_steps": 4, "seed": seed, **settings}
    return coach(env, **chosen)


def experience(steps, envs, seed=0):
    """Observations, actions and feedback of a policy on `point`, all different."""
    rng = np.random.default_rng(seed)
    draw = rng.normal(size=(2, steps, envs, 2)).astype(np.float32)
    return draw[0], draw[1], rng.integers(-1, 2, (steps, envs)).astype(float)


def recursion(policy, parameters, obs, act, feedback, decay, delay):
    """Algorithm 1 of the paper step by step, at constant theta: what all of theta moves by, over alpha."""
    moved = [torch.zeros_like(p) for p in parameters]
    for i in range(obs.shape[1]):
        trace = [torch.zeros_like(p) for p in parameters]
        for t in range(len(obs)):
            trace = [decay * e for e in trace]
            if t >= delay:
                seen, done = (torch.from_numpy(x[t - delay, i : i + 1]) for x in (obs, act))
                gradient = torch.autograd.grad(policy.get_distribution(seen).log_prob(done).sum(), parameters)
                trace = [e + g for e, g in zip(trace, gradient, strict=True)]
            moved = [m + feedback[t, i] * e for m, e in zip(moved, trace, strict=True)]
    return moved


# Traces


def test_a_step_is_credited_with_the_feedback_that_follows():
    """1 at the second step, -2 at the fourth: the first gets 1/2 - 2/8, the second 1 - 2/4, the third -2/2, the fourth -2."""
    feedback = np.array([[0, 1, 0, -2]]).T
    assert credited(feedback, 0.5).T.tolist() == [[0.25, 0.5, -1, -2]]
    assert credited(feedback, 0.0).tolist() == feedback.tolist()


@pytest.mark.parametrize(("decay", "delay"), [(0.0, 0), (0.9, 0), (0.9, 3), (0.0, 3), (0.7, 6)])
def test_the_update_is_that_of_the_papers_recursion(decay, delay):
    """Also where a trace goes on through several calls, and where the delay is longer than a call."""
    policy = agent_of().policy
    obs, act, feedback = experience(12, 2)
    traces = Traces(policy, 2, decay, delay)
    parts = [traces.follow(*(x[rows] for x in (obs, act, feedback))) for rows in (slice(0, 4), slice(4, 9), slice(9, 12))]
    whole = recursion(policy, traces.parameters, obs, act, feedback, decay, delay)
    for part, expected in zip(zip(*parts, strict=True), whole, strict=True):
        assert np.allclose(sum(part), expected, rtol=1e-3, atol=1e-3)
    assert max(float(expected.abs().max()) for expected in whole) > 1


def test_traces_go_on_from_a_snapshot():
    policy, (obs, act, feedback) = agent_of().policy, experience(8, 2)
    whole, before, after = (Traces(policy, 2, 0.9, 3) for _ in range(3))
    for traces in (whole, before):
        traces.follow(obs[:5], act[:5], feedback[:5])
    after.restore(before.snapshot())
    for one, other in zip(*(t.follow(obs[5:], act[5:], feedback[5:]) for t in (whole, after)), strict=True):
        assert torch.equal(one, other) and one.any()


def test_neither_values_nor_spread_are_moved():
    agent = agent_of()
    acting = {id(p) for p in agent.traces.parameters}
    names = [name for name, p in agent.policy.named_parameters() if id(p) not in acting]
    critic = [f"mlp_extractor.value_net.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")]
    assert names == ["log_std", *critic, "value_net.weight", "value_net.bias"]


@pytest.mark.parametrize(("decay", "delay"), [(1.0, 0), (-0.1, 0), (0.5, -1)])
def test_traces_that_never_end_or_look_ahead_are_refused(decay, delay):
    with pytest.raises(UserError, match="give a decay"):
        agent_of(decay=decay, delay=delay)


# The agent


def test_praise_makes_what_was_done_likelier_and_blame_less_likely():
    for feedback, sign in ((1.0, 1), (-1.0, -1)):
        agent = agent_of(decay=0.0, learning_rate=1e-4, normalise_observations=False)
        next(iter(agent.rollouts(8)))
        buffer = agent.rollout_buffer
        obs, act = (torch.from_numpy(x.copy()).flatten(0, 1) for x in (buffer.observations, buffer.actions))
        before = likelihood(agent, obs, act)
        agent.update(np.full((4, 2), feedback))
        assert sign * (likelihood(agent, obs, act) - before) > 0


def likelihood(agent, obs, act):
    with torch.no_grad():
        return float(agent.policy.get_distribution(obs).log_prob(act).sum())


def test_silence_teaches_nothing():
    agent = agent_of()
    next(iter(agent.rollouts(8)))
    before = [p.detach().clone() for p in agent.policy.parameters()]
    told = agent.update(np.zeros((4, 2)))
    assert all(torch.equal(a, b) for a, b in zip(before, agent.policy.parameters(), strict=True))
    assert told["signals"] == 0 and "praise" not in told


def test_signals_are_counted():
    agent = agent_of()
    told = [agent.update(np.array([[1, 0], [0, -1], [0, 0], [1, 1]])) for _ in agent.rollouts(16)]
    assert [(t["signals"], t["praise"]) for t in told] == [(4, 0.75), (8, 0.75)]


def test_its_policy_can_be_kept_at_any_time():
    """As the start from a clone keeps it: nothing of a gradient's computation hangs on to the policy."""
    agent = agent_of()
    assert agent.frozen_policy().act(np.zeros((1, 2))).shape == (1, 2)
    for _ in agent.rollouts(16):
        agent.update(np.ones((4, 2)))
        agent.frozen_policy()


def test_a_policy_that_diverges_is_the_users_error():
    agent = agent_of(learning_rate=1e38)
    with pytest.raises(UserError, match=r"lower agent\.learning_rate"):
        for _ in agent.rollouts(80):
            agent.update(np.ones((4, 2)))


# The synthetic trainer


def to_the_origin(obs):
    """The optimal policy on `point`."""
    return np.clip(-np.asarray(obs) / point.STEP, -1, 1)


def value(obs):
    """[n, 2] -> [n], of the optimal policy: it stays at the origin, so 30 steps are as good as any number."""
    return point.optimum(np.asarray(obs, float), 30)


def judge(steps, worth=value):
    return Lookahead(to_the_origin, worth, 1.0, point.make(4, 0, HORIZON), steps)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_advantage_on_the_point_is_the_one_worked_out_by_hand(steps):
    """From .3 to .2 and on: -.2 - .1; to .4: -.4 - .3 - .2 - .1; to .3: -.3 - .2 - .1. From the origin to .1: -.1."""
    states, (left, right, stay) = np.array([[0.3, 0]]), np.array([[[-1.0, 0]], [[1.0, 0]], [[0.0, 0]]])
    assert judge(steps)(states, right, left) == pytest.approx([-0.7], abs=1e-6)
    assert judge(steps)(states, stay, right) == pytest.approx([0.4], abs=1e-6)
    assert judge(steps)(0 * states, right, stay) == pytest.approx([-0.1], abs=1e-6)


def test_more_moments_than_environments_are_judged_in_batches():
    states, act = np.array([[0.3, 0], [0, 0.3], [0, 0], [-0.3, 0], [0.3, 0]]), np.tile([1.0, 0], (5, 1))
    found = judge(1)(states, act, np.zeros((5, 2)))
    # from .3 to .4 instead of .3; from the side to (.1, .3), whose way home is longer; and -.3 is left for the better
    assert found[[0, 2, 3, 4]] == pytest.approx([-0.4, -0.1, 0.3, -0.4], abs=1e-6) and found[1] < 0


def test_without_a_value_only_the_simulated_steps_count():
    states, act = np.array([[0.3, 0]]), np.array([[1.0, 0]])
    assert judge(1, lambda obs: 0.0)(states, act, -act) == pytest.approx([-0.2], abs=1e-6)


@pytest.mark.parametrize("task", ["halfcheetah", "hopper"])
def test_a_robot_goes_on_from_where_it_is_placed(task):
    """The solver's warm start is not part of a rollout's states, so that numbers are alike, and not equal."""
    whole, placed = (mujoco.make(task, 2, seed) for seed in (1, 2))
    whole.reset(), placed.reset()
    rng = np.random.default_rng(1)
    for _ in range(20):
        whole.step(rng.uniform(-1, 1, (2, *whole.action_space.shape)))
    seen = whole._observe()
    assert not np.allclose(placed._observe(), seen)
    assert placed.place(whole.states()) == pytest.approx(seen, abs=0.02)
    act = rng.uniform(-1, 1, (2, *whole.action_space.shape))
    for (obs, reward, *_), (again, worth, *_) in [(whole.step(act), placed.step(act)) for _ in range(2)]:
        assert again == pytest.approx(obs, abs=0.02) and worth == pytest.approx(reward, abs=0.02)


def rollout_of(obs, act):
    """One step [1, N] at positions [N, 2] with actions [N, 2]."""
    obs, act = np.array([obs], np.float32), np.array([act], np.float32)
    return Rollout(obs, act, np.zeros(act.shape[:2], np.float32), np.zeros(act.shape[:2], bool), None, np.zeros(0))


def gains(*values):
    """N environments whose actions are worth so much."""
    return rollout_of([[0, 0]] * len(values), [[v, 0] for v in values])


def trainer_of(**settings):
    """Of `gains`: an action's advantage is how much larger it is than the usual one, 0."""
    given = {"speaks": 1.0, "delay": 0, "dead_zone": 0.0, **settings}
    return AdvantageTrainer(1, lambda states, act, usual: (act - usual)[:, 0], np.zeros_like, **given)


def test_praise_is_for_what_is_better_than_usual():
    step = gains(0.2, -0.1, 0.0, 0.5)
    assert trainer_of()(step, 4).tolist() == [[1, -1, 0, 1]]
    assert trainer_of(dead_zone=0.75)(step, 4).tolist() == [[1, 0, 0, 1]]  # the mean size is .2, and three quarters of it .15


def test_what_is_worth_a_word_is_measured_over_all_judgements_at_first():
    """Sizes 1, then 3: their mean is 2; after a 1 it is 5/3, and 1.8 makes it 1.7."""
    trainer = trainer_of(dead_zone=1.0)
    assert [trainer(gains(size), step).tolist() for step, size in enumerate((1, 3, -1, 1.8))] == [[[0]], [[1]], [[0]], [[1]]]


def test_the_same_action_is_blamed_once_the_agent_does_better():
    """What is worth a word follows the policy (MacGlashan et al. 2017, section 3.2)."""
    for usual, said in ((0.0, 1), (1.0, -1)):
        trainer = AdvantageTrainer(
            1, lambda _, act, mine: (act - mine)[:, 0], lambda obs, u=usual: np.full_like(obs, u), speaks=1, delay=0, dead_zone=0
        )
        assert trainer(gains(0.5), 1).tolist() == [[said]]


def test_a_trainer_judges_by_the_simulators_state_where_there_is_one():
    seen = []
    trainer = AdvantageTrainer(
        1, lambda states, act, usual: seen.append(states) or act[:, 0], np.zeros_like, speaks=1, delay=0, dead_zone=0
    )
    trainer(replace(gains(0.5), state=np.array([[[7.0, 8, 9]]])), 1)
    assert seen[0].tolist() == [[7, 8, 9]]


def test_feedback_comes_late():
    trainer, steps = trainer_of(delay=2), [gains(1, -1), gains(-1, 1), gains(1, 1), gains(-1, -1)]
    assert [trainer(step, k).tolist() for k, step in enumerate(steps)] == [[[0, 0]], [[0, 0]], [[1, -1]], [[-1, 1]]]


def test_a_trainer_goes_on_from_a_snapshot():
    whole, before, after = (trainer_of(delay=1, dead_zone=0.5) for _ in range(3))
    whole(gains(1, -1), 1), before(gains(1, -1), 1)
    after.restore(before.snapshot())
    for step in (2, 3):
        assert whole(gains(0.1, -9), step).tolist() == after(gains(0.1, -9), step).tolist()


def test_some_steps_are_passed_over():
    said = trainer_of(speaks=0.1)(gains(*[1] * 1000), 1)
    assert 60 < np.count_nonzero(said) < 140  # 100, and four standard deviations of 9.5
    again, later = (trainer_of(speaks=0.1)(gains(*[1] * 1000), step) for step in (1, 2))
    assert said.tolist() == again.tolist() != later.tolist()


@pytest.mark.parametrize("settings", [{"speaks": 0.0}, {"speaks": 1.1}, {"delay": -1}, {"dead_zone": -0.1}])
def test_a_trainer_that_makes_no_sense_is_refused(settings):
    with pytest.raises(UserError, match="give a probability above 0"):
        trainer_of(**settings)


# The loop


class Acting:
    """Makes rollouts 10, 20, ..., and notes what happens."""

    def __init__(self, log):
        self.log, self.num_timesteps, self.n_steps = log, 0, 1

    def rollouts(self, total_steps):
        while self.num_timesteps < total_steps:
            self.num_timesteps += 10
            self.log.append(f"act {self.num_timesteps}")
            yield gains(0.5)

    def update(self, reward):
        self.log.append(f"update {reward.tolist()}")
        return {"moved": 1.0}


class Noting:
    """A run that keeps its rows."""

    def __init__(self, events):
        self.events, self.rows = events, {}

    def log(self, step, metrics):
        self.rows.setdefault(step, {}).update(metrics)

    def end_step(self, step):
        self.events.append(f"tick {step}")


def test_the_agent_acts_feedback_comes_and_the_policy_moves():
    events: list[str] = []
    run = Noting(events)
    learn(Acting(events), lambda rollout, step: np.full((1, 1), step), run, total_steps=20)  # type: ignore[arg-type]
    assert events == ["act 10", "update [[10]]", "tick 10", "act 20", "update [[20]]", "tick 20"]
    assert run.rows[20]["moved"] == 1 and run.rows[20]["true_reward"] == 0


# Learning


@pytest.mark.slow
def test_a_point_learns_from_a_sparse_and_late_trainer():
    agent = agent_of(n_envs=8, n_steps=16, decay=0.0, delay=6, learning_rate=0.003)
    trainer = AdvantageTrainer(1, judge(2), agent.act, speaks=0.1, delay=6, dead_zone=0.5)
    before = returns(agent.act, point.make(10, 99, HORIZON), 20).mean()
    for rollout in agent.rollouts(20_000):
        agent.update(trainer(rollout, agent.num_timesteps))
    assert returns(agent.act, point.make(10, 99, HORIZON), 20).mean() > -3 > -10 > before  # the best possible is -1.4


# An expert's run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two short runs on `point`: one on the true reward, one on preferences."""
    folder, small = (
        tmp_path_factory.mktemp("runs"),
        ["env=point", "n_envs=2", "threads=1", "total_steps=128", "labels=1", "agent.batch_size=64"],
    )
    for name in ("true_reward", "preferences"):
        train(composed(*small, f"condition={name}", *(["labels=0"] if name == "true_reward" else [])), folder / name)
    return folder


def test_a_clone_is_no_judge(runs, tmp_path):
    """Its policy is the expert's, and its value function is nobody's."""
    settings = yaml.safe_load((runs / "true_reward" / "config.yaml").read_text())
    settings["loop"]["_target_"] = "rlhp.train.Cloning"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    with pytest.raises(UserError, match="has not learned from the true reward"):
        Expert(tmp_path)


def composed(*overrides):
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", [*overrides]), resolve=True)


def test_an_experts_values_are_in_units_of_the_true_reward(runs):
    expert = Expert(runs / "true_reward")
    state = last_checkpoint(runs / "true_reward")["agent"]
    agent = load(runs / "true_reward").agent
    obs = np.array([[0.5, -0.5], [0, 0.1]])
    with torch.no_grad():
        scaled = agent.policy.predict_values(torch.from_numpy(agent.get_vec_normalize_env().normalize_obs(obs)))[:, 0]
    assert expert.value(obs) == pytest.approx(scaled.numpy() * np.sqrt(state["scale/var"]), rel=1e-5)
    assert expert.act(obs) == pytest.approx(agent.act(obs)) and (expert.task, expert.gamma) == ("point", 0.99)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "set expert=RUN to a run on the true reward"),
        (["expert={runs}/preferences"], "has not learned from the true reward"),
        (["expert={runs}/true_reward", "env=reacher"], "was trained on env=point, not reacher"),
        (["expert={runs}/true_reward", "loop.trainer.lookahead=0"], "set it to at least 1"),
        (["expert={runs}/true_reward", "loop.trainer.lookahead=50"], "simulates 50 steps"),
        (["expert={runs}/true_reward", "loop.trainer.lookahead=4", "loop.trainer.speaks=0"], "give a probability above 0"),
        (["expert={runs}/true_reward", "agent.decay=1"], "give a decay from 0"),
    ],
)
def test_an_expert_who_cannot_judge_is_refused(runs, overrides, words):
    given = [each.format(runs=runs) for each in overrides]
    env = [] if any(each.startswith("env=") for each in given) else ["env=point"]
    with pytest.raises(UserError, match=words):
        build(composed("condition=coach", "threads=1", *env, *given))
