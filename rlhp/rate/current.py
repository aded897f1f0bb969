"""The newest policies of runs, represented by new clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from rlhp import evaluate, report, train
from rlhp.rate.games import Player
from rlhp.run import read_settings
from rlhp.types import Segment, UserError, make_rng

EPISODE = 1000  # steps, if the environment has no time limit
LONGEST = 100  # maximum number of episodes to take clips from
# settings of the environment that do not belong to the task
OF_THE_RUN = {"n_envs", "seed", "threads", "workers", "clone", "film", "watched", "filmed", "film_size"}


def players(runs: Mapping[str, Path], clips: int, seed: int) -> Sequence[Player]:
    """Load the newest checkpoint of each run, with a number of clips of its policy that are as long as the first run's clips.

    Raises UserError if the runs have different tasks, or one has no checkpoint.
    """
    settings = {name: read_settings(run) for name, run in runs.items()}
    (first, task), *others = ((name, _task(each)) for name, each in settings.items())
    for name, other in others:
        if other != task:
            raise UserError(f"{first} and {name} have different tasks or task settings; rate runs that share env and env.*.")
    length = int(settings[first]["clip_steps"])
    return [Player(name, tuple(_clips(train.load(run), clips, length, seed))) for name, run in runs.items()]


def _task(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings["env"].items() if key not in OF_THE_RUN}


def _clips(trained: train.Trained, number: int, length: int, seed: int) -> list[Segment]:
    """Draw clips at random from whole episodes. They hold only the true reward, which scripted teachers judge by."""
    env = trained.make_env(8, seed)
    try:
        horizon = env.horizon or EPISODE
        if length > horizon:
            raise UserError(
                f"clips of {length} steps are longer than an episode of {horizon}; rate runs with a smaller clip_steps."
            )
        policy, _ = report.acting(trained, env, seed)
        found = list[Segment]()
        for step, clips in zip(count(1), _stretches(policy, env, length), strict=False):
            found += clips
            if step % horizon == 0 and (len(found) >= number or step >= LONGEST * horizon):
                break
    finally:
        env.close()
    if len(found) < number:
        raise UserError(f"episodes are too short for {number} clips of {length} steps; lower --games.")
    return [found[i] for i in make_rng(seed, "clips").choice(len(found), number, replace=False)]


def _stretches(policy: evaluate.Policy, env: Any, length: int) -> Iterator[list[Segment]]:
    """Yield the clips completed at each step of all environments; no clip crosses a reset."""
    rewards: list[list[float]] = [[] for _ in range(env.num_envs)]
    obs = env.reset()
    while True:
        obs, reward, dones, infos = env.step(policy(obs))
        completed = list[Segment]()
        for i, current in enumerate(rewards):
            current.append(float(reward[i]))
            if len(current) == length:
                completed.append(_clip(current))
            if len(current) == length or dones[i] or infos[i].get("cut"):
                rewards[i] = []
        yield completed


def _clip(rewards: list[float]) -> Segment:
    empty = np.zeros((len(rewards), 0), np.float32)
    return Segment(empty, empty, np.array(rewards, np.float32), None)
