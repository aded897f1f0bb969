"""What to know of an environment before a run is trained on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlhp.envs.gym import trial
from rlhp.envs.gym.single import Factory
from rlhp.types import UserError


def before_training(task: str, build: Factory, horizon: int | None, clone: bool) -> Iterator[str]:
    """Lines for standard error. Raises UserError where `clone` is set and a pickled environment does not go on as it did."""
    if horizon is None:
        yield (
            f"{task} has no time limit: where its episodes do not end by themselves there is no true return; "
            "env.max_episode_steps=1000 sets a limit."
        )
    yield from _cloned(task, build) if clone else _resumed(task, build)


def _resumed(task: str, build: Factory) -> Iterator[str]:
    reason = trial.obstacle(build)
    if reason is not None:
        yield (
            f"{task} cannot be saved ({reason}): a run that is interrupted goes on from a reset, which is valid, but ends with "
            "other numbers. Where the environment can be pickled, env.clone=true saves it; else give it get_state() and "
            "set_state(state)."
        )


def _cloned(task: str, build: Factory) -> Iterator[str]:
    try:
        size = trial.cloned_size(build)
    except Exception as error:
        raise UserError(f"{task} cannot be pickled ({_told(error)}): set env.clone=false.") from error
    try:
        reason = trial.obstacle(build, clone=True)
    except Exception as error:
        reason = f"a copy raises {_told(error)}"
    if reason is not None:
        raise UserError(f"{task} does not resume from its pickle ({reason}): set env.clone=false.")
    yield (
        f"env.clone=true: each checkpoint holds every environment of {task} pickled, {size / 1e6:.2g} MB each; resuming runs "
        "code that the checkpoint names, so resume only from checkpoints that you trust."
    )


def _told(error: Any) -> str:
    return f"{type(error).__name__}: {error}"
