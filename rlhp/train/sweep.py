"""Hydra's callback that records the jobs of a sweep in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from rlhp.run.sweep import Sweep, record, sweeps
from rlhp.train.folders import SUBDIR, excluded, job_folder, launched

NUMBERED = ("${hydra:job.num}", "${hydra.job.num}")


class Plan(Callback):
    """Records a sweep when its first job starts, and a search again when its last trial has ended.

    It does not record earlier, because a sweep whose jobs cannot be composed runs nothing. Launchers pickle this object for the
    jobs. Jobs in subfolders of other sweeps, such as those of name=a,b, are not recorded.
    """

    def __init__(self) -> None:
        self._launched: tuple[Path, str, Sweep] | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Plan the sweep before its jobs are composed."""
        self._launched = Path(config.hydra.sweep.dir), " ".join(config.hydra.overrides.task), plan(config)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Record the sweep in the process of a job; single runs are not recorded."""
        if self._launched is not None and self._launched[0] == Path(config.hydra.sweep.dir):
            record(*self._launched)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Mark the sweep as ended."""
        if self._launched is not None:
            folder, command, sweep = self._launched
            if command in sweeps(folder):
                record(folder, command, replace(sweep, ended=True))


def plan(config: DictConfig) -> Sweep:
    """The jobs that Hydra's sweeper, or a search, will run, with their present or future folders."""
    overrides = {override.get_key_element(): override for override in _parsed(launched(config))}
    exclude, subdir = excluded(config), _raw_subdir(config)
    if "n_trials" in config.hydra.sweeper:
        keys = sorted({key.lstrip("+") for key in overrides} - {*exclude})
        return Sweep(trials=config.hydra.sweeper.n_trials, keys=tuple(keys) if subdir == SUBDIR else ())
    jobs = [*product(*(_values(key, override) for key, override in overrides.items()))]
    if subdir == SUBDIR:
        return Sweep(tuple(job_folder(config.hydra.sweep.dir, job, exclude) for job in jobs))
    return Sweep(tuple(map(str, range(len(jobs))))) if subdir in NUMBERED else Sweep(trials=len(jobs))


def _parsed(lines: Sequence[str]) -> list[Override]:
    return OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides([*lines])


def _raw_subdir(config: DictConfig) -> str:
    sweep = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    return str(sweep["subdir"]) if isinstance(sweep, dict) else ""


def _values(key: str, override: Override) -> list[str]:
    """`KEY=VALUE` for each value that Hydra's own sweeper tries, in its spelling."""
    values = override.sweep_string_iterator() if override.is_sweep_override() else [override.get_value_element_as_str()]
    return [f"{key}={value}" for value in values]
