"""DAgger and SMILe: who acts, whose steps are learned from, what remains."""

from __future__ import annotations

import pickle
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp import imitate, report
from rlhp.agent import Blind, Shares, Student, geometric, newest, ppo
from rlhp.agent.mixture import Mixture
from rlhp.agent.shares import without_expert
from rlhp.envs import point
from rlhp.evaluate import returns, visited
from rlhp.run import last_checkpoint
from rlhp.run.record import read_table
from rlhp.train import build, load, train
from rlhp.train.rounds import SCORES, distance
from rlhp.types import Array, Metrics, Policy, Transitions, UserError

TINY = [
    "env=point",
    "n_envs=2",
    "threads=1",
    "agent.n_steps=64",
    "agent.batch_size=64",
    "total_steps=384",
    "labels=4",
    "first_labels=null",
]
ASKED = ["loop.steps=128", "loop.evaluate_episodes=2", "loop.fit_steps=40"]


class Constant:
    """Does the same everywhere, with probability `p` of it."""

    def __init__(self, value: float, p: float = 0.5) -> None:
        self.value, self.p, self.asked = value, p, []

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        self.asked.append((len(obs), deterministic))
        return np.full((len(obs), 1), self.value, np.float32)

    def log_prob(self, obs: Array, act: Array) -> Array:
        return np.full(len(obs), np.log(self.p))


# Who acts


def test_dagger_lets_the_expert_act_with_probability_decay_to_the_rounds_before() -> None:
    assert newest(0, decay=0.5).tolist() == [1]
    assert newest(1, decay=0.5).tolist() == [0.5, 0.5]
    assert newest(2, decay=0.5).tolist() == [0.25, 0, 0.75]
    assert [newest(n, decay=0).tolist() for n in range(4)] == [[1], [0, 1], [0, 0, 1], [0, 0, 0, 1]]


def test_smile_gives_each_policy_its_share() -> None:
    assert geometric(0, alpha=0.25).tolist() == [1]
    assert geometric(1, alpha=0.25).tolist() == [0.75, 0.25]
    assert geometric(2, alpha=0.25).tolist() == [0.5625, 0.25, 0.1875]
    assert geometric(3, alpha=0.25).tolist() == [0.421875, 0.25, 0.1875, 0.140625]


def test_smiles_shares_are_those_of_the_papers_recursion() -> None:
    """pi^n = pi^{n-1} + alpha (1 - alpha)^{n-1} (pihat_n - pi^0)."""
    alpha, shares = 0.3, np.eye(6)[0]
    for n in range(1, 6):
        shares = shares + alpha * (1 - alpha) ** (n - 1) * (np.eye(6)[n] - np.eye(6)[0])
        assert geometric(n, alpha) == pytest.approx(shares[: n + 1])


def test_the_expert_is_taken_out() -> None:
    assert without_expert(np.array([0.5625, 0.25, 0.1875])) == pytest.approx([4 / 7, 3 / 7])
    assert without_expert(newest(3, decay=0.5)).tolist() == [0, 0, 1]


# A mixture


def test_a_mixture_draws_who_acts_for_each_row() -> None:
    policies = [Constant(0), Constant(1), Constant(2)]
    torch.manual_seed(0)
    act = Mixture(policies, np.array([1, 0, 3])).act(np.zeros((4000, 5)), deterministic=False)
    assert act.shape == (4000, 1) and act.dtype == np.float32
    assert (act == 2).mean() == pytest.approx(0.75, abs=0.03) and (act == 1).sum() == 0
    assert policies[1].asked == [] and [p.asked for p in (policies[0], policies[2])] == [
        [((act == 0).sum(), False)],
        [((act == 2).sum(), False)],
    ]
    torch.manual_seed(0)
    assert (Mixture(policies, np.array([0.25, 0, 0.75])).act(np.zeros((4000, 5))) == act).all(), "seeded by torch"


def test_the_likelihood_of_a_mixture_is_the_weighted_mean() -> None:
    mixture = Mixture([Constant(0, p=0.5), Constant(0, p=0.125)], np.array([1, 3]))
    assert np.exp(mixture.log_prob(np.zeros((3, 5)), np.zeros((3, 1)))) == pytest.approx(0.25 * 0.5 + 0.75 * 0.125)


@pytest.mark.parametrize("weights", [[0, 0], [1], [2, -1], [np.inf, 1], [np.nan, 1]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="are not weights of 2 policies"):
        Mixture([Constant(0), Constant(1)], np.array(weights))


def an_agent(seed: int = 0) -> Blind:
    settings = {"gamma": 0.9, "n_steps": 32, "batch_size": 32, "learning_rate": 1e-3, "seed": seed}
    return ppo(point.make(2, seed, horizon=20), policy_kwargs={"net_arch": [16, 16], "activation_fn": "Tanh"}, **settings)


OBS = np.random.default_rng(0).uniform(-1, 1, (200, 2))


def test_an_agent_that_is_a_mixture_is_saved_and_loaded() -> None:
    agents = [an_agent(seed) for seed in (1, 2)]
    agents[1].get_vec_normalize_env().obs_rms.mean = np.array([0.5, -0.5])  # type: ignore[union-attr]
    parts = [agent.frozen_policy() for agent in agents]
    acts = [agent.act(OBS) for agent in agents]
    agent = an_agent(3)
    agent.become(parts, np.array([0.25, 0.75]))
    first = (agent.act(OBS) == acts[0]).all(axis=1)
    assert 20 < first.sum() < 80
    assert (agent.frozen_policy().act(OBS) == acts[1]).all(), "its network is the policy of most weight"
    loaded = an_agent(4)
    loaded.restore_policy(agent.snapshot())
    for one in (agent, loaded):
        torch.manual_seed(7)
        one.drawn = one.act(OBS)  # type: ignore[attr-defined]
    assert (agent.drawn == loaded.drawn).all()  # type: ignore[attr-defined]
    both = [a.acting_policy().log_prob(OBS, acts[0]) for a in (agent, loaded)]
    mixed = np.logaddexp(*[np.log(w) + p.log_prob(OBS, acts[0]) for w, p in zip((0.25, 0.75), parts, strict=True)])
    assert both[0] == pytest.approx(mixed) and both[1] == pytest.approx(mixed)


def test_an_agent_that_becomes_one_policy_is_that_policy() -> None:
    parts = [an_agent(seed).frozen_policy() for seed in (1, 2)]
    agent = an_agent(3)
    agent.become(parts, np.array([0.5, 0.5]))
    agent.become(parts, np.array([0, 1]))
    assert (agent.act(OBS) == parts[1].act(OBS)).all() and (agent.acting_policy().act(OBS) == parts[1].act(OBS)).all()
    assert not [name for name in agent.snapshot() if name.startswith("mixture")]
    mixed = an_agent(4)
    mixed.become(parts, np.array([0.5, 0.5]))
    mixed.restore_policy(agent.snapshot())
    assert (mixed.act(OBS) == parts[1].act(OBS)).all(), "a snapshot without a mixture ends one"


def test_a_policy_that_is_kept_stays_as_it_was_while_the_agent_learns_and_travels() -> None:
    agent = an_agent()
    for rollout in agent.rollouts(128):
        kept, asked, acts = agent.frozen_policy(), agent.frozen_policy(), agent.act(OBS)
        assert (asked.act(OBS) == acts).all()
        agent.update(rollout.true_reward)
        assert not (agent.act(OBS) == acts).all()
        copies = (kept, pickle.loads(pickle.dumps(kept)), pickle.loads(pickle.dumps(asked)), deepcopy(asked))
        assert all((copy.act(OBS) == acts).all() for copy in copies)
        kept.restore(agent.snapshot())
        assert (kept.act(OBS) == agent.act(OBS)).all(), "also where it was asked before"


# The loop


def steps_at(*places: float) -> Transitions:
    obs = np.array(places)[:, None]
    return Transitions(obs, np.full_like(obs, -1), obs + 1)


class Everything:
    """One object in every part's place: a list of what happened."""

    def __init__(self, scores: tuple[float, ...] = (1, 3, 2)) -> None:
        self.data: Transitions | None = None
        self.steps, self.fitted, self.scores = 0, 0, scores
        self.events: list[str] = []
        self.learned: list[list[float]] = []
        self.logged: dict[int, dict[str, float]] = {}

    def actor(self, expert: Policy) -> Policy:
        return Constant(10 * self.fitted)

    def visit(self, policy: Policy, number: int) -> Transitions:
        self.events.append(f"visit {number}")
        acting = float(policy.act(np.zeros((1, 1)))[0, 0])
        return steps_at(acting, acting + 1)

    def fit(self) -> Metrics:
        assert self.data is not None
        self.learned.append(self.data.obs[:, 0].tolist())
        self.labels = self.data.act[:, 0].tolist()
        self.fitted += 1
        self.events.append("fit")
        return {"best_valid_loss": 0.5}

    def evaluate(self) -> Metrics:
        self.events.append("evaluate")
        return {"true_return": self.scores[self.fitted - 1]}

    def keep_best(self, score: float) -> Metrics:
        self.events.append(f"keep {score:g}")
        return {"best_round": 7.0}

    def log(self, step: int, metrics: dict[str, float]) -> None:
        self.logged.setdefault(step, {}).update(metrics)

    def end_step(self, step: int) -> None:
        self.events.append(f"tick {step}")


class Oracle(Constant):
    """Wants to go to where 5 times the place is."""

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        assert deterministic, "labels are modes"
        return 5 * obs


def interact(all: Everything, gather: imitate.Gather, rounds: int = 3, demonstrations: Transitions | None = None) -> None:
    score, run = SCORES["true_return"], all
    imitate.interact(
        all,
        Oracle(0),
        all.visit,
        imitate.asked(Oracle(0)),
        gather,
        all.evaluate,
        score,
        run,  # type: ignore[arg-type]
        total_steps=2 * rounds,
        demonstrations=demonstrations,
    )


def test_a_round_is_acted_labelled_fitted_and_judged() -> None:
    all = Everything()
    interact(all, imitate.all_rounds)
    first, second, third = (["fit", "evaluate", f"keep {score}", f"tick {step}"] for score, step in ((1, 2), (3, 4), (2, 6)))
    assert all.events == ["visit 0", *first, "visit 1", *second, "visit 2", *third]
    assert all.logged[4] == {"labelled": 4, "best_valid_loss": 0.5, "true_return": 3, "best_round": 7}


def test_dagger_learns_from_all_rounds_by_the_experts_labels() -> None:
    all = Everything()
    interact(all, imitate.all_rounds)
    assert all.learned == [[0, 1], [0, 1, 10, 11], [0, 1, 10, 11, 20, 21]]
    assert all.labels == [0, 5, 50, 55, 100, 105]
    assert all.data is not None and all.data.next_obs[:, 0].tolist() == [1, 2, 11, 12, 21, 22]


def test_smile_learns_from_each_round_apart() -> None:
    all = Everything()
    interact(all, imitate.newest_round)
    assert all.learned == [[0, 1], [10, 11], [20, 21]]


def test_demonstrations_come_first_with_their_own_labels_and_make_no_steps() -> None:
    all = Everything(scores=(1, 3, 2, 5))
    interact(all, imitate.all_rounds, demonstrations=steps_at(-7))
    assert all.events[:5] == ["fit", "evaluate", "keep 1", "tick 0", "visit 1"] and list(all.logged) == [0, 2, 4, 6]
    assert all.logged[0] == {"labelled": 0, "best_valid_loss": 0.5, "true_return": 1, "best_round": 7}
    assert all.learned[:2] == [[-7], [-7, 10, 11]] and all.labels[:2] == [-1, 50]


def test_a_run_that_goes_on_does_not_begin_with_the_demonstrations_again() -> None:
    all = Everything(scores=(1, 3, 2, 5))
    all.steps, all.fitted, all.data = 4, 3, steps_at(-7)
    interact(all, imitate.all_rounds, demonstrations=steps_at(-7))
    assert all.events == ["visit 3", "fit", "evaluate", "keep 5", "tick 6"]


# The student


by_the_newest = partial(newest, decay=0)


def a_student(agent: Blind, shares: Shares = by_the_newest, fit_steps: int = 40) -> Student:
    student = Student(agent, shares, seed=0, fit_steps=fit_steps, batch_size=32, learning_rate=1e-2)
    student.data = visited(expert, point.make(4, 0, horizon=20), 100)
    return student


def expert(obs: Array) -> Array:
    return np.clip(-obs / point.STEP, -1, 1).astype(np.float32)


def test_a_student_fits_from_the_same_untrained_network_in_each_round() -> None:
    agent = an_agent()
    student, untrained = a_student(agent), agent.act(OBS)
    losses = [student.fit()["best_valid_loss"] for _ in range(2)]
    one, two = (policy.act(OBS) for policy in student._policies)
    assert max(losses) < 0.5 * np.square(untrained - expert(OBS)).sum(axis=1).mean()
    assert not np.array_equal(one, two), "another draw of steps"
    again, other = a_student(moved := an_agent()), an_agent(9)
    moved.become([other.frozen_policy()], np.ones(1))
    assert again.fit()["best_valid_loss"] == losses[0] and np.array_equal(again._policies[0].act(OBS), one)


def test_the_agent_acts_as_of_the_best_round_and_of_equals_the_latest() -> None:
    agent = an_agent()
    student = a_student(agent)
    for score, best in ((1.0, 1), (3.0, 2), (3.0, 3), (2.0, 3)):
        student.fit()
        assert np.array_equal(agent.act(OBS), student._policies[-1].act(OBS)), "until it is judged, as of the newest"
        assert student.keep_best(score) == {"best_round": best}
        assert np.array_equal(agent.act(OBS), student._policies[best - 1].act(OBS))


def test_smiles_student_acts_by_the_mixture_without_the_expert() -> None:
    agent = an_agent()
    student = a_student(agent, partial(geometric, alpha=0.25))
    student.fit()
    student.keep_best(0.0)
    student.fit()
    assert isinstance(agent.acting_policy(), Mixture), "as it is judged"
    student.keep_best(0.0)
    mixture = agent.acting_policy()
    assert isinstance(mixture, Mixture) and mixture.weights == pytest.approx([4 / 7, 3 / 7])
    teacher = Constant(0)
    actor = student.actor(teacher)
    assert isinstance(actor, Mixture) and actor.weights == pytest.approx([0.5625, 0.25, 0.1875]) and actor.policies[0] is teacher


def test_a_student_goes_on_from_its_snapshot_with_equal_numbers() -> None:
    agent = an_agent()
    student = a_student(agent)
    for score in (1.0, 0.0):
        student.fit()
        student.keep_best(score)
    student.steps = 40
    agents, students = [agent, an_agent()], [student]
    students.append(a_student(agents[1]))
    students[1].data = None
    agents[1].restore(agent.snapshot())
    students[1].restore(student.snapshot())
    assert students[1].steps == 40 and students[1].fitted == 2
    assert all(np.array_equal(a.act(OBS), b.act(OBS)) for a, b in zip(*(s._policies for s in students), strict=True))
    assert students[0].fit() == students[1].fit()
    assert [s.keep_best(0.5) for s in students] == [{"best_round": 1.0}] * 2
    assert np.array_equal(agents[0].act(OBS), agents[1].act(OBS))


def test_a_student_of_an_optimal_expert_is_nearly_optimal() -> None:
    agent = an_agent()
    a_student(agent, fit_steps=400).fit()
    best, learned = (returns(policy, point.make(10, 5, horizon=20), 10).mean() for policy in (expert, agent.act))
    assert learned == pytest.approx(best, rel=0.05)


def test_too_short_a_fit_is_refused() -> None:
    with pytest.raises(UserError, match="at least 20"):
        Student(an_agent(), by_the_newest, fit_steps=19, seed=0)


# What it visits, and how far it is from the expert


def test_what_is_visited_is_told_step_by_step_with_the_last_observation_of_each_episode() -> None:
    seen = visited(expert, point.make(2, 0, horizon=3), steps=5)
    assert seen.obs.shape == seen.act.shape == seen.next_obs.shape == (10, 2) and seen.obs.dtype == np.float32
    obs, after = seen.obs.reshape(5, 2, 2), seen.next_obs.reshape(5, 2, 2)
    moved = obs + point.STEP * np.clip(seen.act, -1, 1).reshape(5, 2, 2)
    assert after == pytest.approx(moved, abs=1e-6), "also where an episode ends"
    assert np.array_equal(after[[0, 1, 3]], obs[[1, 2, 4]]) and not np.isclose(after[2], obs[3]).any()


def test_the_distance_to_the_expert() -> None:
    assert distance(np.array([[1, 2], [0, 0]]), np.array([[1, 4], [3, 4]]), continuous=True).tolist() == [4, 25]
    assert distance(np.array([1, 2, 3]), np.array([1, 0, 3]), continuous=False).tolist() == [0, 1, 0]
    assert distance(np.array([[1, 2], [3, 3]]), np.array([[1, 0], [3, 3]]), continuous=False).tolist() == [1, 0]


def test_what_is_chosen_by() -> None:
    found = {"true_return": 3.0, "expert_error": 0.5}
    assert [SCORES[name](found) for name in ("true_return", "expert_error", "newest")] == [3, -0.5, 0]


# Whole runs


def settings(*overrides: str) -> dict[str, Any]:
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        made = OmegaConf.to_container(compose("config", list(overrides)), resolve=True, throw_on_missing=True)
    assert isinstance(made, dict)
    return made  # type: ignore[return-value]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("expert")
    train(settings(*TINY, "condition=true_reward", "n_envs=2"), path)
    return path


def test_a_run_of_smile_is_a_mixture_for_whoever_loads_it(teacher: Path, tmp_path: Path) -> None:
    train(settings("condition=smile", *TINY[:-2], "labels=0", *ASKED, f"expert={teacher}", "loop.alpha=0.25"), tmp_path)
    loaded = load(tmp_path)
    mixture = loaded.agent.acting_policy()
    assert isinstance(mixture, Mixture) and mixture.weights == pytest.approx(np.array([16, 12, 9]) / 37)
    torch.manual_seed(0)
    acts = [loaded.policy(np.zeros((1, 2))).tobytes() for _ in range(60)]
    assert len(set(acts)) == 3, "each of its policies acts by its mean"
    assert "deterministic policy" in report.returns(tmp_path, episodes=2, seed=0)
    assert report.returns(tmp_path, episodes=2, seed=0) == report.returns(tmp_path, episodes=2, seed=0)
    with pytest.raises(UserError, match="is a mixture, which a single network cannot start from"):
        build(settings(*TINY, "agent/start=clone", f"agent.start.run={tmp_path}"))


def test_demonstrations_give_a_policy_before_the_first_round(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a row of its own, and a run that is killed before the first checkpoint has it once."""
    report.demonstrate(teacher, tmp_path / "demos", episodes=2, best_of=None, seed=0, max_steps=1000)
    run, demos = tmp_path / "run", f"demos={tmp_path / 'demos'}"
    cfg = settings("condition=dagger", *TINY[:-2], "labels=0", *ASKED, f"expert={teacher}", demos)
    with monkeypatch.context() as patch, pytest.raises(KeyError):
        patch.setattr("rlhp.train.rounds.visited", lambda *_: {}["killed"])
        train(cfg, run)
    assert [row["step"] for row in read_table(run / "metrics.csv")] == ["0"]
    train(cfg, run)
    for table in ("metrics.csv", "clock.csv"):
        assert [row["step"] for row in read_table(run / table)] == ["0", "128", "256", "384"]
    assert float(read_table(run / "metrics.csv")[0]["true_return"]) < 0
    learned = last_checkpoint(run)["loop"]
    assert len(learned["scores"]) == 4 and learned["steps"] == 384
    assert len(learned["data/obs"]) == 100 + 384, "two episodes of 50 steps, and three rounds"


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("expert=null", "expert=RUN"),
        ("env=pendulum", "acts in env=point, not in env=pendulum"),
        ("loop.steps=100", "is not a multiple of loop.steps"),
        ("loop.n_envs=3", "multiple of n_envs"),
        ("loop.evaluate_episodes=0", "at least 1 of each"),
        ("loop.keep=loss", "choose one of true_return, expert_error, newest"),
        ("loop.decay=1", "below 1"),
        ("loop.decay=-0.1", "at least 0"),
    ],
)
def test_what_does_not_fit_is_refused(teacher: Path, override: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        build(settings("condition=dagger", *TINY[:-2], "labels=0", *ASKED, f"expert={teacher}", override))


@pytest.mark.parametrize("alpha", [0, 1])
def test_smile_wants_a_share_between_0_and_1(teacher: Path, alpha: float) -> None:
    with pytest.raises(UserError, match="between 0 and 1"):
        build(settings("condition=smile", *TINY[:-2], "labels=0", *ASKED, f"expert={teacher}", f"loop.alpha={alpha}"))
