"""Returns of the random policy, the zero of normalised scores. The only module of this package that runs environments."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from gymnasium import spaces

from rlhp.csv_records import read_records, write_records
from rlhp.evaluate import returns
from rlhp.types import Array

EPISODES = 64


def random_returns(env: Any, episodes: int = EPISODES) -> Array:
    """Measure true returns, or scores, of uniformly random actions in a vectorised environment, [episodes]; deterministic."""
    rng, space = np.random.default_rng(0), env.action_space
    if isinstance(space, spaces.Discrete):
        return returns(lambda obs: space.start + rng.integers(space.n, size=len(obs)), env, episodes)
    if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.is_bounded():
        low, high = space.low, space.high
        return returns(lambda obs: rng.uniform(low, high, (len(obs), len(low))), env, episodes)
    drawn = deepcopy(space)  # other code may draw from the space's random stream
    drawn.seed(0)
    return returns(lambda obs: np.stack([drawn.sample() for _ in obs]), env, episodes)


@dataclass(frozen=True, slots=True)
class RandomReturn:
    """A row of random.csv: mean and standard deviation of the returns on one task."""

    env: str
    episodes: int
    mean: Annotated[float, ".3f"]
    std: Annotated[float, ".3f"]


def write_random(envs: Iterable[tuple[str, Any]], path: Path) -> None:
    """Write mean and standard deviation of the `random_returns` of environments, by task, as CSV."""
    measured = [(task, random_returns(env)) for task, env in envs]
    write_records(RandomReturn, path, [RandomReturn(task, EPISODES, found.mean(), found.std()) for task, found in measured])


def read_random(path: Path) -> dict[str, float]:
    """Read task -> mean. Raises UserError if the file is missing or is not such a table."""
    return {row.env: row.mean for row in read_records(RandomReturn, path)}
