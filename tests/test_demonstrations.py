"""Demonstrations: what is recorded is what happened, what is read is what was written, and what cannot be used is said."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from gymnasium import spaces
from minari import MinariDataset

from rlhp import demonstrations
from rlhp.types import Demonstrations, Episode, UserError

ENV = SimpleNamespace(
    task="line", observation_space=spaces.Box(-9, 9, (2,), np.float32), action_space=spaces.Box(-1, 1, (1,), np.float32)
)
FRAMES = SimpleNamespace(
    task="film", observation_space=spaces.Box(0, 255, (4, 4), np.uint8), action_space=spaces.Discrete(3), stack=3
)


def episode(steps, start=0.0, terminated=False):
    obs = np.arange(start, start + 2 * (steps + 1), dtype=np.float32).reshape(steps + 1, 2)
    return Episode(obs, np.linspace(-1, 1, steps, dtype=np.float32)[:, None], np.ones(steps, np.float32), terminated)


def written(folder, *episodes, env=ENV):
    demonstrations.save(folder, Demonstrations(tuple(episodes)), env, description="two of them")
    return folder


def test_what_is_written_is_read(tmp_path):
    one, two = episode(3), episode(2, start=50, terminated=True)
    read = demonstrations.load(written(tmp_path / "expert", one, two), ENV)
    for ours, theirs in zip((one, two), read.episodes, strict=True):
        assert all(np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in ("obs", "act", "true_reward"))
        assert ours.terminated == theirs.terminated
    assert len(demonstrations.load(tmp_path / "expert", ENV, episodes=1).episodes) == 1
    assert read.returns().tolist() == [3, 2]


def test_a_relative_name_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(Path("a") / "b", episode(3))
    assert len(demonstrations.load(Path("a") / "b", ENV).transitions()) == 3 and os.listdir("a") == ["b"]


def test_minari_reads_it(tmp_path):
    dataset = MinariDataset(written(tmp_path / "my expert", episode(3)) / "data")
    assert dataset.total_steps == 3 and dataset.id == "my-expert-v0"
    assert dataset.storage.metadata["description"] == "two of them"
    assert dataset[0].truncations.tolist() == [False, False, True] and not dataset[0].terminations.any()


def test_steps_of_several_episodes_do_not_run_into_each_other():
    steps = Demonstrations((episode(2), episode(1, start=50))).transitions()
    assert steps.obs.tolist() == [[0, 1], [2, 3], [50, 51]] and steps.next_obs.tolist() == [[2, 3], [4, 5], [52, 53]]
    assert len(steps) == 3


def test_frames_are_stacked_as_a_network_sees_them(tmp_path):
    frames = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((4, 4), np.uint8)
    written(tmp_path / "film", Episode(frames, np.array([1, 2]), np.zeros(2, np.float32)), env=FRAMES)
    steps = demonstrations.load(tmp_path / "film", FRAMES).transitions()
    assert steps.obs[:, :, 0, 0].tolist() == [[0, 0, 0], [0, 0, 1]]  # the first frame stands for those before it
    assert steps.next_obs[:, :, 0, 0].tolist() == [[0, 0, 1], [0, 1, 2]]
    assert steps.act.tolist() == [1, 2] and steps.obs.dtype == np.uint8


def test_a_dataset_of_this_machines_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    written(tmp_path / "line" / "expert-v0", episode(2))
    assert len(demonstrations.load("line/expert-v0", ENV).transitions()) == 2


def other(**changes):
    return SimpleNamespace(**{**vars(ENV), **changes})


@pytest.mark.parametrize(
    ("env", "words"),
    [
        (other(task="plane"), "are for env=line"),
        (other(observation_space=spaces.Box(-9, 9, (3,), np.float32)), r"Box\(2,\) of float32.*env=line is Box\(3,\)"),
        (other(action_space=spaces.Discrete(2)), r"action_space .*Discrete\(2\)"),
    ],
)
def test_demonstrations_of_something_else_are_refused(tmp_path, env, words):
    written(tmp_path / "expert", episode(3))
    with pytest.raises(UserError, match=words):
        demonstrations.load(tmp_path / "expert", env)


def test_files_that_cannot_be_used_get_a_sentence(tmp_path):
    with pytest.raises(UserError, match="no demonstrations nowhere"):
        demonstrations.load("nowhere", ENV)
    with pytest.raises(UserError, match="have no episodes"):
        demonstrations.load(written(tmp_path / "empty"), ENV)
    with pytest.raises(UserError, match="have 1; choose 1 to 1"):
        demonstrations.load(written(tmp_path / "one", episode(3)), ENV, episodes=2)
    broken = episode(3)
    broken.obs[1, 0] = np.nan
    with pytest.raises(UserError, match=r"observations of .* not finite"):
        demonstrations.load(written(tmp_path / "nan", broken), ENV)
    with pytest.raises(UserError, match="exists already"):
        written(tmp_path / "nan", episode(3))


def test_actions_that_the_environment_does_not_take_are_refused(tmp_path):
    narrow = other(action_space=spaces.Box(-0.4, 0.4, (1,), np.float32))
    with pytest.raises(UserError, match=r"range from -1 to 1, beyond those of env=line, -0\.4 to 0\.4"):
        demonstrations.load(written(tmp_path / "wide", episode(3)), narrow)
    for actions, choices in (([1, 3], spaces.Discrete(3)), ([0, 2], spaces.Discrete(3, start=1))):
        env = other(action_space=choices)
        wrong = Episode(episode(2).obs, np.array(actions), np.zeros(2, np.float32))
        folder = written(tmp_path / f"{actions}", wrong, env=env)
        with pytest.raises(UserError, match=rf"range from {actions[0]} to {actions[1]}, beyond"):
            demonstrations.load(folder, env)


def test_damaged_files_get_a_sentence(tmp_path):
    folder = written(tmp_path / "expert", episode(3))
    (folder / "data" / "main_data.hdf5").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"damaged|cannot be read"):
        demonstrations.load(folder, ENV)
    folder = written(tmp_path / "meta", episode(3))
    (folder / "data" / "metadata.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        demonstrations.load(folder, ENV)
    folder = written(tmp_path / "short", episode(3))
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        group = file["episode_0"]
        kept = group["observations"][:2]
        del group["observations"]
        group["observations"] = kept
    with pytest.raises(UserError, match="2 observations and 3 actions"):
        demonstrations.load(folder, ENV)
    assert json.loads((folder / "data" / "metadata.json").read_text())["rlhp_task"] == "line"


class Line:
    """Two environments that count their steps; the first ends after 2, the second is cut by time after 3."""

    task, num_envs, stack = "line", 2, 1
    observation_space, action_space = ENV.observation_space, ENV.action_space

    def reset(self):
        self.at = np.zeros(2)
        return self._seen()

    def _seen(self):
        return np.stack([self.at, -self.at], axis=1).astype(np.float32)

    def step(self, act):
        self.at += 1
        done = self.at == np.array([2, 3])
        infos = [{"terminal_observation": self._seen()[i], "TimeLimit.truncated": i == 1} if done[i] else {} for i in range(2)]
        self.at[done] = 0
        return self._seen(), act[:, 0], done, infos


def test_the_first_episode_of_each_environment_is_recorded():
    recorded = demonstrations.record(lambda obs: obs[:, :1] / 10, Line(), max_steps=10)
    short, long = recorded.episodes
    assert short.obs[:, 0].tolist() == [0, 1, 2] and long.obs[:, 0].tolist() == [0, 1, 2, 3]
    assert np.allclose(long.act[:, 0], [0, 0.1, 0.2]) and np.allclose(recorded.returns(), [0.1, 0.3])
    assert short.terminated and not long.terminated
    with pytest.raises(UserError, match="does not end within 2 steps"):
        demonstrations.record(lambda obs: obs[:, :1], Line(), max_steps=2)
