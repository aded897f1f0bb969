"""Reads episodes from Minari datasets, and checks that they match an environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from minari import MinariDataset
from minari.storage import get_dataset_path

from rlhp.demonstrations.spaces import alike, described, limits, observations, of_source
from rlhp.types import Array, Demonstrations, Episode, ImagesAndVector, UserError

TASK = "rlhp_task"  # the metadata entry for the task in datasets written by rlhp
DATA, METADATA = "data", "metadata.json"  # the data folder within a dataset's folder, and the file that counts its episodes
SLACK = 1e-5  # tolerance for actions that rounding moves beyond a bound


def load(source: str | Path, env: Any, episodes: int | None = None) -> Demonstrations:
    """Load the first `episodes` (None: all) of the dataset in a folder, or of the local Minari dataset with that name.

    `env` is the environment that the demonstrations have to match. Raises UserError if there is no such dataset, if it is empty
    or damaged, if it belongs to another task or has other spaces, and if it contains numbers that are not finite or actions
    outside the action space of `env`.
    """
    dataset = opened(str(source))
    check_task(dataset, source, env)
    count = len(dataset.episode_indices)
    if count < 1:
        raise UserError(f"the demonstrations {source} have no episodes; record some with rlhp demonstrate.")
    if episodes is not None and not 1 <= episodes <= count:
        raise UserError(f"episodes={episodes}, but the demonstrations {source} have {count}; choose 1 to {count}.")
    read = tuple(_episode(each, dataset.observation_space, source, env) for each in _some(dataset, episodes, source))
    return Demonstrations(read, getattr(env, "stack", 1))


def _some(dataset: MinariDataset, episodes: int | None, source: str | Path) -> Iterator[Any]:
    try:
        yield from dataset.iterate_episodes(dataset.episode_indices[:episodes])
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"the demonstrations {source} are damaged ({_line(error)}); record them again.") from error


def opened(source: str) -> MinariDataset:
    """The dataset in this folder, or the local one with this name. Raises UserError if there is none, or it is damaged."""
    for folder in (Path(source) / DATA, Path(source), get_dataset_path() / source / DATA):
        if (folder / METADATA).is_file():
            try:
                return MinariDataset(folder)
            except Exception as error:  # h5py and json raise various errors for damaged files
                raise UserError(f"the demonstrations {source} cannot be read ({_line(error)}); record them again.") from error
    raise UserError(
        f"there are no demonstrations {source}: give a folder that rlhp demonstrate has written, or a dataset that minari list "
        "local shows; minari download fetches others."
    )


def check_task(dataset: MinariDataset, source: str | Path, env: Any) -> None:
    """Raises UserError if the dataset belongs to another task or has other spaces."""
    task = dataset.storage.metadata.get(TASK)
    if task is not None and task != env.task:
        raise UserError(
            f"the demonstrations {source} are for env={task}; choose that environment, or demonstrations for {env.task}."
        )
    for what in ("observation_space", "action_space"):
        theirs, ours = getattr(dataset, what), getattr(env, what)
        if not alike(theirs, ours) and not (what == "observation_space" and of_source(theirs, env)):
            raise UserError(
                f"the {what} of the demonstrations {source} is {described(theirs)}, and that of env={env.task} is "
                f"{described(ours)}; choose demonstrations for this environment."
            )


def _episode(data: Any, observed: spaces.Space, source: str | Path, env: Any) -> Episode:
    obs, act = observations(data.observations, observed, env), np.asarray(data.actions)
    if len(act) < 1 or len(obs) != len(act) + 1:
        raise UserError(
            f"an episode of the demonstrations {source} has {len(obs)} observations and {len(act)} actions; record it again."
        )
    space = env.observation_space
    read = space.floats(obs) if isinstance(space, ImagesAndVector) else obs
    for name, values in (("observations", read), ("actions", act)):
        if not np.isfinite(values).all():
            raise UserError(
                f"{name} of the demonstrations {source} are not finite; record them again, or leave that episode out."
            )
    check_taken(act, source, env)
    obs = obs.astype(np.float32 if space.dtype == np.float64 else space.dtype)
    return Episode(obs, act.astype(env.action_space.dtype), np.asarray(data.rewards, np.float32), bool(data.terminations[-1]))


def check_taken(act: Array, source: str | Path, env: Any) -> None:
    """Raises UserError for actions outside the environment's space, which have other units or were recorded before clipping."""
    low, high = limits(env.action_space)
    if (act < low - SLACK).any() or (act > high + SLACK).any():
        raise UserError(
            f"actions of the demonstrations {source} range from {act.min():.4g} to {act.max():.4g}, beyond those of "
            f"env={env.task}, {np.min(low):.4g} to {np.max(high):.4g}; clip them if that environment did, or record them again."
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
