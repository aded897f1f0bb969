"""`rlhp train` and similar commands: Hydra composes their settings, and errors become one sentence."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rlhp.run import FAILED, check_owner, create, finished, is_running
from rlhp.train.explain import CONFIG, explained, trouble
from rlhp.train.folders import created_folders
from rlhp.train.job import train
from rlhp.train.overrides import normalise_overrides
from rlhp.train.settings import check, check_names
from rlhp.types import UserError

CORES_KEYS = (
    "launcher.cpus_per_task",
    "launcher.ray.remote.num_cpus",
)  # settings in which launchers give the number of cores of a job
UNUSABLE = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EINVAL)  # errors for a folder that cannot be created


def cores() -> int:
    """The default number of threads that step the environments: all cores.

    In a sweep, the number of cores that its launcher gives each job, or one, because jobs share the machine.
    """
    if not _in_sweep():
        return len(os.sched_getaffinity(0))
    given = [OmegaConf.select(cast(DictConfig, HydraConfig.get()), key) for key in CORES_KEYS]
    return max(1, *(int(number or 1) for number in given))


def _in_sweep() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


OmegaConf.register_new_resolver("cores", cores, replace=True)
OmegaConf.register_new_resolver("times", lambda a, b: int(a) * int(b), replace=True)
OmegaConf.register_new_resolver("whole_quotient", lambda a, b: int(float(a) / float(b)), replace=True)

Score = Callable[[Path], float]  # of a finished run's directory; higher is better
Work = Callable[[dict[str, Any], Path], None]  # runs a command with resolved settings in a run directory


@dataclass(frozen=True, slots=True)
class Command:
    """A command whose settings Hydra composes."""

    name: str
    work: Work
    config: str = CONFIG["config_name"]  # the yaml file with all its settings


TRAIN = Command("rlhp train", train)


class JobFailed(Exception):
    """A job of a sweep failed, perhaps in another process; holds the traceback as text, since not every error can be pickled."""


def main(argv: Sequence[str], score: Score, command: Command = TRAIN) -> Path | None:
    """Run `rlhp train ARGV`, or another command: Hydra's overrides and flags. Returns the run directory, or None after a sweep.

    A search receives each run's `score`. Raises UserError for errors that the user can fix; folders created for it are removed if
    nothing was trained in them.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises the original errors, which are classified here
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the processes of a sweep; torch_threads sets torch's threads
    words = normalise_overrides(argv)
    sys.argv = [command.name, *words]
    created_folders.forget()
    try:
        return _composed(words, score, command)
    except UserError:
        created_folders.remove()
        raise


def _composed(words: Sequence[str], score: Score, command: Command) -> Path | None:
    """Run Hydra on these words; its errors become UserErrors."""
    outcomes: list[Path | Exception] = []
    try:
        with warnings.catch_warnings():
            # our ray launcher has the plugin's name, which users look for; Hydra warns about that
            warnings.filterwarnings("ignore", r"\s*'hydra/launcher/ray' is validated", UserWarning)
            hydra.main(**{**CONFIG, "config_name": command.config})(_task(outcomes, score, command.work))()
    except (HydraException, OmegaConfBaseException) as error:
        created_folders.restore_plan()
        raise explained(error, words, command.name, command.config) from error
    except OSError as error:
        if error.errno in UNUSABLE:
            raise UserError(f"{error.filename} cannot be a run directory ({error.strerror}); set another name=...") from error
        raise
    except UserError:
        raise
    except (RuntimeError, ValueError) as error:
        if sentence := trouble(str(error)):
            raise UserError(sentence) from error
        raise
    outcome = outcomes[0] if outcomes else None
    if isinstance(outcome, HydraException | OmegaConfBaseException):
        raise explained(outcome, words, command.name, command.config) from outcome
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def job(settings: DictConfig, work: Work = train) -> Path:
    """Run one of Hydra's jobs: resolve the settings, then work without Hydra."""
    path = Path(HydraConfig.get().runtime.output_dir)
    try:
        resolved = OmegaConf.to_container(settings, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException:
        _remove_empty(path)
        raise
    assert isinstance(resolved, dict)
    named = {str(key): value for key, value in resolved.items()}
    try:
        check_names(settings)
        check(named)
    except UserError:
        if _in_sweep():
            _record_failure(path, named)
        raise
    work(named, path)
    return path


def _remove_empty(path: Path) -> None:
    """Remove the folder that Hydra created for settings that were not trained with."""
    with suppress(OSError):  # it is not empty
        path.rmdir()


def _record_failure(path: Path, settings: Mapping[str, Any]) -> None:
    """Write the current error where `rlhp status` finds it, unless the directory is another run's."""
    with suppress(OSError, UserError):
        check_owner(path, settings)
        if not is_running(path) and not finished(path):
            create(path, settings)
            (path / FAILED).write_text(traceback.format_exc())


def _task(outcomes: list[Path | Exception], score: Score, work: Work) -> Callable[[DictConfig], float | None]:
    """The function that Hydra calls for a job.

    A single run stores its result or error in `outcomes`: Hydra would print more than the sentence that a user needs. In a sweep,
    Hydra reports which job failed, in whatever process it ran, and passes the return value to the sweeper.
    """

    def task(settings: DictConfig) -> float | None:
        if _in_sweep():
            os.chdir(HydraConfig.get().runtime.cwd)  # Ray starts jobs in another directory
            return _sweep_job(settings, score, work)
        try:
            outcomes.append(job(settings, work))
        except Exception as error:
            outcomes.append(error)
        return None

    return task


def _sweep_job(settings: DictConfig, score: Score, work: Work) -> float | None:
    """Run a job of a sweep; raises only errors that can be sent between processes. Returns the score in a search."""
    try:
        run = job(settings, work)
        if _searching() and not finished(run):
            raise UserError(f"{run} was stopped from its page, so it has no score; repeat the command to continue it.")
        return score(run) if _searching() else None
    except (UserError, HydraException, OmegaConfBaseException):
        raise
    except Exception:
        text = traceback.format_exc()
    raise JobFailed(f"a job of the sweep ended with an error\n\n{text}")


def _searching() -> bool:
    """Whether the sweeper uses scores to select the next trial; Hydra's own sweeper tries every combination."""
    return not HydraConfig.get().sweeper["_target_"].startswith("hydra._internal")
