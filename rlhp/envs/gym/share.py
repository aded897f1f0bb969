"""How many processes step the environments."""

from __future__ import annotations

from typing import NamedTuple

import cloudpickle

from rlhp.envs.gym import trial
from rlhp.envs.gym.single import Factory
from rlhp.types import UserError

SLOW = 3e-3  # seconds for a step of all environments, beyond which processes repay their messages: see experiments/speed


class Share(NamedTuple):
    """So many workers, and what to say of it; empty where there is nothing to say."""

    workers: int
    why: str = ""


ONE = Share(1)


def chosen(task: str, build: Factory, n_envs: int, workers: int | None, threads: int) -> Share:
    """`workers`, or where that is None the number that suits `n_envs` environments on so many cores.

    Raises UserError where processes are asked for that cannot be told how to make the environment.
    """
    if min(n_envs, threads if workers is None else workers) == 1:
        return ONE
    unsent = _obstacle(build)
    if workers is not None:
        if unsent:
            raise UserError(f"{task} cannot be made in other processes ({unsent}): set env.workers=1.")
        return Share(min(workers, n_envs))
    seconds = trial.step_seconds(build)
    if n_envs * seconds <= SLOW:
        return ONE
    found = f"a step of {task} takes {seconds * 1e3:.2g} ms"
    if unsent:
        return Share(1, f"{found}, but it cannot be made in other processes ({unsent}): one process steps {n_envs} of them.")
    count = min(threads, n_envs)
    return Share(count, f"{found}: {count} worker processes step {n_envs} of them; env.workers=1 does without, same numbers.")


def _obstacle(build: Factory) -> str:
    try:
        cloudpickle.dumps(build)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
