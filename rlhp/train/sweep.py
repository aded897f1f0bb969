"""Hydra's callback that writes down what a sweep is going to run, in the folder of the sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from rlhp.run.sweep import Sweep, record

NAMED, NUMBERED = "${hydra:job.override_dirname}", ("${hydra:job.num}", "${hydra.job.num}")


class Plan(Callback):
    """Records a sweep when its first job starts, and a search once more when its last trial has ended.

    Not before: a sweep whose jobs cannot be composed has none. Launchers take this object along to where the jobs run.
    """

    def __init__(self) -> None:
        self._launched: tuple[Path, str, Sweep] | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Before any job is composed."""
        self._launched = Path(config.hydra.sweep.dir), " ".join(config.hydra.overrides.task), plan(config)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Where the job runs; of a run that is not part of a sweep, nothing is recorded."""
        if self._launched is not None:
            record(*self._launched)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """After the last job."""
        if self._launched is not None:
            folder, command, sweep = self._launched
            record(folder, command, replace(sweep, ended=True))


def plan(config: DictConfig) -> Sweep:
    """What Hydra's sweeper, or one that searches, is going to run."""
    sweeper: Mapping[str, Any] = config.hydra.sweeper
    params = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    overrides = {override.get_key_element(): override for override in _parsed([*params, *config.hydra.overrides.task])}
    excluded, subdir = config.hydra.job.config.override_dirname.exclude_keys, _raw_subdir(config)
    if "n_trials" in sweeper:
        keys = [key for key, override in overrides.items() if override.key_or_group not in excluded]
        return Sweep(trials=sweeper["n_trials"], keys=tuple(keys) if subdir == NAMED else ())
    jobs = [*product(*(_values(key, override) for key, override in overrides.items()))]
    if subdir == NAMED:
        return Sweep(tuple(_dirname(job, config) for job in jobs))
    return Sweep(tuple(map(str, range(len(jobs))))) if subdir in NUMBERED else Sweep(trials=len(jobs))


def _parsed(lines: Sequence[str]) -> list[Override]:
    return OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides([*lines])


def _raw_subdir(config: DictConfig) -> str:
    sweep = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    return str(sweep["subdir"]) if isinstance(sweep, dict) else ""


def _values(key: str, override: Override) -> list[str]:
    """`KEY=VALUE` for each value that Hydra's own sweeper would try, in its spelling."""
    values = override.sweep_string_iterator() if override.is_sweep_override() else [override.get_value_element_as_str()]
    return [f"{key}={value}" for value in values]


def _dirname(job: Sequence[str], config: DictConfig) -> str:
    """The job's `override_dirname`, as Hydra makes it of its overrides."""
    names = config.hydra.job.config.override_dirname
    kept = sorted(line.input_line or "" for line in _parsed(job) if line.key_or_group not in names.exclude_keys)
    return names.item_sep.join(kept).replace("=", names.kv_sep)
