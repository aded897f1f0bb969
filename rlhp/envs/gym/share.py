"""Choice of the number of processes that step the environments."""

from __future__ import annotations

from typing import NamedTuple

import cloudpickle

from rlhp.envs.gym import trial
from rlhp.envs.gym.single import Factory
from rlhp.types import UserError

SLOW = 3e-3  # seconds for one step of all environments from which processes pay off, see experiments/speed


class Share(NamedTuple):
    """Number of workers, and a message about it; may be empty."""

    workers: int
    why: str = ""


ONE = Share(1)


def chosen(task: str, build: Factory, n_envs: int, workers: int | None, threads: int) -> Share:
    """Return `workers`, or if it is None, a suitable number for `n_envs` environments on `threads` cores.

    Raises UserError if `workers` is above 1 but the environment cannot be created in other processes.
    """
    if min(n_envs, threads if workers is None else workers) == 1:
        return ONE
    unpicklable = _obstacle(build)
    if workers is not None:
        if unpicklable:
            raise UserError(f"{task} cannot be made in other processes ({unpicklable}): set env.workers=1.")
        return Share(min(workers, n_envs))
    seconds = trial.step_seconds(build)
    if n_envs * seconds <= SLOW:
        return ONE
    found = f"a step of {task} takes {seconds * 1e3:.2g} ms"
    if unpicklable:
        return Share(1, f"{found}, but it cannot be made in other processes ({unpicklable}): one process steps {n_envs} of them.")
    count = min(threads, n_envs)
    return Share(
        count, f"{found}: {count} worker processes step {n_envs} of them; env.workers=1 uses none, with the same results."
    )


def _obstacle(build: Factory) -> str:
    try:
        cloudpickle.dumps(build)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
