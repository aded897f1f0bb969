"""A run's clips and its policy's episodes as datasets of Minari's, which other people's libraries open."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp import cli, demonstrations
from rlhp.envs import one
from rlhp.store import asked, segments
from rlhp.train import train

TINY = [
    *("env=point", "n_envs=2", "agent.n_steps=64", "agent.batch_size=64", "total_steps=512", "labels=12", "threads=1"),
    *("training_schedule.first_per_1000_steps=4", "memory.capacity=200"),
]


def settings(*overrides: str) -> dict[str, Any]:
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", [*TINY, *overrides]), resolve=True)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "asked"
    train(settings(), path)
    return path


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this machine keeps Minari's datasets."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    return tmp_path / "datasets"


def clips(run: Path) -> list[Any]:
    store = run / "preferences.sqlite"
    return [clip for _, clip in segments(store, dict.fromkeys(name for _, names in asked(store) for name in names))]


def loaded(name: str) -> Any:
    import minari

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert name in minari.list_local_datasets(), "under the name of its place"
        return minari.load_dataset(name)


def test_clips_are_episodes_for_minaris_own_loader(run: Path, there: Path, capsys: Any) -> None:
    """Ten steps of a clip are nine transitions: nobody saw what the last action led to."""
    assert cli.main(["export", str(run), "--minari", str(there / "rlhp" / "point-v0")]) == 0
    whole = clips(run)
    said = capsys.readouterr().out
    assert f"the {len(whole)} clips that asked asked about" in said and "minari calls it rlhp/point-v0" in said
    dataset = loaded("rlhp/point-v0")
    assert dataset.total_episodes == len(whole) > 4 and dataset.total_steps == 9 * len(whole)
    for episode, clip in zip(dataset, whole, strict=True):
        assert np.array_equal(episode.observations, clip.obs) and np.array_equal(episode.actions, clip.act[:9])
        assert np.allclose(episode.rewards, clip.true_reward[:9])
        assert not episode.terminations.any() and episode.truncations.tolist() == [False] * 8 + [True]
    assert dataset.action_space == gymnasium.spaces.Box(-1, 1, (2,), np.float32), "the environment's own"


def test_the_environment_is_recovered_from_what_was_written(run: Path, there: Path) -> None:
    """From clips and from demonstrations; its actions have the rewards that were recorded."""
    assert cli.main(["demonstrate", str(run), "-o", str(there / "shown-v0"), "--episodes", "2"]) == 0
    dataset = loaded("shown-v0")
    env = dataset.recover_environment()
    assert env.spec.max_episode_steps == 50 and env.unwrapped.spec.id == "rlhp/point-v0"
    first, _ = env.reset(seed=7)
    again, _ = env.reset(seed=7)
    assert np.array_equal(first, again) and env.observation_space.contains(first)
    episode = dataset[0]
    env.unwrapped._env._position[0] = episode.observations[0]
    for step, act in enumerate(episode.actions):
        obs, reward, terminated, truncated, _ = env.step(act)
        assert (terminated, truncated) == (False, step == 49)
        assert obs == pytest.approx(episode.observations[step + 1], abs=1e-5)
        assert reward == pytest.approx(episode.rewards[step], abs=1e-5)
    env.close()


def test_one_environment_keeps_gymnasiums_interface() -> None:
    made = one.One({"_target_": "rlhp.envs.point.make", "n_envs": 8, "seed": 3})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_env(made, skip_render_check=True)
    obs, _ = made.reset(seed=5)
    after, reward, *_ = made.step(np.array([1.0, 0.0], np.float32))
    assert after == pytest.approx(obs + np.array([0.1, 0.0])) and reward == pytest.approx(-np.linalg.norm(after), rel=1e-6)
    made.close()


def test_what_was_imported_has_the_spaces_that_it_shows(there: Path, tmp_path: Path, capsys: Any) -> None:
    rng = np.random.default_rng(0)
    obs, act = rng.normal(size=(2, 6, 4, 3)).astype(np.float32), rng.integers(0, 3, (2, 6, 4))
    act[0, 0, 0] = 2
    np.savez(tmp_path / "x.npz", obs_1=obs[0], obs_2=obs[1], action_1=act[0], action_2=act[1], label=np.ones(6))
    assert cli.main(["import", str(tmp_path / "kept"), str(tmp_path / "x.npz")]) == 0
    assert cli.main(["export", str(tmp_path / "kept"), "--minari", str(there / "kept-v0")]) == 0
    assert "their rewards are not known, and written as 0" in capsys.readouterr().out
    dataset = loaded("kept-v0")
    assert dataset.action_space == gymnasium.spaces.Discrete(3) and dataset.env_spec is None
    assert np.array_equal(dataset[1].observations, obs[1, 0]) and not dataset[1].rewards.any()


def test_one_thing_is_written_and_nothing_twice(run: Path, there: Path, capsys: Any) -> None:
    assert cli.main(["export", str(run)]) == 2 and "give either a FILE" in capsys.readouterr().err
    assert cli.main(["export", str(run), str(there / "x.jsonl"), "--minari", str(there)]) == 2
    assert cli.main(["export", str(run), "--minari", str(there / "a-v0")]) == 0
    assert cli.main(["export", str(run), "--minari", str(there / "a-v0")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_dataset_is_called_by_its_place(there: Path, tmp_path: Path) -> None:
    assert demonstrations.dataset_id(there / "rlhp" / "hopper" / "clips-v3") == "rlhp/hopper/clips-v3"
    assert demonstrations.dataset_id(tmp_path / "clips-v3") == "clips-v3"
    assert demonstrations.dataset_id(tmp_path / "my clips") == "my-clips-v0"


@pytest.mark.filterwarnings("ignore")  # d3rlpy's own
def test_d3rlpy_trains_on_them(run: Path, there: Path) -> None:
    """Its own `get_minari` (2.8.1) takes a last observation of each episode for the first one of the next."""
    d3rlpy = pytest.importorskip("d3rlpy")
    assert cli.main(["export", str(run), "--minari", str(there / "point-v0")]) == 0
    episodes = list(loaded("point-v0"))
    data = d3rlpy.dataset.MDPDataset(
        observations=np.concatenate([e.observations[:-1] for e in episodes]),
        actions=np.concatenate([e.actions for e in episodes]),
        rewards=np.concatenate([e.rewards for e in episodes]),
        terminals=np.concatenate([e.terminations for e in episodes]),
        timeouts=np.concatenate([e.truncations for e in episodes]),
    )
    assert data.size() == len(episodes)
    for i, clip in enumerate(clips(run)):
        assert np.array_equal(data.episodes[i].observations, clip.obs[:9]), "none of them is out of step"
    opened, env = d3rlpy.datasets.get_minari("point-v0")
    assert opened.size() == len(episodes) and np.array_equal(opened.episodes[0].observations, clips(run)[0].obs[:9])
    algorithm = d3rlpy.algos.TD3PlusBCConfig(batch_size=16).create(device=False)
    algorithm.fit(data, n_steps=3, n_steps_per_epoch=3, show_progress=False, logger_adapter=d3rlpy.logging.NoopAdapterFactory())
    assert np.isfinite(d3rlpy.metrics.evaluate_qlearning_with_environment(algorithm, env, n_trials=1))
