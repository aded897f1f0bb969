"""COACH: its update against the recursion that it stands for, its synthetic trainer where the advantage is known, its loop."""

import numpy as np
import pytest
import torch

from rlhp.agent import coach
from rlhp.agent.trace import Traces, credited
from rlhp.coaching import coach as learn
from rlhp.envs import point
from rlhp.evaluate import returns
from rlhp.trainer import AdvantageTrainer
from rlhp.types import Rollout, UserError

HORIZON = 50


def agent_of(n_envs=2, seed=1, **settings):
    env = point.make(n_envs, seed, HORIZON)
    env.stagger()
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


def test_a_policy_that_diverges_is_the_users_error():
    agent = agent_of(learning_rate=1e38)
    with pytest.raises(UserError, match=r"lower agent\.learning_rate"):
        for _ in agent.rollouts(80):
            agent.update(np.ones((4, 2)))


# The synthetic trainer


def value(obs):
    """[n, 2] -> [n], of the optimal policy: it stays at the origin, so 30 steps are as good as any number."""
    return point.optimum(np.asarray(obs, float), 30)


def rollout_of(before, after):
    """One step [1, N] from positions [N, 2] to others."""
    before, after = np.array(before, np.float32)[np.newaxis], np.array(after, np.float32)
    reward = -np.linalg.norm(after, axis=1)[np.newaxis]
    nothing = np.zeros((1, len(after), 2), np.float32)
    return Rollout(before, nothing, reward, np.zeros(reward.shape, bool), None, np.zeros(0), after)


def trainer_of(**settings):
    return AdvantageTrainer(1, value, 1.0, **{"speaks": 1.0, "delay": 0, "dead_zone": 0.0, **settings})


def test_the_advantage_on_the_point_is_the_one_worked_out_by_hand():
    """V(.3, 0) = -.2 - .1. To .2: -.2 + V(.2, 0) = -.2 - .1, no loss. To .4: -.4 - (.3 + .2 + .1), a loss of .7."""
    step = rollout_of([[0.3, 0], [0.3, 0], [0, 0]], [[0.2, 0], [0.4, 0], [0.1, 0]])
    assert trainer_of().advantage(step) == pytest.approx(np.array([[0, -0.7, -0.1]]), abs=1e-6)


def test_where_an_episode_ends_the_advantage_is_of_its_last_observation():
    step = rollout_of([[0.3, 0]], [[0.9, 0.9]])  # the next episode begins elsewhere
    reward = np.array([[-0.2]])
    ended = Rollout(step.obs, step.act, reward, step.cut, None, step.returns, step.last, ((0, 0, np.array([0.2, 0.0])),))
    assert trainer_of().advantage(ended) == pytest.approx(np.zeros((1, 1)), abs=1e-6)


def test_praise_is_for_what_is_better_than_expected():
    """Advantages 0, 0, 0 and -.7: their mean is -.175."""
    step = rollout_of([[0.3, 0]] * 4, [[0.2, 0]] * 3 + [[0.4, 0]])
    assert trainer_of()(step, 4).tolist() == [[1, 1, 1, -1]]
    # .175 and .525 from the mean, and a spread of .303
    assert trainer_of(dead_zone=1.0)(step, 4).tolist() == [[0, 0, 0, -1]]
    assert trainer_of(dead_zone=2.0)(step, 4).tolist() == [[0, 0, 0, 0]]


def test_expectations_follow_the_agent():
    """What was worth praise at first is what is expected later: feedback is diminishing."""
    trainer, halfway = trainer_of(), rollout_of([[0.3, 0]] * 100, [[0.3, 0]] * 100)  # an advantage of -.3
    trainer(rollout_of([[0.3, 0]] * 100, [[0.4, 0]] * 100), 1)  # one of -.7
    assert (trainer(halfway, 2) == 1).all()
    for step in range(3, 200):
        trainer(rollout_of([[0.3, 0]] * 100, [[0.2, 0]] * 100), step)  # none
    assert (trainer(halfway, 200) == -1).all()


def test_feedback_comes_late():
    rows = [rollout_of([[0.3, 0], [0.3, 0]], pair) for pair in ([[0.2, 0], [0.4, 0]], [[0.4, 0], [0.2, 0]])]
    trainer = trainer_of(delay=2)
    assert [trainer(row, step).tolist() for step, row in enumerate([*rows, *rows])] == [[[0, 0]], [[0, 0]], [[1, -1]], [[-1, 1]]]


def test_a_trainer_goes_on_from_a_snapshot():
    row = rollout_of([[0.3, 0], [0.3, 0]], [[0.2, 0], [0.4, 0]])
    whole, before, after = (trainer_of(delay=1) for _ in range(3))
    whole(row, 1), before(row, 1)
    after.restore(before.snapshot())
    assert whole(row, 2).tolist() == after(row, 2).tolist() == [[1, -1]]


def test_some_steps_are_passed_over():
    trainer = trainer_of(speaks=0.1)
    row = rollout_of([[0.3, 0]] * 1000, [[0.2, 0]] * 500 + [[0.4, 0]] * 500)
    said = trainer(row, 1)
    assert 60 < np.count_nonzero(said) < 140  # 100, and four standard deviations of 9.5
    assert said.tolist() == trainer_of(speaks=0.1)(row, 1).tolist() != trainer_of(speaks=0.1)(row, 2).tolist()


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
            yield rollout_of([[0.3, 0]], [[0.2, 0]])

    def update(self, reward):
        self.log.append(f"update {reward.tolist()}")
        return {"moved": 1.0}


class Noting:
    """A run that keeps its rows."""

    def __init__(self, events):
        self.events, self.rows = events, {}

    def log(self, step, metrics):
        self.rows.setdefault(step, {}).update(metrics)

    def tick(self, step):
        self.events.append(f"tick {step}")


def test_the_agent_acts_feedback_comes_and_the_policy_moves():
    events: list[str] = []
    run = Noting(events)
    learn(Acting(events), lambda rollout, step: np.full((1, 1), step), run, total_steps=20)  # type: ignore[arg-type]
    assert events == ["act 10", "update [[10]]", "tick 10", "act 20", "update [[20]]", "tick 20"]
    assert run.rows[20]["moved"] == 1 and run.rows[20]["true_reward"] == pytest.approx(-0.2)


# Learning


@pytest.mark.slow
def test_a_point_learns_from_a_sparse_and_late_trainer():
    agent = agent_of(n_envs=8, n_steps=16, decay=0.0, delay=6, learning_rate=0.003)
    trainer = trainer_of(speaks=0.1, delay=6, dead_zone=0.5)
    before = returns(agent.act, point.make(10, 99, HORIZON), 20).mean()
    for rollout in agent.rollouts(40_000):
        agent.update(trainer(rollout, agent.num_timesteps))
    assert returns(agent.act, point.make(10, 99, HORIZON), 20).mean() > -4 > before
