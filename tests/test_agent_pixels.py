"""Agents that see stacked frames: what they see, what they learn, and that it is what SB3 learns."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack

from rlhp.agent import BlindPPO, FrameStack, SmallCNN, StateEntropy, ValueRefit, a2c, linear, ppo, stack_frames
from rlhp.agent.build import make
from rlhp.agent.fast import FastCnnPPO, choose, cnn_ppo
from rlhp.train import job
from rlhp.types import UserError

SIDE = 36  # pixels: the least that three convolutions of NatureCNN leave anything of


class Bright(VecEnv):
    """Frames are dark or bright at random; action 1 is worth 1 where the newest is bright, action 0 where it is dark.

    Every `game` steps a game is over: the agent is told where `told`, as a time limit where `truncated`; else it is a hidden cut.
    """

    render_mode = None

    def __init__(self, n: int = 2, *, stack: int = 4, game: int = 7, told: bool = False, truncated: bool = False) -> None:
        super().__init__(n, spaces.Box(0, 255, (SIDE, SIDE), np.uint8), spaces.Discrete(3))
        self.stack, self.task, self.game, self.told, self.truncated = stack, "bright", game, told, truncated
        self.rng, self.time = np.random.default_rng(0), 0

    def reset(self):
        return self._drawn()

    def _drawn(self):
        self.shown = self.rng.integers(2, size=self.num_envs)
        noise = self.rng.integers(40, size=(self.num_envs, SIDE, SIDE))
        return (noise + 200 * self.shown[:, None, None]).astype(np.uint8)

    def step_async(self, actions):
        assert actions.shape == (self.num_envs,)
        self.reward = (np.asarray(actions) == self.shown).astype(np.float32)

    def step_wait(self):
        self.time += 1
        over = self.time % self.game == 0
        last = self._drawn()
        obs = self._drawn() if over else last
        ended = np.full(self.num_envs, over and self.told)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for info, frame in zip(infos, last, strict=True):
            if over:
                info |= {"terminal_observation": frame, "TimeLimit.truncated": self.truncated} if self.told else {"cut": True}
        return obs, self.reward, ended, infos

    def states(self):
        return None

    def snapshot(self):
        words = self.rng.bit_generator.state["state"]
        return {"random": np.array([str(words["state"]), str(words["inc"])]), "time": np.array(self.time), "shown": self.shown}

    def restore(self, state):
        words = self.rng.bit_generator.state
        words["state"] = dict(zip(("state", "inc"), map(int, state["random"]), strict=True))
        self.rng.bit_generator.state = words
        self.time, self.shown = int(state["time"]), state["shown"].copy()
        return self.shown

    def close(self):
        pass

    def get_attr(self, attr_name, indices=None):
        return [getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name, value, indices=None):
        raise NotImplementedError

    def env_method(self, method_name, *method_args, indices=None, **method_kwargs):
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * self.num_envs


class Counting(Bright):
    """The n-th frame that is drawn shows n everywhere."""

    def reset(self):
        self.n = 0
        return super().reset()

    def _drawn(self):
        self.n += 1
        self.shown = np.zeros(self.num_envs, int)
        return np.full((self.num_envs, SIDE, SIDE), self.n, np.uint8)


SETTINGS: dict[str, Any] = {
    "policy": "CnnPolicy",
    "gamma": 0.9,
    "n_steps": 16,
    "batch_size": 16,
    "n_epochs": 2,
    "seed": 3,
    "normalise_observations": False,
    "normalise_reward": False,
}
SMALL = {"features_extractor_class": SmallCNN, "features_extractor_kwargs": {"features_dim": 32}, "net_arch": []}


def numbers(obs: np.ndarray) -> list[int]:
    """What the frames of the first environment's stack show."""
    return obs[0, :, 0, 0].tolist()


def walk(env: VecEnv, steps: int) -> list[list[int]]:
    seen = [numbers(env.reset())]
    for _ in range(steps):
        obs, _, dones, infos = env.step(np.zeros(env.num_envs, int))
        if dones[0]:
            seen.append(numbers(infos[0]["terminal_observation"][np.newaxis]))
        seen.append(numbers(obs))
    return seen


def test_stacks_start_with_the_first_frame_repeated_and_run_on_over_hidden_resets():
    env = stack_frames(Counting(game=3))
    assert env.observation_space == spaces.Box(0, 255, (4, SIDE, SIDE), np.uint8)
    # the frame that game 1 ends with, 4, is nobody's: the next observation is the new game's first, 5
    assert walk(env, 4) == [[1, 1, 1, 1], [1, 1, 1, 2], [1, 1, 2, 3], [1, 2, 3, 5], [2, 3, 5, 6]]
    assert env.states() is None and env.task == "bright" and env.stack == 4  # the environment's own are within reach


def test_stacks_run_on_where_the_agent_is_told_of_an_end():
    env = stack_frames(Counting(game=3, told=True))
    assert walk(env, 4) == [[1, 1, 1, 1], [1, 1, 1, 2], [1, 1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 5], [2, 3, 5, 6]]


def test_a_stack_is_not_changed_by_the_steps_after_it():
    env = stack_frames(Counting(game=2, told=True))
    first = env.reset()
    second = env.step(np.zeros(2, int))[0]
    env.step(np.zeros(2, int))
    assert numbers(first) == [1, 1, 1, 1] and numbers(second) == [1, 1, 1, 2]


def test_an_environment_of_single_frames_is_not_wrapped():
    env = Bright(stack=1)
    assert stack_frames(env) is env


def settings(**more: Any) -> dict[str, Any]:
    rates = {"learning_rate": linear(1e-3), "clip_range": linear(0.2), "ent_coef": 0.01}
    return {**SETTINGS, **rates, **more}


def assert_near(a: Any, b: Any, within: float) -> None:
    assert [name for name, _ in a.policy.named_parameters()] == [name for name, _ in b.policy.named_parameters()]
    for (name, left), right in zip(a.policy.named_parameters(), b.policy.parameters(), strict=True):
        left, right = left.detach(), right.detach()
        assert torch.allclose(left, right, rtol=0, atol=within), (name, float((left - right).abs().max()))


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize("network", [{}, SMALL], ids=["nature", "small"])
@pytest.mark.parametrize("truncated", [False, True])
def test_in_float32_the_lean_ppo_learns_and_logs_what_ppo_does(network, truncated):
    """Thrice 16 steps of 2 environments in minibatches of 12 and a rest; with ends that are told, by time and by game."""
    agents, logs, acts = [], [], []
    for build in (lambda env, **s: make(BlindPPO, env, **s), lambda env, **s: ppo(env, precision="float32", **s)):
        agents.append(build(Bright(told=True, truncated=truncated), **settings(policy_kwargs=network, batch_size=12)))
        logs.append([])
        for rollout in islice(agents[-1].rollouts(4 * 32), 3):  # at the end all rates are 0
            acts.append(rollout.act)
            agents[-1].update(rollout.true_reward)
            logs[-1].append({name: float(value) for name, value in agents[-1].logger.name_to_value.items()})
    assert type(agents[1]) is FastCnnPPO
    assert np.array_equal(acts[:3], acts[3:])
    assert_near(*agents, within=2e-6)
    fresh = make(BlindPPO, Bright(), **settings(policy_kwargs=network))
    with pytest.raises(AssertionError):
        assert_near(agents[0], fresh, within=2e-6)
    for left, right in zip(*logs, strict=True):
        assert left == pytest.approx(right, rel=1e-4, abs=1e-5)


def learned(env: VecEnv, **more: Any) -> Any:
    """An agent after two updates; random streams are seeded where it is built."""
    agent = ppo(env, **settings(policy_kwargs=SMALL, batch_size=32, **more))
    for rollout in islice(agent.rollouts(64 * env.num_envs), 2):
        agent.update(rollout.true_reward)
    return agent


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_threads_change_no_number(precision, monkeypatch):
    """Parts of a minibatch and of the environments are the same whoever computes them."""
    monkeypatch.setattr(cnn_ppo, "ROWS", 8)
    one, two = (learned(Bright(n=8), precision=precision, threads=threads) for threads in (1, 3))
    assert all(torch.equal(a, b) for a, b in zip(one.policy.parameters(), two.policy.parameters(), strict=True))


@pytest.mark.parametrize("rows", [16, 12])
def test_parts_of_a_minibatch_make_its_gradient(rows, monkeypatch):
    """As exact as rounding: two parts of 16 images, or 12, 12 and 8, against all 32 at once."""
    whole = learned(Bright(), precision="float32")
    monkeypatch.setattr(cnn_ppo, "ROWS", rows)
    assert_near(whole, learned(Bright(), precision="float32"), within=2e-6)


@pytest.mark.parametrize("network", [{}, SMALL], ids=["nature", "small"])
def test_weights_that_are_converted_once_give_what_autocast_gives(network):
    agent = ppo(Bright(), precision="bfloat16", **settings(policy_kwargs=network))
    extractor = agent.policy.features_extractor
    images = torch.randint(0, 255, (4, 4, SIDE, SIDE), dtype=torch.uint8)
    with torch.no_grad():
        found = [agent._forward(images, each) for each in (None, cnn_ppo.converted(extractor, torch.bfloat16))]
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert {p.dtype for p in extractor.parameters()} == {torch.float32}


def test_blind_ppo_on_stacks_is_sb3s_on_stacks():
    """SB3's own frame stack starts from black frames instead, so the first frames are left out of the comparison by a reset."""
    reference = PPO("CnnPolicy", FrameStack(Bright()), gamma=0.9, n_steps=16, batch_size=16, n_epochs=2, seed=3, device="cpu")
    reference.learn(2 * 32)
    agent = make(BlindPPO, Bright(), **SETTINGS)
    for rollout in agent.rollouts(2 * 32):
        agent.update(rollout.true_reward)
    assert_near(agent, reference, within=0)


def test_stacks_are_sb3s_once_they_are_full():
    ours, theirs = stack_frames(Bright()), VecFrameStack(Bright(), 4, channels_order="first")
    for env in (ours, theirs):
        env.reset()
    for t in range(6):
        a, b = (env.step(np.zeros(2, int))[0] for env in (ours, theirs))
        if t >= 3:
            assert np.array_equal(a, b.reshape(a.shape))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_lean_ppo_learns_what_the_frames_show(precision):
    """A policy that does not look earns 1/3 or, choosing the better level, 1/2."""
    policy_kwargs = {**SMALL, "optimizer_kwargs": {"eps": 1e-5, "fused": True}}
    quick = {"learning_rate": linear(3e-3), "batch_size": 32, "n_epochs": 4, "gamma": 0.5}
    agent = ppo(Bright(8), precision=precision, **settings(policy_kwargs=policy_kwargs, **quick))
    earned = []
    for rollout in agent.rollouts(12 * 128):
        earned.append(rollout.true_reward.mean())
        agent.update(rollout.true_reward)
    assert earned[0] < 0.5 and earned[-1] > 0.9


@pytest.mark.parametrize("build", [ppo, a2c])
def test_rates_and_clip_ranges_really_fall(build):
    """Linearly to 0 at the end of training; A2C's, which would be 0 at 1.6 lengths of it, to 0.6 / 1.6."""
    rates = {"learning_rate": linear(0.01), "clip_range": linear(0.1), "batch_size": 16, "n_epochs": 1}
    if build is a2c:
        rates = {"learning_rate": linear(0.016, zero_at=1.6)}
    agent = build(Bright(stack=4), **{**common(), **rates, "policy_kwargs": SMALL})
    seen = []
    for rollout in agent.rollouts(4 * 32):
        metrics = agent.update(rollout.true_reward)
        assert agent.policy.optimizer.param_groups[0]["lr"] == metrics["learning_rate"]
        seen.append((metrics["learning_rate"], agent.logger.name_to_value.get("train/clip_range")))
    if build is ppo:
        assert [rate for rate, _ in seen] == pytest.approx([0.0075, 0.005, 0.0025, 0.0])
        assert [clip for _, clip in seen] == pytest.approx([0.075, 0.05, 0.025, 0.0])
    else:
        assert [rate for rate, _ in seen] == pytest.approx([0.0135, 0.011, 0.0085, 0.006])


def common() -> dict[str, Any]:
    """The settings that PPO and A2C share."""
    return {name: value for name, value in SETTINGS.items() if name not in ("batch_size", "n_epochs")}


def test_a_schedule_that_ends_before_training_is_refused():
    with pytest.raises(UserError, match=r"zero_at=0\.5"):
        linear(0.1, zero_at=0.5)


RMSPROP = {"optimizer_class": RMSpropTFLike, "optimizer_kwargs": {"alpha": 0.99, "eps": 1e-5}}


def test_blind_a2c_on_stacks_is_sb3s_on_stacks():
    kwargs = {**SMALL, **RMSPROP}
    reference = A2C("CnnPolicy", FrameStack(Bright()), gamma=0.9, n_steps=5, seed=3, device="cpu", policy_kwargs=kwargs)
    reference.learn(30)
    agent = a2c(Bright(), **{**common(), "n_steps": 5, "policy_kwargs": kwargs})
    for rollout in agent.rollouts(30):
        agent.update(rollout.true_reward)
    assert_near(agent, reference, within=0)


@pytest.mark.parametrize(
    "build, more",
    [
        (ppo, {"precision": "float32", "policy_kwargs": SMALL}),
        (ppo, {"precision": "bfloat16", "policy_kwargs": {**SMALL, "optimizer_kwargs": {"fused": True}}}),
        (ppo, {"target_kl": 1.0, "policy_kwargs": SMALL}),  # stock PPO
        (a2c, {"policy_kwargs": {**SMALL, **RMSPROP}}),
    ],
)
def test_snapshot_and_restore_go_on_bit_for_bit(build, more):
    """Over hidden cuts too: the frames of a stack are part of the snapshot."""
    made = lambda: build(Bright(), **{**(SETTINGS if build is ppo else common()), **more})  # noqa: E731
    whole, states = made(), []
    for rollout in whole.rollouts(5 * 32):
        whole.update(rollout.true_reward)
        states.append({name: array.copy() for name, array in whole.snapshot().items()})
    again = made()
    again.restore(states[1])
    for rollout in again.rollouts(5 * 32):
        again.update(rollout.true_reward)
    final, resumed = states[-1], again.snapshot()
    assert final.keys() == resumed.keys() and "frames/frames" in final
    assert [k for k in final if not np.array_equal(final[k], resumed[k])] == []


def test_acting_takes_stacks_and_gives_actions():
    agent = ppo(Bright(), **settings(policy_kwargs=SMALL))
    acts = agent.act(stack_frames(Bright(3)).reset())
    assert acts.shape == (3,) and set(acts.tolist()) <= {0, 1, 2}


def test_the_lean_ppo_can_be_turned_off(monkeypatch):
    monkeypatch.setitem(sys.modules, "rlhp.agent.fast", None)  # importing it is an error
    agent = ppo(Bright(), fast=False, **settings(policy_kwargs=SMALL, batch_size=32))
    for rollout in islice(agent.rollouts(64), 2):
        agent.update(rollout.true_reward)
    assert type(agent) is BlindPPO
    with pytest.raises(ImportError):
        ppo(Bright(), **settings(policy_kwargs=SMALL))


def chosen(env, settings):
    return choose(env, settings, "float32", 1)[0]


@pytest.mark.parametrize(
    "more, lean",
    [
        ({}, True),
        ({"policy_kwargs": SMALL}, True),
        ({"policy_kwargs": {"optimizer_kwargs": {"eps": 1e-5, "fused": True}}}, True),
        ({"policy": "MlpPolicy"}, False),
        ({"normalise_observations": True}, False),
        ({"target_kl": 0.02}, False),
        ({"clip_range_vf": 0.2}, False),
        ({"policy_kwargs": {"share_features_extractor": False}}, False),
        ({"policy_kwargs": RMSPROP}, False),
    ],
)
def test_the_lean_ppo_is_taken_where_it_does_the_same(more, lean):
    assert chosen(Bright(), {**SETTINGS, **more}) is (FastCnnPPO if lean else BlindPPO)


def test_the_lean_ppo_needs_images_and_discrete_actions():
    vectors, continuous = Bright(), Bright()
    vectors.observation_space, continuous.action_space = spaces.Box(-1, 1, (3,)), spaces.Box(-1, 1, (2,))
    assert chosen(vectors, SETTINGS) is chosen(continuous, SETTINGS) is BlindPPO


def test_what_cannot_be_done_with_frames_is_refused_with_a_sentence():
    with pytest.raises(UserError, match=r"agent\.precision=bfloat16"):
        ppo(Bright(), **settings(target_kl=0.1), precision="bfloat16")
    with pytest.raises(UserError, match="choose auto, float32 or bfloat16"):
        ppo(Bright(), **settings(), precision="float16")
    with pytest.raises(UserError, match="choose auto, cpu or cuda"):
        ppo(Bright(), **settings(), device="gpu")
    with pytest.raises(UserError, match=r"agent\.refit"):
        ppo(Bright(), **settings(), refit=ValueRefit(seed=0))
    with pytest.raises(UserError, match=r"agent\.intrinsic_reward"):
        ppo(Bright(), **settings(), intrinsic_reward=StateEntropy())
    with pytest.raises(UserError, match="this agent reads images"):
        ppo(Bright(stack=1), **settings())  # [36, 36] is no image for SB3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused_and_auto_does_without():
    with pytest.raises(UserError, match="set device to auto or cpu"):
        ppo(Bright(), **settings(), device="cuda")
    assert ppo(Bright(), **settings(policy_kwargs=SMALL), device="auto").device == torch.device("cpu")


class Stop(BaseCallback):
    """Notes what it finds, and ends training in step 20 of each environment."""

    def _on_step(self):
        self.seen = getattr(self, "seen", [])
        self.seen.append((self.num_timesteps, sorted(set(self.locals["actions"].flatten().tolist()) - {0, 1, 2})))
        return self.num_timesteps < 40


def test_callbacks_see_every_step_and_can_end_training():
    stop = Stop()
    agent = ppo(Bright(), **settings(policy_kwargs=SMALL, callback=stop))
    assert type(agent) is FastCnnPPO
    assert len(list(agent.rollouts(100))) == 1  # the second rollout is not finished
    assert stop.seen == [(step, []) for step in range(2, 42, 2)]


def test_a_run_goes_on_in_the_precision_that_it_started_with(tmp_path, monkeypatch):
    """Of the agent as of the reward model, wherever it is `auto`; on another machine too."""
    asked = {"agent": {"precision": "auto", "device": "cpu"}, "reward_model": {"precision": "float32"}}
    monkeypatch.setattr(job, "best_precision", lambda device: f"the best of {device}")
    assert job.with_chosen_precision(asked, tmp_path)["agent"]["precision"] == "the best of cpu"
    unhurried = {**asked, "agent": {**asked["agent"], "fast": False}}
    assert job.with_chosen_precision(unhurried, tmp_path)["agent"]["precision"] == "float32"
    started = {**asked, "agent": {"precision": "bfloat16"}}
    monkeypatch.setattr(job, "begun", lambda path: True)
    monkeypatch.setattr(job, "read_settings", lambda path: started)
    settled = job.with_chosen_precision(asked, tmp_path)
    assert settled["agent"]["precision"] == "bfloat16" and settled["reward_model"] == asked["reward_model"]
