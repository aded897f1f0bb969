"""Demonstrations: episodes of an expert, read from and written to Minari datasets (minari.farama.org)."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from minari import MinariDataset
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from minari.storage import get_dataset_path

from rlhp.types import Array, Demonstrations, Episode, ImagesAndVector, UserError

TASK = "rlhp_task"  # the metadata entry for the task in datasets written by rlhp
SLACK = 1e-5  # tolerance for actions that rounding moves beyond a bound
DATA, METADATA = "data", "metadata.json"  # the data folder within a dataset's folder, and the file that counts its episodes


def load(source: str | Path, env: Any, episodes: int | None = None) -> Demonstrations:
    """Load the first `episodes` (None: all) of the dataset in a folder, or of the local Minari dataset with that name.

    `env` is the environment that the demonstrations have to match. Raises UserError if there is no such dataset, if it is empty
    or damaged, if it belongs to another task or has other spaces, and if it contains numbers that are not finite or actions
    outside the action space of `env`.
    """
    dataset = _opened(str(source))
    _check_task(dataset, source, env)
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


def _opened(source: str) -> MinariDataset:
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


def _check_task(dataset: MinariDataset, source: str | Path, env: Any) -> None:
    """Raises UserError if the dataset belongs to another task or has other spaces."""
    task = dataset.storage.metadata.get(TASK)
    if task is not None and task != env.task:
        raise UserError(
            f"the demonstrations {source} are for env={task}; choose that environment, or demonstrations for {env.task}."
        )
    for what in ("observation_space", "action_space"):
        theirs, ours = getattr(dataset, what), getattr(env, what)
        if not _alike(theirs, ours) and not (what == "observation_space" and _of_source(theirs, env)):
            raise UserError(
                f"the {what} of the demonstrations {source} is {_words(theirs)}, and that of env={env.task} is {_words(ours)}; "
                "choose demonstrations for this environment."
            )


def _alike(a: spaces.Space, b: spaces.Space) -> bool:
    """Whether two spaces are equal, except for the bounds and the precision of a Box."""
    if isinstance(a, spaces.Box) and isinstance(b, spaces.Box):
        return a.shape == b.shape and np.issubdtype(a.dtype, np.integer) == np.issubdtype(b.dtype, np.integer)
    if isinstance(a, spaces.Dict) and isinstance(b, spaces.Dict):
        return a.spaces.keys() == b.spaces.keys() and all(_alike(part, b[key]) for key, part in a.spaces.items())
    if isinstance(a, spaces.Tuple) and isinstance(b, spaces.Tuple):
        return len(a.spaces) == len(b.spaces) and all(map(_alike, a.spaces, b.spaces))
    return a == b


def _of_source(space: spaces.Space, env: Any) -> bool:
    """Whether this is the space of an environment's observations before they are packed into one array."""
    source = getattr(env, "source", None)
    return source is not None and _alike(space, source[0])


def _observations(found: Any, space: spaces.Space, env: Any) -> Array:
    """Convert the observations of an episode to those of the environment, [T + 1, *O]."""
    if _alike(space, env.observation_space):
        return np.asarray(found)
    array, leaf = env.source[1], found
    while isinstance(leaf, dict | tuple):
        leaf = next(iter(leaf.values())) if isinstance(leaf, dict) else leaf[0]
    return np.stack([array(_at(found, i)) for i in range(len(leaf))])


def _at(found: Any, i: int) -> Any:
    """Row i of an array, or of each array in a dict or tuple."""
    if isinstance(found, dict):
        return {key: _at(part, i) for key, part in found.items()}
    return tuple(_at(part, i) for part in found) if isinstance(found, tuple) else found[i]


def _words(space: spaces.Space) -> str:
    return f"Box{space.shape} of {space.dtype}" if isinstance(space, spaces.Box) else str(space)


def _episode(data: Any, observed: spaces.Space, source: str | Path, env: Any) -> Episode:
    obs, act = _observations(data.observations, observed, env), np.asarray(data.actions)
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
    _check_taken(act, source, env)
    obs = obs.astype(np.float32 if space.dtype == np.float64 else space.dtype)
    return Episode(obs, act.astype(env.action_space.dtype), np.asarray(data.rewards, np.float32), bool(data.terminations[-1]))


def _check_taken(act: Array, source: str | Path, env: Any) -> None:
    """Raises UserError for actions outside the environment's space, which have other units or were recorded before clipping."""
    low, high = _limits(env.action_space)
    if (act < low - SLACK).any() or (act > high + SLACK).any():
        raise UserError(
            f"actions of the demonstrations {source} range from {act.min():.4g} to {act.max():.4g}, beyond those of "
            f"env={env.task}, {np.min(low):.4g} to {np.max(high):.4g}; clip them if that environment did, or record them again."
        )


def _limits(space: Any) -> tuple[Array, Array]:
    """The smallest and the largest actions of a space, elementwise."""
    match space:
        case spaces.Discrete():
            return space.start, space.start + space.n - 1
        case spaces.MultiDiscrete():
            return space.start, space.start + space.nvec - 1
        case spaces.MultiBinary():
            return np.zeros(space.shape), np.ones(space.shape)
        case _:
            return space.low, space.high


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
    dataset = _opened(str(folder))
    _check_task(dataset, folder, env)
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


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def record(policy: Callable[[Array], Array], env: Any, max_steps: int) -> Demonstrations:
    """Record the first complete episode of each of N environments, under a policy: observations [N, *seen] -> actions [N, *A].

    `env` is a `VecEnv` that is also a `rlhp.types.Env`, with stacked frames if the policy sees stacks. Shortened episodes are
    left out. If the end of an episode is hidden from the agent, as in games, the observation after its last action is the first
    one of the next episode. Raises UserError if an episode does not end within `max_steps` steps.
    """
    stack = getattr(env, "stack", 1)
    newest: Callable[[Array], Array] = (lambda obs: obs[:, -1]) if stack > 1 else (lambda obs: obs)
    tapes = [Tape() for _ in range(env.num_envs)]
    obs = env.reset()
    for _ in range(max_steps):
        act = policy(obs)
        before, (obs, reward, dones, infos) = newest(obs), env.step(act)
        after = newest(obs)
        for i, tape in enumerate(tapes):
            tape.add(before[i], act[i], float(reward[i]), bool(dones[i]), infos[i], after[i])
        if all(tape.over for tape in tapes):
            return Demonstrations(tuple(tape.episode() for tape in tapes if tape.whole), stack)
    raise UserError(
        f"an episode of {env.task} does not end within {max_steps:,} steps; set a time limit, or give a larger --max-steps."
    )


class Tape:
    """Records the steps of one environment until its first episode ends.

    `over`: the episode has ended; `whole`: it has ended and was not shortened.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Array, Array, float]] = []
        self.over, self.whole, self._terminated = False, False, False

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, obs: Array, act: Array, reward: float, done: bool, info: Mapping[str, Any], after: Array) -> None:
        """Add a step: the observations before and after it, and what the environment returned. Ignored after the end."""
        if self.over:
            return
        self._steps.append((np.array(obs), np.array(act), reward))
        self.over = done or bool(info.get("cut"))
        self.whole = self.over and not info.get("shortened")
        self._terminated = done and not info.get("TimeLimit.truncated", False)
        self._last = np.array(info["terminal_observation"]) if done else np.array(after)

    def episode(self) -> Episode:
        """The steps so far, of which there must be at least one, as an episode."""
        obs, act, reward = zip(*self._steps, strict=True)
        last = self._last[-1] if self._last.ndim > obs[0].ndim else self._last  # the newest of a stack
        return Episode(np.stack([*obs, last]), np.stack(act), np.array(reward, np.float32), self._terminated)
