"""The untrained random policy, which is where returns are counted from. It alone of this package runs a simulator."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rlhp.analysis.runs import text
from rlhp.analysis.tables import write_csv
from rlhp.envs import mujoco
from rlhp.evaluate import returns
from rlhp.types import Array, UserError

EPISODES = 64


def random_returns(task: str) -> Array:
    """True returns [64] of uniformly random actions, an episode each; the same every time."""
    rng = np.random.default_rng(0)
    env = mujoco.make(task, n_envs=EPISODES, seed=0)
    low, high = env.action_space.low, env.action_space.high  # pyright: ignore[reportAttributeAccessIssue]
    return returns(lambda obs: rng.uniform(low, high, (len(obs), len(low))), env, EPISODES)


def write_random(tasks: Iterable[str], path: Path) -> None:
    """Mean and standard deviation of each task's `random_returns`, as CSV."""
    measured = {task: random_returns(task) for task in tasks}
    rows = [(task, EPISODES, f"{values.mean():.3f}", f"{values.std():.3f}") for task, values in measured.items()]
    write_csv(path, ("env", "episodes", "mean", "std"), rows)


def read_random(path: Path) -> dict[str, float]:
    """Task -> mean. Raises UserError where the file is missing or is no such table."""
    try:
        return {row["env"]: float(row["mean"]) for row in csv.DictReader(text(path).splitlines())}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a table of random returns: its columns are env,episodes,mean,std.") from error
