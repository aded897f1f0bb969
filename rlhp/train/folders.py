"""The folders of a sweep's runs: what they are called, and that a command that is refused leaves none behind."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlhp.run import discard, is_running
from rlhp.run.sweep import folder_name
from rlhp.train.overrides import parse_override

MULTIRUN = "multirun.yaml"  # what Hydra writes into the folder of a sweep
CONFIG = "config.yaml"
SUBDIR = "${subdir:}"  # in hydra.sweep.subdir: folders are named here
EXCLUDE = "hydra.job.config.override_dirname.exclude_keys"


def name(overrides: Sequence[str], exclude: Sequence[str]) -> str:
    """A folder's name for the overrides of a job, without those of the keys in `exclude`, such as env-hopper__seed-1."""
    return folder_name(pair for pair in map(_pair, overrides) if pair[0] not in exclude)


def _pair(line: str) -> tuple[str, str]:
    """Key and value of an override. How it is typed (quotes, `+`) makes no difference to the run."""
    override = parse_override(line)
    key, _, value = line.partition("=")
    if override is not None and not override.is_delete():
        key, value = override.get_key_element(), override.value()
    return key.lstrip("+"), str(value)


def subdir() -> str:
    """The folder of the present job below its sweep's."""
    hydra = HydraConfig.get()
    return job_folder(hydra.sweep.dir, list(hydra.overrides.task), list(hydra.job.config.override_dirname.exclude_keys))


def job_folder(sweep: str, overrides: Sequence[str], exclude: Sequence[str]) -> str:
    """The folder of a job below its sweep's: the one that it has already, by a name of an earlier version too."""
    kept = [line for line in overrides if _pair(line)[0] not in exclude]
    for lines in (kept, [line.lstrip("+") for line in kept]):
        earlier = ",".join(sorted(lines))
        if os.path.exists(os.path.join(sweep, earlier, CONFIG)):
            return earlier
    return name(overrides, exclude)


def folder(id: str) -> str:
    """An environment's id as a part of a folder's name: `ALE/Pong-v5` is `ALE-Pong-v5`."""
    return re.sub(r"[^\w.-]+", "-", id)


def run_dir() -> str | None:
    """The run directory of the present job; None outside of one."""
    return OmegaConf.select(cast(DictConfig, HydraConfig.get()), "runtime.output_dir") if HydraConfig.initialized() else None


OmegaConf.register_new_resolver("subdir", subdir, replace=True)
OmegaConf.register_new_resolver("run_dir", run_dir, replace=True)
OmegaConf.register_new_resolver("folder", folder, replace=True)


class Folders(Callback):
    """Hydra's callback: takes care that no two jobs of a sweep share a folder, and remembers which folders were there before."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """A single run is about to get its directory."""
        with suppress(OmegaConfBaseException):  # which Hydra is about to say
            created_folders.note(Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """A sweep is about to get its folder."""
        with suppress(OmegaConfBaseException):
            created_folders.note(Path(config.hydra.sweep.dir))
        if (kept := excluded(config)) != list(config.hydra.job.config.override_dirname.exclude_keys):
            config.hydra.overrides.hydra.append(f"{EXCLUDE}=[{','.join(kept)}]")  # which each job is composed with


def launched(config: DictConfig) -> list[str]:
    """What a sweep sweeps over or sets: the overrides of its experiment, then those of the command line."""
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    return [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]


def excluded(config: DictConfig) -> list[str]:
    """The keys that name no folder of a sweep; one that it sweeps over names them, so that no two jobs share a folder."""
    words = map(parse_override, launched(config))
    swept = {word.get_key_element().lstrip("+") for word in words if word and word.is_sweep_override()}
    exclude = config.hydra.job.config.override_dirname.exclude_keys
    # runs of different names lie in different folders anyway
    return [key for key in exclude if key == "name" or key not in swept]


class CreatedFolders:
    """The folders that the present command makes, and the record of a sweep (multirun.yaml) that it writes over."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin a command."""
        self._new: list[Path] = []  # the deepest first
        self._multirun: tuple[Path, bytes | None] | None = None

    def note(self, folder: Path) -> None:
        """Remember which of `folder` and those above it are still to be made."""
        folder = folder.absolute()
        self._new = [path for path in (folder, *folder.parents) if not path.exists()]
        file = folder / MULTIRUN
        self._multirun = (file, file.read_bytes() if file.is_file() else None)

    def remove(self) -> None:
        """Take away the new folders that no training has begun in."""
        for folder in filter(Path.is_dir, self._new):
            _remove(folder)

    def restore_plan(self) -> None:
        """Put back the record of the sweep that was launched here before: the one that was refused has run nothing."""
        if self._multirun is not None:
            file, before = self._multirun
            with suppress(OSError):
                file.unlink(missing_ok=True) if before is None else file.write_bytes(before)


def _remove(folder: Path) -> None:
    with suppress(OSError):  # another process writes there, or it may not be changed
        if [file.name for file in folder.iterdir()] == [MULTIRUN]:
            (folder / MULTIRUN).unlink()
        if not is_running(folder):
            discard(folder)


created_folders = (
    CreatedFolders()
)  # global, for Hydra instantiates the callback that fills it by its name in conf/, and hands it out to nobody
