"""The folders of a sweep's runs: what they are called, and that a command that is refused leaves none behind."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlhp.run import discard, under_way
from rlhp.train.words import parsed

LONGEST = 240  # characters of a name, its digest apart: file systems take 255
PLAN = "multirun.yaml"  # what Hydra writes into the folder of a sweep
CONFIG = "config.yaml"
EXCLUDE = "hydra.job.config.override_dirname.exclude_keys"


def name(overrides: list[str], exclude: list[str]) -> str:
    """A folder's name for the overrides of a job, such as env-hopper__seed-1; the order in which they came does not matter.

    It holds letters, digits and `._+-` only. Where that, or the bound on its length, leaves something out, a digest tells
    apart what would be called the same.
    """
    settings = sorted({pair for pair in map(_pair, overrides) if pair[0] not in exclude})
    whole = "__".join(f"{key.replace('/', '+')}-{value}" for key, value in settings)
    short = re.sub(r"[^A-Za-z0-9._+-]+", "-", whole)[:LONGEST]
    told = short == whole and not any("-" in key or "+" in key or "__" in key + value for key, value in settings)
    digest = "" if told else "-" + hashlib.sha256(repr(settings).encode()).hexdigest()[:10]
    return short + digest or "run"


def _pair(line: str) -> tuple[str, str]:
    """Key and value of an override. How it is typed (quotes, `+`) makes no difference to the run."""
    override = parsed(line)
    key, _, value = line.partition("=")
    if override is not None and not override.is_delete():
        key, value = override.get_key_element(), override.value()
    return key.lstrip("+"), str(value)


def subdir() -> str:
    """The folder of the present job below its sweep's: the one that it has already, by a name of an earlier version too."""
    hydra = HydraConfig.get()
    overrides, exclude = list(hydra.overrides.task), list(hydra.job.config.override_dirname.exclude_keys)
    bare = ",".join(sorted(line.lstrip("+") for line in overrides if _pair(line)[0] not in exclude))
    for earlier in (hydra.job.override_dirname, bare):
        if os.path.exists(os.path.join(hydra.sweep.dir, earlier, CONFIG)):
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
            made.note(Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """A sweep is about to get its folder."""
        with suppress(OmegaConfBaseException):
            made.note(Path(config.hydra.sweep.dir))
        params = OmegaConf.to_container(config.hydra.sweeper).get("params") or {}  # type: ignore[union-attr]
        lines = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
        swept = {word.get_key_element().lstrip("+") for word in map(parsed, lines) if word and word.is_sweep_override()}
        exclude = config.hydra.job.config.override_dirname.exclude_keys
        kept = [key for key in exclude if key == "name" or key not in swept]  # `name` has a folder of its own
        if kept != list(exclude):
            config.hydra.overrides.hydra.append(f"{EXCLUDE}=[{','.join(kept)}]")  # which each job is composed with


class Made:
    """The folders that the present command makes, and the plan of a sweep that it writes over."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin a command."""
        self._new: list[Path] = []  # the deepest first
        self._plan: tuple[Path, bytes | None] | None = None

    def note(self, folder: Path) -> None:
        """Remember which of `folder` and those above it are still to be made."""
        folder = folder.absolute()
        self._new = [path for path in (folder, *folder.parents) if not path.exists()]
        plan = folder / PLAN
        self._plan = (plan, plan.read_bytes() if plan.is_file() else None)

    def remove(self) -> None:
        """Take away the new folders that no training has begun in."""
        for folder in filter(Path.is_dir, self._new):
            _remove(folder)

    def restore_plan(self) -> None:
        """Put back the plan of the sweep that was launched here before: the one that was refused has run nothing."""
        if self._plan is not None:
            plan, before = self._plan
            with suppress(OSError):
                plan.unlink(missing_ok=True) if before is None else plan.write_bytes(before)


def _remove(folder: Path) -> None:
    with suppress(OSError):  # what is not empty stays
        if [file.name for file in folder.iterdir()] == [PLAN]:
            (folder / PLAN).unlink()
        if not under_way(folder):
            discard(folder)
        folder.rmdir()


made = Made()
