"""The random policy, which is where returns are counted from. It alone of this package runs environments."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from rlhp.analysis.runs import text
from rlhp.analysis.tables import write_csv
from rlhp.evaluate import returns
from rlhp.types import Array, UserError

EPISODES = 64


def random_returns(env: Any, episodes: int = EPISODES) -> Array:
    """True returns, or scores, [episodes] of uniformly random actions in a vectorised environment; the same for the same seed."""
    rng, space = np.random.default_rng(0), env.action_space
    if isinstance(space, spaces.Discrete):
        return returns(lambda obs: space.start + rng.integers(space.n, size=len(obs)), env, episodes)
    if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.is_bounded():
        low, high = space.low, space.high
        return returns(lambda obs: rng.uniform(low, high, (len(obs), len(low))), env, episodes)
    drawn = deepcopy(space)  # whose own random stream others may draw from
    drawn.seed(0)
    return returns(lambda obs: np.stack([drawn.sample() for _ in obs]), env, episodes)


def write_random(envs: Iterable[tuple[str, Any]], path: Path) -> None:
    """Mean and standard deviation of the `random_returns` of environments named by their tasks, as CSV."""
    measured = {task: random_returns(env) for task, env in envs}
    rows = [(task, EPISODES, f"{values.mean():.3f}", f"{values.std():.3f}") for task, values in measured.items()]
    write_csv(path, ("env", "episodes", "mean", "std"), rows)


def read_random(path: Path) -> dict[str, float]:
    """Task -> mean. Raises UserError where the file is missing or is no such table."""
    try:
        return {row["env"]: float(row["mean"]) for row in csv.DictReader(text(path).splitlines())}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a table of random returns: its columns are env,episodes,mean,std.") from error
