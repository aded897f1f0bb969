"""`rlhp train`: what Hydra composes is trained; what it cannot compose is said in one sentence."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from rlhp.train.job import train
from rlhp.types import UserError

GIVEN = ("launcher.cpus_per_task", "launcher.ray.remote.num_cpus")  # where a launcher says how many cores a job is given
SWEEP = ("-m", "--multirun")
PLUGINS = {"hydra_submitit_launcher": "slurm", "hydra_ray_launcher": "ray", "hydra_optuna_sweeper": "optuna"}  # and our extras


def cores() -> int:
    """Threads that step the environments, where the settings name none: all cores.

    In a sweep as many as its launcher gives to each job, or one: the jobs share the machine.
    """
    if not _in_sweep():
        return len(os.sched_getaffinity(0))
    given = [OmegaConf.select(cast(DictConfig, HydraConfig.get()), key) for key in GIVEN]
    return max(1, *(int(number or 1) for number in given))


def _in_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def folder(id: str) -> str:
    """An environment's id as a part of a folder's name: `ALE/Pong-v5` is `ALE-Pong-v5`."""
    return re.sub(r"[^\w.-]+", "-", id)


OmegaConf.register_new_resolver("cores", cores, replace=True)
OmegaConf.register_new_resolver("folder", folder, replace=True)

Score = Callable[[Path], float]  # of a finished run's directory: the more, the better
CONFIG = {"version_base": "1.3", "config_path": "pkg://rlhp.conf", "config_name": "config"}


def main(argv: Sequence[str], score: Score) -> Path | None:
    """`rlhp train ARGV`: Hydra's overrides and flags. Returns the run directory, or None after a sweep.

    A sweep that searches is told each run's `score`. Raises UserError for what the user can mend.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come out whole, to be told apart here
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes of a sweep; torch_threads sets torch's own
    sys.argv = ["rlhp train", *sorted(argv, key=lambda word: word not in SWEEP)]  # Hydra's parser wants no settings on both sides
    done: list[Path | Exception] = []
    try:
        with warnings.catch_warnings():
            # ours is named like the plugin's, which is what users look for; Hydra advises against that
            warnings.filterwarnings("ignore", r"\s*'hydra/launcher/ray' is validated", UserWarning)
            hydra.main(**CONFIG)(_once(done, score))()
    except (HydraException, OmegaConfBaseException) as error:
        raise _explained(error) from error
    except (RuntimeError, ValueError) as error:
        if sentence := _trouble(str(error)):
            raise UserError(sentence) from error
        raise
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


def _once(done: list[Path | Exception], score: Score) -> Callable[[DictConfig], float | None]:
    """The job of a single run, its outcome put aside: Hydra would print more than the sentence that a user needs.

    In a sweep Hydra reports which job failed, in whatever process it ran, and hands what the job returns to the sweeper.
    """

    def task(settings: DictConfig) -> float | None:
        if _in_sweep():
            os.chdir(HydraConfig.get().runtime.cwd)  # Ray begins jobs elsewhere
            run = job(settings)
            return score(run) if _searching() else None
        try:
            done.append(job(settings))
        except Exception as error:
            done.append(error)
        return None

    return task


def _searching() -> bool:
    """Whether what is tried next hangs on the scores so far: Hydra's own sweeper tries every combination."""
    return not HydraConfig.get().sweeper["_target_"].startswith("hydra._internal")


def _trouble(text: str) -> str | None:
    """What Hydra, a launcher or a sweeper complains of, in one sentence; None where it is not the user's to mend."""
    if "Config group override must be" in text:
        return "a group takes a name; what a recipe has set is taken away with dots, as in agent.explore=null."
    if unknown := re.search(r"Unknown plugin class : 'hydra_plugins\.(\w+)", text):
        package = unknown[1].replace("_", "-")
        wanted = f"rlhp[{PLUGINS[unknown[1]]}]" if unknown[1] in PLUGINS else package
        return f"this sweep needs the package {package}, which is not installed; install it with: pip install '{wanted}'"
    if lost := re.search(r"with path (.*)/[^/]*\nhas not produced any output", text):
        return f"a job ended without a result (see {lost[1]}); the same command goes on with what is left of the sweep."
    if "srun" in text:
        return "there is no Slurm here: log in to a cluster, or try the sweep with hydra/launcher=slurm_local or =local."
    return None


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
