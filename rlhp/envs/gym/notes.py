"""Messages about an environment, printed before training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlhp.envs.gym import trial
from rlhp.envs.gym.single import Factory
from rlhp.types import UserError


def limit(task: str, horizon: int | None) -> Iterator[str]:
    """Yield the message for an environment with this time limit, if any."""
    if horizon is None:
        yield (
            f"{task} has no time limit: if its episodes do not end by themselves, there is no true return; "
            "env.max_episode_steps=1000 sets a limit."
        )


def unsaved(task: str, reason: str) -> str:
    """Return the message for an environment that cannot be saved."""
    return (
        f"{task} cannot be saved ({reason}): an interrupted run continues from a reset, which is valid but gives different "
        "results. If the environment can be pickled, env.clone=true saves it; otherwise give it get_state() and set_state(state)."
    )


def cloned(task: str, build: Factory) -> str:
    """Return the message on the cost of pickling an environment. Raises UserError if a pickle fails or is not an exact copy."""
    try:
        size = trial.cloned_size(build)
    except Exception as error:
        raise UserError(
            f"{task} cannot be pickled ({_described(error)}): set env.clone=false, and to resume exactly give its class "
            "get_state() and set_state(state)."
        ) from error
    try:
        reason = trial.obstacle(build, clone=True)
    except Exception as error:
        reason = f"a copy raises {_described(error)}"
    if reason is not None:
        raise UserError(f"{task} does not resume from its pickle ({reason}): set env.clone=false.")
    return (
        f"env.clone=true: each checkpoint contains every environment of {task} pickled, {size / 1e6:.2g} MB each; resuming "
        "executes code named in the checkpoint, so resume only from checkpoints that you trust."
    )


def _described(error: Any) -> str:
    """Describe an exception by its type and text; many of pickle's have no text."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
