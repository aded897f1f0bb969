"""`rlhp train` and its like: what Hydra composes is worked on; what it cannot compose is said in one sentence."""

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
from rlhp.train.settings import check
from rlhp.types import UserError

GIVEN = ("launcher.cpus_per_task", "launcher.ray.remote.num_cpus")  # where a launcher says how many cores a job is given
UNUSABLE = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EINVAL)  # errors of a folder that cannot be made


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


OmegaConf.register_new_resolver("cores", cores, replace=True)
OmegaConf.register_new_resolver("times", lambda a, b: int(a) * int(b), replace=True)
OmegaConf.register_new_resolver("whole_quotient", lambda a, b: int(float(a) / float(b)), replace=True)

Score = Callable[[Path], float]  # of a finished run's directory: the more, the better
Work = Callable[[dict[str, Any], Path], None]  # what is done with resolved settings in a run's directory


@dataclass(frozen=True, slots=True)
class Command:
    """A command whose settings Hydra composes."""

    name: str
    work: Work
    config: str = CONFIG["config_name"]  # the yaml of all its settings


TRAIN = Command("rlhp train", train)


class JobFailed(Exception):
    """A job of a sweep ended with an error, perhaps in another process: its traceback, as text, for not every error travels."""


def main(argv: Sequence[str], score: Score, command: Command = TRAIN) -> Path | None:
    """`rlhp train ARGV`, or another command: Hydra's overrides and flags. Returns the run directory, or None after a sweep.

    A sweep that searches is told each run's `score`. Raises UserError for what the user can mend; what nothing has been
    trained for leaves no folder behind then.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come out whole, to be told apart here
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes of a sweep; torch_threads sets torch's own
    words = normalise_overrides(argv)
    sys.argv = [command.name, *words]
    created_folders.forget()
    try:
        return _composed(words, score, command)
    except UserError:
        created_folders.remove()
        raise


def _composed(words: Sequence[str], score: Score, command: Command) -> Path | None:
    """What Hydra makes of the words; its complaints as UserErrors."""
    done: list[Path | Exception] = []
    try:
        with warnings.catch_warnings():
            # our ray launcher has the plugin's own name, which users look for; Hydra advises against that
            warnings.filterwarnings("ignore", r"\s*'hydra/launcher/ray' is validated", UserWarning)
            hydra.main(**{**CONFIG, "config_name": command.config})(_once(done, score, command.work))()
    except (HydraException, OmegaConfBaseException) as error:
        created_folders.restore_plan()
        raise explained(error, words, command.name, command.config) from error
    except OSError as error:
        if error.errno in UNUSABLE:
            raise UserError(f"{error.filename} cannot be a run's folder ({error.strerror}); give another name=...") from error
        raise
    except UserError:
        raise
    except (RuntimeError, ValueError) as error:
        if sentence := trouble(str(error)):
            raise UserError(sentence) from error
        raise
    outcome = done[0] if done else None
    if isinstance(outcome, HydraException | OmegaConfBaseException):
        raise explained(outcome, words, command.name, command.config) from outcome
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def job(settings: DictConfig, work: Work = train) -> Path:
    """One run of Hydra's: resolve the settings, then forget Hydra."""
    path = Path(HydraConfig.get().runtime.output_dir)
    try:
        resolved = OmegaConf.to_container(settings, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException:
        _leave(path)
        raise
    assert isinstance(resolved, dict)
    named = {str(key): value for key, value in resolved.items()}
    try:
        check(named)
    except UserError:
        if _in_sweep():
            _note(path, named)
        raise
    work(named, path)
    return path


def _leave(path: Path) -> None:
    """Remove the folder that Hydra has made for settings that were never trained with."""
    with suppress(OSError):  # something is in it
        path.rmdir()


def _note(path: Path, settings: Mapping[str, Any]) -> None:
    """Keep the error being handled where `rlhp status` finds it, unless the directory is another run's."""
    with suppress(OSError, UserError):
        check_owner(path, settings)
        if not is_running(path) and not finished(path):
            create(path, settings)
            (path / FAILED).write_text(traceback.format_exc())


def _once(done: list[Path | Exception], score: Score, work: Work) -> Callable[[DictConfig], float | None]:
    """The job of a single run, its outcome put aside: Hydra would print more than the sentence that a user needs.

    In a sweep Hydra reports which job failed, in whatever process it ran, and hands what the job returns to the sweeper.
    """

    def task(settings: DictConfig) -> float | None:
        if _in_sweep():
            os.chdir(HydraConfig.get().runtime.cwd)  # Ray begins jobs elsewhere
            return _travelling(settings, score, work)
        try:
            done.append(job(settings, work))
        except Exception as error:
            done.append(error)
        return None

    return task


def _travelling(settings: DictConfig, score: Score, work: Work) -> float | None:
    """A job of a sweep, whose errors can be sent from any process to ours. Returns its score if the sweep searches."""
    try:
        run = job(settings, work)
        if _searching() and not finished(run):
            raise UserError(
                f"{run} was stopped from its page, so that there is no score to go by; the same command goes on with it."
            )
        return score(run) if _searching() else None
    except (UserError, HydraException, OmegaConfBaseException):
        raise
    except Exception:
        text = traceback.format_exc()
    raise JobFailed(f"a job of the sweep ended with an error\n\n{text}")


def _searching() -> bool:
    """Whether what is tried next hangs on the scores so far: Hydra's own sweeper tries every combination."""
    return not HydraConfig.get().sweeper["_target_"].startswith("hydra._internal")
