"""The least that README and CONTRIBUTING ask of a part, for every kind, from a folder outside the package: class and yaml."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from films import decoded

from rlhp.run.record import read_table

PARTS = '''
from contextlib import contextmanager

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv
import gymnasium

from rlhp.types import Answer


class Left:
    """A teacher."""

    def __call__(self, queries, step):
        return {query.id: Answer((0,) + (1,) * (len(query.clips) - 1)) for query in queries}


def first(memory, n, reward, step):
    """A query rule: the first draw."""
    return memory.sample(n, 2, np.random.default_rng(step)) if len(memory) >= 2 else []


class Hoard:
    """A memory without bound, of whole stretches of 5 steps of the first environment."""

    def __init__(self):
        self.clips = []

    heldout = ()

    def __len__(self):
        return len(self.clips)

    def add(self, rollout):
        from rlhp.types import Segment

        for t in range(0, len(rollout.obs) - 4, 5):
            rows = slice(t, t + 5), 0
            self.clips.append(Segment(*(x[rows].copy() for x in (rollout.obs, rollout.act, rollout.true_reward)), None))

    def sample(self, n, clips, rng):
        return [tuple(self.clips[i] for i in rng.choice(len(self.clips), clips, replace=False)) for _ in range(n)]


def two(step):
    """A schedule."""
    return 2 if step < 200 else 3


class Distance:
    """A reward model that knows what it wants."""

    def __init__(self, observation_space, action_space):
        self.fits = 0

    def __call__(self, rollout):
        return -np.abs(rollout.obs).sum(axis=-1).astype(np.float32)

    def predict_members(self, steps):
        return -np.abs(steps.obs).sum(axis=-1)[None]

    def fit(self, evidence, effort):
        self.fits += 1
        return {"fits": float(self.fits)}

    def snapshot(self):
        return {"fits": np.array(self.fits)}

    def restore(self, state):
        self.fits = int(state["fits"])


class Cart(DummyVecEnv):
    """An environment of SB3's kind that cannot be saved."""

    task, horizon = "cart", 500

    def __init__(self, n_envs, seed):
        super().__init__([lambda: gymnasium.make("CartPole-v1")] * n_envs)
        self.seed(seed)

    def states(self):
        return None

    def desynchronise(self, interval=None, fraction=0.0):
        pass


class Slope:
    """What draws the cart: its place, in a row of pixels."""

    fps, dt = 50, 0.02

    def check(self):
        pass

    @contextmanager
    def clip_renderer(self, size):
        yield lambda segment: (self.picture(x, size) for x in segment.obs[:, 0])

    def picture(self, x, size):
        image = np.zeros((size, size, 3), np.uint8)
        image[:, int(size * (x + 2.5) / 5)] = 255
        return image


class Count:
    """A tracker."""

    def __init__(self, file):
        self.file, self.rows = file, 0

    def __call__(self, step, metrics):
        self.rows += 1

    def close(self):
        open(self.file, "w").write(str(self.rows))
'''
YAML = {
    "teacher/left": {"_target_": "own.Left"},
    "query/first": {"_target_": "own.first", "_partial_": True},
    "memory/hoard": {"_target_": "own.Hoard"},
    "schedule/two": {"_target_": "own.two", "_partial_": True},
    "reward_model/distance": {"_target_": "own.Distance", "_partial_": True},
    "tracker/count": {"_target_": "own.Count", "file": "rows.txt"},
    "env/cart": {
        "task": "cart",
        "clip_steps": 5,
        "env": {"_target_": "own.Cart", "n_envs": "${n_envs}", "seed": "${seed}"},
        "film": {"_target_": "own.Slope"},
    },
}
TINY = ["n_envs=2", "threads=1", "agent.n_steps=32", "agent.batch_size=64", "total_steps=320", "labels=3", "clip_steps=5"]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.py").write_text(PARTS)
    for name, content in YAML.items():
        file = folder / "conf" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        header = "# @package _global_\n" if name.startswith("env/") else ""
        file.write_text(header + yaml.safe_dump(content, sort_keys=False))
    return folder


def rlhp(own: Path, *words: str) -> None:
    command, environment = (
        [sys.executable, "-m", "rlhp.cli", *words],
        {**os.environ, "PYTHONPATH": str(own), "OMP_NUM_THREADS": "1"},
    )
    done = subprocess.run(command, env=environment, cwd=own, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def train(own: Path, run: Path, *overrides: str) -> None:
    rlhp(own, "train", "--config-dir", str(own / "conf"), f"hydra.run.dir={run}", *TINY, *overrides)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_minimal_parts_of_every_kind_train_together(own: Path, tmp_path: Path) -> None:
    kinds = [name.replace("/", "=") for name in YAML]
    train(own, tmp_path, *kinds)
    rows = read_table(tmp_path / "metrics.csv")
    assert [int(row["labels"]) for row in rows] == [2, 2, 2, 3, 3] and int(float(rows[-1]["fits"])) == 4
    assert json.loads((tmp_path / "finished.json").read_text())["labels"]["used"] == 3
    assert (own / "rows.txt").read_text() == "5" and rows[-1]["entropy"]
    rlhp(own, "film", str(tmp_path), "-o", str(tmp_path / "policy.mp4"), "--seconds", "0.2")
    frames, _ = decoded(tmp_path / "policy.mp4")
    assert len(frames) == 10 and frames[0].std() > 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [name for name in YAML if not name.startswith("env/")])
def test_a_minimal_part_works_with_ours(name: str, own: Path, tmp_path: Path) -> None:
    train(own, tmp_path, "env=point", name.replace("/", "="))
    assert json.loads((tmp_path / "finished.json").read_text())["labels"]["used"] == 3
