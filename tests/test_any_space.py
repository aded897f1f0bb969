"""Agents, reward models and commands on any observations and actions."""

from pathlib import Path

import comparing
import minari
import numpy as np
import odd_envs
import pytest
import torch
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from test_odd_envs import ROUNDS, N, T, settings

from rlhp import demonstrations, evaluate, report
from rlhp.agent import BlindPPO, actions, by_observation
from rlhp.agent.build import make as make_agent
from rlhp.agent.fast import FastCnnPPO
from rlhp.agent.normalise import ObservationNormaliser
from rlhp.demonstrations.reading import check_taken
from rlhp.envs import gym
from rlhp.envs.gym import observation
from rlhp.memory import Recent
from rlhp.preference import CrossEntropy
from rlhp.reward import NoRegularisation, parts_ensemble
from rlhp.reward import by_observation as reward_by_observation
from rlhp.reward.features import action_width, between_clip_variance, encode_actions
from rlhp.run import RunDirectory
from rlhp.run.record import read_table
from rlhp.store.codec import decode, encode
from rlhp.train import build, load, train
from rlhp.types import Evidence, ImagesAndVector, Rollout, Steps, UserError, stack

TABLE = spaces.MultiDiscrete([[3, 4], [2, 2]], start=[[-1, 0], [0, 5]])
CAMERA = ImagesAndVector([spaces.Box(0, 255, (3, 12, 12), np.uint8)], 3)


def made(name: str, n_envs: int = 2, **more) -> gym.GymVecEnv:
    return gym.make(f"odd_envs:{name}-v0", n_envs, 0, **more)


# Actions


@pytest.mark.parametrize(
    ("space", "policys", "chosen", "executed"),
    [
        (TABLE, spaces.MultiDiscrete([3, 4, 2, 2]), [[0, 3, 1, 0]], [[[-1, 3], [1, 5]]]),
        (spaces.MultiBinary([2, 2]), spaces.MultiBinary(4), [[1.0, 0.0, 0.0, 1.0]], [[[1, 0], [0, 1]]]),
        (spaces.MultiDiscrete([3, 4]), spaces.MultiDiscrete([3, 4]), [[2, 3]], [[2, 3]]),
    ],
)
def test_actions_are_translated_and_back(space, policys, chosen, executed):
    translated = actions.of(space)
    assert translated.space == policys
    done = translated.executed(np.array(chosen))
    assert np.array_equal(done, executed) and done.dtype == space.dtype and all(space.contains(act) for act in done)
    assert np.array_equal(translated.chosen(done), chosen) and translated.chosen(done).dtype == np.float32


@pytest.mark.parametrize(
    ("space", "act", "encoded"),
    [
        (TABLE, [[[-1, 3], [1, 5]]], [[1, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0]]),
        (spaces.MultiDiscrete([3, 2]), [[2, 0], [0, 1]], [[0, 0, 1, 1, 0], [1, 0, 0, 0, 1]]),
        (spaces.MultiBinary([2, 2]), [[[1, 0], [0, 1]]], [[1, 0, 0, 1]]),
        (spaces.Discrete(3, start=-1), [-1, 1], [[1, 0, 0], [0, 0, 1]]),
        (spaces.Box(-1, 1, (2, 1)), [[[0.5], [-1]]], [[0.5, -1]]),
    ],
)
def test_a_reward_model_reads_actions_one_hot(space, act, encoded):
    act = np.array(act, space.dtype)
    assert encode_actions(act, space).tolist() == encoded and action_width(space) == len(encoded[0])
    assert encode_actions(np.stack([act, act]), space).tolist() == [encoded, encoded]


def test_a_space_of_actions_that_it_cannot_read_is_refused():
    with pytest.raises(UserError, match="reads actions of a Box, Discrete, MultiDiscrete or MultiBinary, not Dict"):
        action_width(spaces.Dict())


@pytest.mark.parametrize("name", ["MultiTable", "MultiBinTable", "BoxTable"])
def test_the_environment_executes_what_is_recorded(name):
    env = made(name, 4)
    agent = make_agent(BlindPPO, env, gamma=0.9, n_steps=16, batch_size=32, n_epochs=1, seed=0)
    odd_envs.EXECUTED.clear()
    rollout = next(agent.rollouts(64))
    assert np.array_equal(rollout.act, np.reshape(odd_envs.EXECUTED, rollout.act.shape).astype(rollout.act.dtype))
    assert all(env.action_space.contains(act) for act in rollout.act.reshape(-1, *env.action_space.shape))
    assert all(env.action_space.contains(act) for act in agent.act(env.reset(), deterministic=False))


@pytest.mark.parametrize("name", ["MultiTable", "MultiBinTable"])
def test_a_frozen_policy_knows_how_likely_an_action_was(name):
    env, how = made(name, 4), {"n_steps": 16, "batch_size": 32, "n_epochs": 1, "seed": 0}
    agent = make_agent(BlindPPO, env, gamma=0.9, normalise_observations=False, **how)
    rollout, behaviour = next(agent.rollouts(64)), agent.behaviour()
    again = behaviour.policy.log_prob(behaviour.steps.obs, behaviour.steps.act)
    assert np.allclose(again, behaviour.log_prob, atol=1e-5) and rollout.log_prob is not None and again.std() > 0
    drawn = agent.rollout_buffer.actions.reshape(64, -1)
    assert np.allclose(behaviour.policy.log_prob_of_chosen(behaviour.steps.obs, drawn), behaviour.log_prob, atol=1e-5)


# Observations that a policy sees


def test_a_vector_beside_images_is_normalised_and_images_are_left():
    env = made("Camera", 4)
    space = env.observation_space
    normaliser = ObservationNormaliser(env)
    raw = [normaliser.reset(), *(normaliser.step(np.full((4, 1), i / 30, np.float32))[0] for i in range(30))]
    last = normaliser.old_obs
    assert np.array_equal(raw[-1][:, :768], last[:, :768])
    seen = np.concatenate([space.vector(normaliser.old_obs)[:, :3]])
    assert set(seen.ravel().tolist()) == {0.0, 1.0}  # one-hot
    mean, var = normaliser.obs_rms.mean, normaliser.obs_rms.var
    expected = ((space.vector(last) - mean) / np.sqrt(var + 1e-8)).clip(-10, 10)
    assert np.allclose(space.vector(raw[-1]), expected, atol=1e-5) and 0 < mean[4] < 0.3


@pytest.mark.parametrize("name", ["Whole", "Ram"])
def test_whole_numbers_are_not_rounded_once_they_are_normalised(name):
    agent = make_agent(BlindPPO, made(name), gamma=0.9, n_steps=32, batch_size=32, n_epochs=1, seed=0)
    next(agent.rollouts(64))
    seen = agent.rollout_buffer.observations
    assert seen.dtype == np.float32 and np.any(seen % 1 != 0)


@pytest.mark.parametrize("name", ["Image", "Camera", "Grey", "Dict", "Plain", "Real"])
def test_networks_see_the_newest_observations_together(name, tmp_path):
    train(settings(name, "preferences", "env.stack=2"), tmp_path)
    assert (tmp_path / "finished.json").exists()
    trained = load(tmp_path)
    assert trained.make_env(1, 0).observation_space.shape[0] == 2
    assert np.isfinite(evaluate.returns(trained.policy, trained.make_env(1, 0), 1)).all()


def test_a_number_among_bytes_that_is_not_finite_is_found(monkeypatch):
    monkeypatch.setitem(odd_envs.OBSERVED, "Camera", (odd_envs.OBSERVED["Camera"][0], broken))
    agent = make_agent(BlindPPO, made("Camera"), gamma=0.9, n_steps=32, batch_size=32, n_epochs=1, seed=0)
    with pytest.raises(UserError, match="environment 0 of odd_envs:Camera-v0 returned nan as its observation"):
        next(agent.rollouts(64))


def broken(x, t):
    return {"camera": odd_envs.picture(x, 16, 16, 3), "mode": 0, "speed": np.array([x, np.nan if t == 9 else 0, 1], np.float32)}


# Networks by what is observed


def composed_agent(name: str, *more: str):
    parts = build(settings(name, "preferences", *more))
    parts.env.close()
    return parts


@pytest.mark.parametrize(
    ("name", "rate", "normalises", "network"),
    [
        ("Plain", 0.001, True, "FlattenExtractor"),
        ("Dict", 0.001, True, "FlattenExtractor"),
        ("Image", 0.00025, True, "ImageEncoder"),
        ("Screen", 0.00025, False, "ImageEncoder"),
        ("Camera", 0.00025, True, "PartsEncoder"),
    ],
)
def test_settings_and_networks_suit_what_is_observed(name, rate, normalises, network):
    agent = composed_agent(name).agent
    assert agent.lr_schedule(1) == rate and (agent.get_vec_normalize_env() is not None) == normalises
    assert type(agent.policy.features_extractor).__name__ == network


@pytest.mark.parametrize("name", ["Plain", "Image", "Camera"])
def test_what_the_user_sets_holds_whatever_is_observed(name):
    more = ["agent.learning_rate.start=0.5", "agent.n_epochs=7", "agent.policy_kwargs.net_arch=[9]", "agent.clip_range=0.3"]
    agent = composed_agent(name, *more, "reward_model.learning_rate=0.25").agent
    assert agent.lr_schedule(1) == 0.5 and agent.n_epochs == 7 and agent.clip_range(1) == 0.3
    assert [layer.out_features for layer in agent.policy.mlp_extractor.policy_net if hasattr(layer, "out_features")] == [9]


@pytest.mark.parametrize("name", ["Image", "Camera"])
def test_whoever_names_an_agent_gets_that_one(name):
    agent = composed_agent(name, "agent=ppo").agent
    assert agent.lr_schedule(1) == 0.001 and agent.get_vec_normalize_env() is not None and not agent.chosen


def test_images_and_choices_are_learned_by_the_lean_algorithm():
    assert isinstance(composed_agent("ScreenDisc").agent, FastCnnPPO)


@pytest.mark.parametrize(("name", "network"), [("Plain", "MLP"), ("Image", "CNN"), ("Camera", "Parts"), ("Board", "MLP")])
def test_a_reward_model_suits_what_is_observed(name, network):
    assert type(composed_agent(name).reward._model._network).__name__ == network


def test_a_reward_model_for_vectors_refuses_images_beside_one():
    with pytest.raises(UserError, match=r"observations also have images; choose reward_model=by_observation"):
        composed_agent("Camera", "reward_model=ensemble_mlp")


def test_a_network_that_is_too_large_for_an_image_is_said():
    with pytest.raises(UserError, match="cannot be built with these settings"):
        composed_agent("Image", "agent=ppo_atari", "agent.batch_size=32")


def test_exploring_measures_no_distances_between_pixels():
    with pytest.raises(UserError, match=r"agent\.intrinsic_reward measures distances between states"):
        composed_agent("Camera", "agent/intrinsic_reward=state_entropy")


def test_the_functions_can_be_called_without_settings_files():
    env = made("Camera")
    given = {"precision": "float32", "threads": 1, "gamma": 0.9, "batch_size": 16}
    agent = by_observation(env, vectors={}, images={}, parts={"n_steps": 8}, **given)
    fitting = {"loss": CrossEntropy(), "regulariser": NoRegularisation()}
    model = reward_by_observation(
        env.observation_space,
        env.action_space,
        vectors={},
        images={},
        parts={},
        hidden=[8],
        input_scaling=between_clip_variance,
        **fitting,
    )
    assert agent.n_steps == 8 and "3 x 3" in model.chosen


# A reward learned from one part alone


def clips(n: int, which: str, seed: int, length: int = 4) -> Steps:
    """Clips whose reward is where a column of an image is, or a number of the vector; the other means nothing."""
    rng = np.random.default_rng(seed)
    column, vector = rng.integers(0, 12, n), rng.normal(size=(n, 3)).astype(np.float32)
    images = np.zeros((n, 3, 12, 12), np.uint8)
    images[np.arange(n), :, :, column] = 200
    obs = np.stack([CAMERA.pack([image], row) for image, row in zip(images, vector, strict=True)])
    reward = {"image": column / 12, "vector": vector[:, 1]}[which]
    repeat = [np.repeat(x[:, np.newaxis], length, axis=1) for x in (obs, rng.integers(0, 3, n), reward.astype(np.float32))]
    return Steps(*repeat)


def fitted(which: str, steps: int, **more):
    data, n = clips(256, which, 0), 128
    mu = (data.true_reward.sum(axis=1)[:n] > data.true_reward.sum(axis=1)[n:]).astype(np.float32)
    model = new(**more)
    model.fit(Evidence(comparing.comparisons(data[:n], data[n:], mu)), steps)
    return model


def new(**more):
    common = {"layers": [[8, 3, 2], [8, 3, 1]], "members": 2, "units": 32, "hidden": (32,), "seed": 0, **more}
    return parts_ensemble(
        CAMERA,
        spaces.Discrete(3),
        loss=CrossEntropy(),
        regulariser=NoRegularisation(),
        learning_rate=3e-3,
        batch_size=32,
        **common,
    )


def share_of_pairs_in_order(model, held: Steps) -> float:
    predicted, true = model.predict_members(held).mean(axis=0).sum(axis=1), held.true_reward.sum(axis=1)
    i, j = np.nonzero(true[:, np.newaxis] > true)
    return float((predicted[i] > predicted[j]).mean())


@pytest.mark.parametrize("which", ["image", "vector"])
def test_clips_nobody_compared_are_ranked_right_where_one_part_alone_tells(which):
    held = clips(60, which, 1)
    assert share_of_pairs_in_order(fitted(which, 80), held) > 0.85
    assert share_of_pairs_in_order(new(), held) < 0.6


def test_the_sums_of_clips_and_their_gradient_are_those_of_predictions():
    model, held = fitted("image", 3), clips(3, "image", 2)
    network = model._network
    network._averaged.copy_(network.flat)
    x = network.prepare(held.obs, held.act)
    sums = network.clip_sums(x, 0)
    assert torch.allclose(sums, network.predict(x).sum(dim=2), atol=1e-5)
    into = torch.randn(sums.shape)
    network.backward(into)
    step = 1e-3 * network.flat.grad / network.flat.grad.norm()
    expected = 1e-3 * network.flat.grad.norm()
    network.flat.add_(step / 2)
    above = (into * network.clip_sums(x, 0)).sum()
    network.flat.sub_(step)
    assert torch.isclose(above - (into * network.clip_sums(x, 0)).sum(), expected, rtol=0.05)


def test_a_restored_model_predicts_and_learns_the_same():
    model, other, held = fitted("vector", 5), new(), clips(8, "vector", 2)
    other.restore(model.snapshot())
    assert np.array_equal(model.predict_members(held), other.predict_members(held))


def test_the_number_of_threads_does_not_change_the_numbers():
    held = clips(8, "image", 2)
    assert np.array_equal(fitted("image", 4).predict_members(held), fitted("image", 4, threads=2).predict_members(held))


# Everything that keeps, stores and goes on


def test_a_clip_of_parts_is_kept_deflated_stored_and_restored():
    env = made("Camera")
    agent = make_agent(BlindPPO, env, gamma=0.9, n_steps=32, batch_size=32, n_epochs=1, seed=0)
    rollout, memory = next(agent.rollouts(64)), Recent(16, 10, 0)
    memory.add(rollout)
    clip = memory.clips[0]
    stored = decode(*encode(clip))
    assert np.array_equal(stored.obs, clip.obs) and clip.obs.dtype == np.uint8 and clip.obs.shape[0] == 16
    twin = Recent(16, 10, 0)
    twin.restore(memory.snapshot())
    assert all(np.array_equal(a.obs, b.obs) for a, b in zip(twin.clips, memory.clips, strict=True))
    assert len(clip.packed_obs.data) < clip.obs.nbytes / 3  # pyright: ignore


@pytest.mark.parametrize("name", ["Camera", "Image", "MultiBin", "Nested"])
def test_a_restored_agent_and_reward_go_on_as_they_were(name):
    cfg = settings(name, "preferences")
    parts, again = build(cfg), build(cfg)
    for rollout in parts.agent.rollouts(64):
        parts.agent.update(rollout.true_reward)
    again.agent.restore_policy(parts.agent.snapshot())
    obs = parts.env.reset()
    assert np.array_equal(parts.agent.act(obs), again.agent.act(obs))
    saved = parts.agent.snapshot()
    fresh = build(cfg).agent
    fresh.restore(saved)
    kept = fresh.snapshot()
    assert all(
        np.array_equal(kept[key], value)
        for key, value in saved.items()
        if not key.startswith(("recorder", "frames", "self/last"))
    )
    clips_of = stack([rollout.clip(8 * i, 0, 8) for i in range(4)])
    question = comparing.comparisons(clips_of[:2], clips_of[2:], np.ones(2, np.float32))
    parts.reward.begin(Evidence(question), 3)
    parts.reward.fitted()
    again.reward.restore(parts.reward.snapshot())
    assert np.array_equal(parts.reward(rollout), again.reward(rollout)) and isinstance(rollout, Rollout)


@pytest.fixture(scope="module", params=["CameraMultiDisc", "Dict"])
def run(request, tmp_path_factory) -> Path:
    """A run on such a task."""
    path = tmp_path_factory.mktemp("run")
    train(settings(request.param, "true_reward"), path)
    return path


def name_of(run: Path) -> str:
    return load(run).settings["env"]["id"].removeprefix("odd_envs:").removesuffix("-v0")


def test_it_is_evaluated_demonstrated_and_cloned(run, tmp_path):
    assert "over 2 episodes" in report.returns(run, 2, 0)
    report.demonstrate(run, tmp_path / "demos", episodes=2, best_of=None, seed=0, max_steps=100)
    more = [f"demos={tmp_path / 'demos'}", "total_steps=20", "loop.evaluate_every=10", "loop.evaluate_episodes=1"]
    train(settings(name_of(run), "cloning", *more), tmp_path / "clone")
    rows = read_table(tmp_path / "clone" / "metrics.csv")
    assert rows[-1]["valid_loss"] and rows[-1]["true_return"]


def test_it_is_labelled_by_an_expert(run, tmp_path):
    more = [f"expert={run}", "total_steps=64", "loop.steps=64", "loop.fit_steps=20", "loop.evaluate_episodes=1"]
    train(settings(name_of(run), "dagger", *more), tmp_path)
    assert read_table(tmp_path / "metrics.csv")[-1]["expert_error"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("MultiDisc", [0, 4]), ("MultiDisc", [-1, 0]), ("MultiBin", [0, 2, 0, 0]), ("MultiTable", [[-1, 3], [2, 5]])],
)
def test_demonstrated_actions_that_the_environment_does_not_take_are_refused(name, wrong):
    env = made(name, 1)
    check_taken(np.stack([env.action_space.sample() for _ in range(9)]), "theirs", env)
    with pytest.raises(UserError, match="beyond those of env"):
        check_taken(np.array([wrong]), "theirs", env)


# Wrappers of one's own


def test_wrappers_are_put_around_in_order():
    twice = [{"odd_envs.Reversed": {"factor": 0.5}}, "odd_envs:Reversed"]
    env, plain = made("Plain", 1, wrappers=twice), made("Plain", 1)
    env.reset(), plain.reset()
    there = [e.step(np.ones((1, 1), np.float32))[1] for e in (env, plain)]
    assert there[0] == pytest.approx(there[1] - 0.05, abs=1e-6)  # half as far
    assert made("Image", 1, wrappers=["gymnasium.wrappers:GrayscaleObservation"]).observation_space.shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("wrappers", "sentence"),
    [
        (["nowhere:Thing"], "no module nowhere; set PYTHONPATH"),
        (["odd_envs:Reverse"], "has no class Reverse; the nearest are Reversed"),
        (["Reversed"], "module:Class"),
        ([3], "module:Class"),
        ("odd_envs:Reversed", "a list of them"),
        (
            [{"odd_envs.Reversed": {"speed": 2}}],
            r"Reversed in env\.wrappers cannot be called with an environment, speed: .*speed",
        ),
        ([{"a.B": {}, "c.D": {}}], "module.Class: {keyword: value}"),
        (["builtins:dict"], "cannot be called with an environment: |makes a dict"),
    ],
)
def test_wrappers_that_are_none_are_refused(wrappers, sentence):
    with pytest.raises(UserError, match=sentence):
        made("Plain", 1, wrappers=wrappers)


@pytest.mark.parametrize("name", ["Dict", "Tuple", "Nested", "Camera", "Cell"])
def test_demonstrations_of_somebody_else_have_their_own_structure(name, tmp_path):
    """A dataset of Minari's holds dicts and tuples; it is read as the environment is observed here."""
    space, seen = odd_envs.OBSERVED[name]
    data = tmp_path / "demos" / "data"
    data.mkdir(parents=True)
    storage = MinariStorage.new(data, space, odd_envs.Line.action_space)
    storage.update_metadata({"dataset_id": "theirs-v0", "minari_version": minari.__version__})
    storage.update_episodes([recorded_by_them([seen(0.5 * t, t) for t in range(4)])])
    env = made(name, 1)
    (episode,) = demonstrations.load(tmp_path / "demos", env).episodes
    reading = observation.read(space)
    assert reading is not None and np.array_equal(episode.obs, [reading.array(seen(0.5 * t, t)) for t in range(4)])


def recorded_by_them(observations):
    buffer = EpisodeBuffer(
        observations=columns(observations),
        actions=np.zeros((3, 1), np.float32),
        rewards=[0.0] * 3,
        terminations=[False] * 3,
        truncations=[False, False, True],
    )
    return buffer


def columns(rows):
    if isinstance(rows[0], dict):
        return {key: columns([row[key] for row in rows]) for key in rows[0]}
    return tuple(columns(list(part)) for part in zip(*rows, strict=True)) if isinstance(rows[0], tuple) else np.stack(rows)


@pytest.mark.parametrize("name", ["CameraMultiDisc", "ImageDisc", "Nested", "MultiBin"])
def test_a_run_that_was_killed_ends_with_the_numbers_of_one_that_was_not(name, tmp_path, monkeypatch):
    cfg = settings(name, "preferences", "env.clone=true", f"checkpoint_every={N * T}", "env.stack=2")
    train(cfg, tmp_path / "whole")
    tick = RunDirectory.end_step

    def die(self, step):
        if step == ROUNDS * N * T:
            raise KeyboardInterrupt
        tick(self, step)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunDirectory, "end_step", die)
        train(cfg, tmp_path / "killed")
    train(cfg, tmp_path / "killed")
    for table in ("metrics.csv", "heldout.csv"):
        assert (tmp_path / "killed" / table).read_bytes() == (tmp_path / "whole" / table).read_bytes()
