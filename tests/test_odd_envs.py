"""Environments of the kinds that people bring: each trains rightly, or is refused in one sentence before anything is made."""

import re
from typing import Any

import numpy as np
import odd_envs
import pytest
from gymnasium import spaces
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp import evaluate
from rlhp.agent import BlindPPO
from rlhp.agent.build import make as make_agent
from rlhp.envs import gym
from rlhp.envs.gym import contract
from rlhp.run import begun, discard
from rlhp.run.record import read_table
from rlhp.train import build, load, train
from rlhp.types import UserError

N, T, ROUNDS = 2, 32, 3
CONDITIONS = ("preferences", "true_reward")
each_condition = pytest.mark.parametrize("condition", CONDITIONS)


def settings(name: str, condition: str, *more: str) -> dict[str, Any]:
    """Settings of a training of three short rollouts on one of the odd environments."""
    tiny = [
        f"n_envs={N}",
        f"agent.n_steps={T}",
        f"total_steps={ROUNDS * N * T}",
        "agent.batch_size=32",
        "labels=4",
        "clip_steps=8",
    ]
    chosen = ["env=gym", f"env.id='odd_envs:{name}-v0'", f"condition={condition}", "threads=1", *tiny, *more]
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        resolved = OmegaConf.to_container(compose("config", chosen), resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def made(name: str, n_envs: int = 1, seed: int = 0, **more: Any) -> gym.GymVecEnv:
    return gym.make(f"odd_envs:{name}-v0", n_envs, seed, **more)


# What trains


@each_condition
@pytest.mark.parametrize(
    "name",
    [
        *("Plain", "Disc", "DiscStart", "F64", "Term", "Unbounded", "IntBoxAct", "Zero", "NoRender", "NoLimit", "TermFast"),
        *("MultiDisc", "MultiBin", "MultiTable", "MultiBinTable", "BoxTable"),
        *("Dict", "Tuple", "Nested", "Cell", "Choices", "Bits", "Number", "Whole", "Ram", "Board"),
        *("Image", "ImageDisc", "ScreenDisc", "First", "Grey", "Deep", "Real", "Grid", "OneKey", "Camera", "CameraMultiDisc"),
    ],
)
def test_it_trains(name, condition, tmp_path):
    cfg = settings(name, condition, *(["clip_steps=2"] if name == "TermFast" else []))
    train(cfg, tmp_path)
    rows = read_table(tmp_path / "metrics.csv")
    assert len(rows) == ROUNDS and rows[-1]["entropy"] and (tmp_path / "finished.json").exists()
    assert ("true_return" in rows[-1]) == (name != "NoLimit")


@each_condition
@pytest.mark.parametrize(("name", "allowed"), [("Disc", {0, 1, 2}), ("DiscStart", {-1, 0, 1}), ("IntBoxAct", {0, 1, 2, 3, 4, 5})])
def test_the_environment_executes_actions_of_its_own_space(name, allowed, condition, tmp_path):
    """While training, and when the policy is evaluated; the environment asserts that they are of its space."""
    odd_envs.EXECUTED.clear()
    train(settings(name, condition), tmp_path)
    taken = {int(np.squeeze(action)) for action in odd_envs.EXECUTED}
    assert taken <= allowed and min(allowed) in taken and len(taken) > 2
    trained = load(tmp_path)
    env = trained.make_env(2, seed=5)
    odd_envs.EXECUTED.clear()
    assert len(evaluate.returns(trained.policy, env, 2)) == 2
    assert {int(np.squeeze(action)) for action in odd_envs.EXECUTED} <= allowed


@pytest.mark.parametrize(
    ("name", "space"), [("DiscStart", spaces.Discrete(3)), ("IntBoxAct", spaces.Box(0, 5, (1,), np.float32))]
)
def test_the_recording_is_in_the_terms_of_the_environments_space(name, space):
    env = made(name, 4)
    agent = make_agent(BlindPPO, env, gamma=0.9, n_steps=32, batch_size=32, n_epochs=1, seed=0)
    assert agent.action_space == space and env.action_space != space
    odd_envs.EXECUTED.clear()
    rollout = next(agent.rollouts(128))
    assert np.array_equal(rollout.act, np.reshape(odd_envs.EXECUTED, rollout.act.shape))


def test_a_discrete_space_that_starts_below_0_is_learned_on():
    """The best action, to the right, is 1, the last of three; a random policy's return is about 0, the best one's about 80."""
    env = made("DiscStart", 4)
    agent = make_agent(BlindPPO, env, gamma=0.9, n_steps=40, batch_size=160, n_epochs=4, learning_rate=0.01, seed=0)
    for rollout in agent.rollouts(1280):
        agent.update(rollout.true_reward)
    assert rollout.returns.mean() > 40 and (agent.act(env.reset()) == 1).all()


# What is refused before anything runs


@each_condition
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("DictAct", r"takes actions of a Dict, .*ActionWrapper.*env\.wrappers"),
        ("Text", r"observes a Text, .*own gymnasium\.ObservationWrapper, env\.wrappers"),
        ("Mission", r"mission of its observations is a Text.*FilterObservation: \{filter_keys: \[a\]\}"),
        ("Huge", "take 132,300 bytes.*ResizeObservation"),
        ("Liar", r"reset of .* one of Discrete\(4\), not 4"),
        ("Missing", "reset of .* a dict of a, b"),
        ("OldGym", r"has no argument seed and no argument options, as in Gym before 0\.26"),
        ("NoOptions", r"has no argument options, as in Gym before 0\.26"),
        ("RewArr", r"an array of shape \(1,\) as its reward: .*reward\.item\(\)"),
        ("AllNaN", "nan as its reward at step 1"),
        ("Short", "clip_steps=8 exceeds the episode length of 5"),
    ],
)
def test_it_is_refused_before_there_is_a_run(name, sentence, condition, tmp_path):
    with pytest.raises(UserError, match=sentence):
        train(settings(name, condition), tmp_path / "run")
    assert not begun(tmp_path / "run")
    discard(tmp_path / "run")  # as the command does
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"reset": np.zeros(3, np.float32)}, r"reset .* returns an array of shape \(3,\): .*an observation and a dict"),
        ({"reset": (np.zeros(3, np.float32), None)}, "reset .* returns a tuple of 2"),
        (
            {"reset": (np.zeros(2, np.float32), {})},
            r"reset .* shape \(2,\), but its observation space declares float32 of shape \(3,\)",
        ),
        ({"reset": ([[0.0], [1.0, 2.0]], {})}, r"reset .* type object"),
        ({"step": (np.zeros(3, np.float32), 0.0, False, {})}, "step .* returns a tuple of 4: Gymnasium requires .*terminated"),
        ({"observation": np.zeros(3, complex)}, "step .* type complex128"),
        ({"observation": np.array([0, 11, 0], np.float32)}, r"step .* returns 11\.0 at index \[1\], outside .* -10\.0 to 10\.0"),
        ({"observation": np.array([0, np.inf, 0])}, r"returned inf as its observation\[1\]"),
        ({"reward": None}, "returns a NoneType as its reward"),
        ({"reward": -np.inf}, "returned -inf as its reward"),
        ({"reward": 1e300}, "as its reward at step 1"),
        ({"terminated": "no"}, "returns a str as terminated: let it return True or False"),
        ({"truncated": np.array([True])}, "as truncated"),
        ({"info": None}, "returns a NoneType as info"),
    ],
)
def test_a_broken_contract_is_one_sentence(changed, sentence):
    with pytest.raises(UserError, match=sentence) as refused:
        made("Returning", kwargs=changed)
    assert "odd_envs:Returning-v0" in str(refused.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"reset": ([0, 1, 2], {})},
        {"observation": np.zeros(3)},  # float64, where the space says float32: stored as the space says
        {"reward": np.float32(1), "terminated": np.bool_(False)},
        {"reward": 3},
        {"reward": True},
    ],
)
def test_what_can_be_stored_rightly_is_let_through(changed):
    env = made("Returning", kwargs=changed)
    assert env.reset().dtype == np.float32 and env.step(np.zeros((1, 1), np.float32))[1].dtype == np.float32


def test_the_check_leaves_the_environments_alone():
    """It has an instance of its own, takes one reset and one step, and closes it."""
    calls = []

    class Told(odd_envs.Line):
        def __init__(self):
            super().__init__()
            calls.append("init")

        def reset(self, **settings):
            calls.append("reset")
            return super().reset(**settings)

        def step(self, action):
            calls.append("step")
            return super().step(action)

        def close(self):
            calls.append("close")

    shared = Told.action_space
    shared.seed(3)
    before = shared.np_random.bit_generator.state
    contract.check("Told-v0", Told)
    assert calls == ["init", "reset", "step", "close"]
    assert shared.np_random.bit_generator.state == before  # it is the class's, and other environments draw from it


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("Initassert", AssertionError),
        ("Initfile", FileNotFoundError),
        ("Initkey", KeyError),
        ("Inittype", TypeError),
        ("Initimport", ImportError),
    ],
)
def test_what_a_constructor_raises_is_let_through(name, error):
    with pytest.raises(error, match="there is no such thing") as raised:
        made(name)
    assert type(raised.value) is error


@pytest.mark.parametrize("name", ["Plain", "NoRender"])  # one hands its keywords on to another constructor
def test_a_keyword_that_the_constructor_does_not_know_is_the_users(name):
    with pytest.raises(UserError, match=r"cannot make .*gravity.*env\.kwargs"):
        made(name, kwargs={"gravity": 1})


def test_a_module_that_is_not_there_is_the_users():
    with pytest.raises(UserError, match=r"cannot make 'nowhere:Plain-v0'.*nowhere"):
        gym.make("nowhere:Plain-v0", 1, 0)


# Numbers that are not finite


@each_condition
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        # both environments make their 30th step with the run's 60th
        ("NaN", "environment 0 of odd_envs:NaN-v0 returned nan as its reward at step 60"),
        ("NanObs", r"environment 0 of odd_envs:NanObs-v0 returned nan as its observation\[1\] at step 60"),
    ],
)
def test_the_first_number_that_is_not_finite_ends_the_run(name, sentence, condition, tmp_path):
    with pytest.raises(UserError, match=sentence):
        train(settings(name, condition), tmp_path)
    assert not (tmp_path / "finished.json").exists() and not list(tmp_path.glob("checkpoints/*"))


# Pictures


def test_an_environment_that_does_not_draw_says_so_in_one_sentence(recwarn):
    env = made("NoRender", kwargs={"render_mode": "rgb_array"})
    with pytest.raises(UserError, match="draws no pictures"):
        list(evaluate.pictures(lambda obs: np.zeros((1, 1), np.float32), env, 1))
    assert not list(recwarn)


# Limits


def test_a_time_limit_can_be_set():
    env = made("NoLimit", max_episode_steps=7)
    assert env.horizon == 7
    env.reset()
    dones = [env.step(np.zeros((1, 1), np.float32))[2][0] for _ in range(7)]
    assert dones == [False] * 6 + [True]
    with pytest.raises(UserError, match="max_episode_steps is 0"):
        made("NoLimit", max_episode_steps=0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NoLimit", "has no time limit.*env.max_episode_steps=1000"),
        ("Plain", ""),
        ("Dict", ""),
        ("ImageDisc", r"images of 16 x 16 x 3: the policy is convolutional \(convolutions of 3 x 3, 3 x 3\), and the reward"),
        ("Camera", r"images \(3 x 16 x 16\) beside 6 numbers: the policy encodes each image"),
        ("Board", "arrays of 4 x 4 x 2: the policy reads the observation as a vector of 32 numbers"),
    ],
)
def test_what_to_know_before_training_is_said(name, said, capfd):
    parts = build(settings(name, "preferences"))
    parts.env.close()
    captured = capfd.readouterr().err
    assert (captured == "") if not said else (len(captured.splitlines()) == 1)
    assert re.search(said, captured)


# Names


@pytest.mark.parametrize(
    ("id", "task"), [("odd_envs:Plain-v0", "odd_envs-Plain-v0"), ("ALE/Pong-v5", "ALE-Pong-v5"), ("CartPole-v1", "CartPole-v1")]
)
def test_an_id_is_a_name_of_its_own(id, task):
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        cfg = compose("config", ["env=gym", f"env.id='{id}'"], return_hydra_config=True)
    assert cfg.task == task and cfg.hydra.run.dir == f"runs/main/{task}-preferences-700-seed1"
