"""`rlhp train`: what Hydra composes is trained; what it cannot compose is said in one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from rlhp.train.job import train
from rlhp.types import UserError


def cores() -> int:
    """Threads that step the environments, where the settings name none: one in a sweep, whose jobs share the machine."""
    sweep = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    return 1 if sweep else len(os.sched_getaffinity(0))


OmegaConf.register_new_resolver("cores", cores, replace=True)

CONFIG = {"version_base": "1.3", "config_path": "pkg://rlhp.conf", "config_name": "config"}


def main(argv: Sequence[str]) -> Path | None:
    """`rlhp train ARGV`: Hydra's overrides and flags. Returns the run directory, or None after a sweep.

    Raises UserError for what the user can mend.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come out whole, to be told apart here
    sys.argv = ["rlhp train", *argv]
    done: list[Path | Exception] = []
    try:
        hydra.main(**CONFIG)(_once(done))()
    except (HydraException, OmegaConfBaseException) as error:
        raise _explained(error) from error
    outcome = done[0] if done else None
    if isinstance(outcome, Exception):
        raise _explained(outcome) from outcome.__cause__
    return outcome


def job(settings: DictConfig) -> Path:
    """One run of Hydra's: resolve the settings, then forget Hydra."""
    resolved = OmegaConf.to_container(settings, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    path = Path(HydraConfig.get().runtime.output_dir)
    train({str(key): value for key, value in resolved.items()}, path)
    return path


def _once(done: list[Path | Exception]) -> Callable[[DictConfig], None]:
    """The job of a single run, its outcome put aside: Hydra would print more than the sentence that a user needs.

    In a sweep Hydra reports which job failed, in whatever process it ran.
    """

    def task(settings: DictConfig) -> None:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            job(settings)
            return
        try:
            done.append(job(settings))
        except Exception as error:
            done.append(error)

    return task


def _explained(error: Exception) -> Exception:
    """A composition that failed, in one sentence with the nearest names."""
    text = str(error).strip().splitlines()
    match error:
        case MissingConfigException() if error.options:
            group, _, choice = str(error.missing_cfg_file).rpartition("/")
            near = ", ".join(get_close_matches(choice, error.options, n=3, cutoff=0.0))
            return UserError(f"there is no {group}={choice}; the nearest are {near}.")
        case OverrideParseException():
            return UserError(f"{error.override!r} is not a setting; give settings as KEY=VALUE, such as env=hopper.")
        case MissingMandatoryValue():
            key = str(error).rpartition("full_key: ")[2].splitlines()[0]
            return UserError(f"{key} has no value yet; give it one: {key}=...")
        case ConfigCompositionException() if "Could not override" in text[0]:
            key = text[0].split("'")[1].split("@")[0]
            near = ", ".join(get_close_matches(key, _keys(), n=3, cutoff=0.0))
            return UserError(f"there is no setting {key}; the nearest are {near} (rlhp train --cfg job lists them all).")
        case HydraException() | OmegaConfBaseException():
            cause = error.__cause__
            return cause if isinstance(cause, UserError) else UserError(f"these settings cannot be composed: {' '.join(text)}")
    return error


def _keys() -> list[str]:
    """The dotted names of all default settings, and of the groups."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_module("rlhp.conf", version_base=CONFIG["version_base"]):
        settings = OmegaConf.to_container(hydra.compose(CONFIG["config_name"]), resolve=False)

    def walk(node: Any, prefix: str) -> list[str]:
        if not isinstance(node, dict):
            return [prefix]
        below = [name for key, value in node.items() for name in walk(value, f"{prefix}.{key}" if prefix else str(key))]
        return [prefix, *below] if prefix else below

    return walk(settings, "")
