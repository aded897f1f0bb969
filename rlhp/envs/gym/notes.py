"""What to know of an environment before a run is trained on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlhp.envs.gym import trial
from rlhp.envs.gym.single import Factory
from rlhp.types import UserError


def limit(task: str, horizon: int | None) -> Iterator[str]:
    """What to say of an environment with this time limit."""
    if horizon is None:
        yield (
            f"{task} has no time limit: where its episodes do not end by themselves there is no true return; "
            "env.max_episode_steps=1000 sets a limit."
        )


def unsaved(task: str, reason: str) -> str:
    """That an environment cannot be saved."""
    return (
        f"{task} cannot be saved ({reason}): a run that is interrupted goes on from a reset, which is valid, but ends with other "
        "numbers. Where the environment can be pickled, env.clone=true saves it; else give it get_state() and set_state(state)."
    )


def cloned(task: str, build: Factory) -> str:
    """What it costs to pickle an environment. Raises UserError where that cannot be done, or is no copy of it."""
    try:
        size = trial.cloned_size(build)
    except Exception as error:
        raise UserError(
            f"{task} cannot be pickled ({_told(error)}): set env.clone=false, and to resume exactly give its class get_state() "
            "and set_state(state)."
        ) from error
    try:
        reason = trial.obstacle(build, clone=True)
    except Exception as error:
        reason = f"a copy raises {_told(error)}"
    if reason is not None:
        raise UserError(f"{task} does not resume from its pickle ({reason}): set env.clone=false.")
    return (
        f"env.clone=true: each checkpoint holds every environment of {task} pickled, {size / 1e6:.2g} MB each; resuming runs "
        "code that the checkpoint names, so resume only from checkpoints that you trust."
    )


def _told(error: Any) -> str:
    """An exception in a sentence; many of pickle's have no text."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
