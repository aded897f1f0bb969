"""Names the folders of a sweep's runs, and removes the folders of a rejected command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlhp import renamed
from rlhp.run import discard, is_running
from rlhp.run.files import folder_of_id
from rlhp.run.sweep import folder_name
from rlhp.train.overrides import parse_override

MULTIRUN = "multirun.yaml"  # file that Hydra writes into the folder of a sweep
CONFIG = "config.yaml"
SUBDIR = "${subdir:}"  # value of hydra.sweep.subdir with which this module names the folders
EXCLUDE = "hydra.job.config.override_dirname.exclude_keys"


def name(overrides: Sequence[str], exclude: Sequence[str]) -> str:
    """The folder name for the overrides of a job, without those of the keys in `exclude`, such as env-hopper__seed-1."""
    return folder_name(pair for pair in map(_pair, overrides) if pair[0] not in exclude)


def _pair(line: str) -> tuple[str, str]:
    """Key and value of an override, independent of how it is typed (quotes, `+`)."""
    override = parse_override(line)
    key, _, value = line.partition("=")
    if override is not None and not override.is_delete():
        key, value = override.get_key_element(), override.value()
    return key.lstrip("+"), str(value)


def subdir() -> str:
    """The folder of the current job below its sweep's."""
    hydra = HydraConfig.get()
    return job_folder(hydra.sweep.dir, list(hydra.overrides.task), list(hydra.job.config.override_dirname.exclude_keys))


def job_folder(sweep: str, overrides: Sequence[str], exclude: Sequence[str]) -> str:
    """The folder of a job below its sweep's: an existing one, including one named by an earlier version, else a new name."""
    kept = [line for line in overrides if _pair(line)[0] not in exclude]
    for lines in (kept, [line.lstrip("+") for line in kept]):
        earlier = ",".join(sorted(lines))
        if os.path.exists(os.path.join(sweep, earlier, CONFIG)):
            return earlier
    present, old = name(overrides, exclude), name([renamed.earlier(line) for line in kept], exclude)
    return old if old != present and os.path.exists(os.path.join(sweep, old, CONFIG)) else present


def run_dir() -> str | None:
    """The run directory of the current job; None outside of a job."""
    return OmegaConf.select(cast(DictConfig, HydraConfig.get()), "runtime.output_dir") if HydraConfig.initialized() else None


OmegaConf.register_new_resolver("subdir", subdir, replace=True)
OmegaConf.register_new_resolver("run_dir", run_dir, replace=True)
OmegaConf.register_new_resolver("folder", folder_of_id, replace=True)


class Folders(Callback):
    """Hydra's callback: keeps jobs of a sweep from sharing a folder, and remembers which folders existed before."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called before a single run's directory is created."""
        with suppress(OmegaConfBaseException):  # Hydra will report it
            created_folders.note(Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called before a sweep's folder is created."""
        with suppress(OmegaConfBaseException):
            created_folders.note(Path(config.hydra.sweep.dir))
        if (kept := excluded(config)) != list(config.hydra.job.config.override_dirname.exclude_keys):
            config.hydra.overrides.hydra.append(f"{EXCLUDE}=[{','.join(kept)}]")  # each job is composed with these overrides


def launched(config: DictConfig) -> list[str]:
    """The overrides of a sweep: those of its experiment, then those of the command line."""
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    return [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]


def excluded(config: DictConfig) -> list[str]:
    """The keys that folder names leave out.

    A key that the sweep varies is not left out, so that no two jobs share a folder.
    """
    words = map(parse_override, launched(config))
    swept = {word.get_key_element().lstrip("+") for word in words if word and word.is_sweep_override()}
    exclude = config.hydra.job.config.override_dirname.exclude_keys
    # runs with different names are in different folders anyway
    return [key for key in exclude if key == "name" or key not in swept]


class CreatedFolders:
    """The folders that the current command creates, and the sweep record (multirun.yaml) that it overwrites."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Reset at the start of a command."""
        self._new: list[Path] = []  # deepest first
        self._multirun: tuple[Path, bytes | None] | None = None

    def note(self, folder: Path) -> None:
        """Remember which of `folder` and its parents do not exist yet."""
        folder = folder.absolute()
        self._new = [path for path in (folder, *folder.parents) if not path.exists()]
        file = folder / MULTIRUN
        self._multirun = (file, file.read_bytes() if file.is_file() else None)

    def remove(self) -> None:
        """Remove the new folders in which no training has started."""
        for folder in filter(Path.is_dir, self._new):
            _remove(folder)

    def restore_plan(self) -> None:
        """Restore the record of the previous sweep, because the rejected one has run nothing."""
        if self._multirun is not None:
            file, before = self._multirun
            with suppress(OSError):
                file.unlink(missing_ok=True) if before is None else file.write_bytes(before)


def _remove(folder: Path) -> None:
    with suppress(OSError):  # another process writes there, or permission is denied
        if [file.name for file in folder.iterdir()] == [MULTIRUN]:
            (folder / MULTIRUN).unlink()
        if not is_running(folder):
            discard(folder)


# global, because Hydra instantiates the callback that fills it by its name in conf/ and gives no access to it
created_folders = CreatedFolders()
