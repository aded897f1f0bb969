"""Writes episodes to Minari datasets."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gymnasium.envs.registration import EnvSpec
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from minari.storage import get_dataset_path

from rlhp.demonstrations.reading import DATA, METADATA, TASK, check_task, opened
from rlhp.types import Demonstrations, Episode, UserError


def save(folder: Path, demonstrations: Demonstrations, env: Any, spec: EnvSpec | None = None, **about: str) -> None:
    """Write a Minari dataset into a new folder; `about` is added to its metadata.

    With `spec`, Minari's `recover_environment` creates the environment. Raises UserError if the folder exists and is not empty.
    """
    write(folder, demonstrations.episodes, env, spec, **about)


def write(folder: Path, episodes: Iterable[Episode], env: Any, spec: EnvSpec | None = None, **about: str) -> None:
    """Save episodes that need not be in memory all at once; `env` defines their spaces and their `task`."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already; give a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent.resolve()) as draft, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about optional metadata
        data = Path(draft) / folder.name / DATA  # an absolute path, since Minari looks for its files there
        data.mkdir(parents=True)
        storage = MinariStorage.new(data, env.observation_space, env.action_space, spec, jpeg_encoding=False)
        storage.update_metadata(_metadata(folder, env, about))
        storage.update_episodes(_buffer(episode) for episode in episodes)
        data.parent.replace(folder)


def append(folder: Path, episode: Episode, env: Any, spec: EnvSpec | None = None, **about: str) -> int:
    """Add one episode to a dataset, which is created if necessary; returns its number of episodes.

    An interruption never damages the episodes that the dataset had before. Raises UserError as `kept` does.
    """
    if not kept(folder, env):
        write(folder, [episode], env, spec, **about)
        return 1
    data = folder.resolve() / DATA
    with TemporaryDirectory(dir=folder.parent.resolve()) as draft, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        copy = Path(draft) / DATA
        shutil.copytree(data, copy)
        storage = MinariStorage.read(copy)
        storage.update_episodes([_buffer(episode)])
        _count_steps(storage)
        count = storage.total_episodes
        for name in sorted(file.name for file in copy.iterdir()):  # episodes first, then the metadata that count them
            (copy / name).replace(data / name)
    return count


def kept(folder: Path, env: Any) -> int:
    """The number of episodes in a folder that `append` adds to; 0 if there is no dataset yet.

    Raises UserError if the folder contains a dataset of another task or with other spaces, or something else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return 0
    if not (folder / DATA / METADATA).is_file():
        raise UserError(f"{folder} has no demonstrations to add to; give a new folder, or one that rlhp has written.")
    dataset = opened(str(folder))
    check_task(dataset, folder, env)
    return int(dataset.total_episodes)


def _count_steps(storage: MinariStorage) -> None:
    """Recount all steps: after an interruption, the steps of an added episode may not be counted."""
    episodes = storage.get_episode_metadata(range(storage.total_episodes))
    storage.update_metadata({"total_steps": sum(int(each["total_steps"]) for each in episodes)})


def _metadata(folder: Path, env: Any, about: Mapping[str, str]) -> dict[str, Any]:
    from minari import __version__

    return {"dataset_id": dataset_id(folder), "minari_version": __version__, TASK: env.task, **about}


def dataset_id(folder: Path) -> str:
    """The id of a dataset in Minari: its path below Minari's local datasets if that ends in NAME-v0, else one from its name."""
    root, path = get_dataset_path().resolve(), folder.resolve()
    named = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    if re.fullmatch(r"([-\w]+/)*[-\w]+-v\d+", named):
        return named
    return f"{re.sub(r'[^A-Za-z0-9_-]', '-', folder.name) or 'demonstrations'}-v0"


def _buffer(episode: Episode) -> EpisodeBuffer:
    steps = len(episode.act)
    ends: Sequence[bool] = [False] * (steps - 1)
    return EpisodeBuffer(
        observations=episode.obs,  # pyright: ignore[reportArgumentType]
        actions=episode.act,  # pyright: ignore[reportArgumentType]
        rewards=episode.true_reward,  # pyright: ignore[reportArgumentType]
        terminations=[*ends, episode.terminated],
        truncations=[*ends, not episode.terminated],
    )
