"""Checks of incoming numbers: NaN, infinity and numbers beyond the range of float32 raise an error."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from rlhp.types import Array, ImagesAndVector, UserError

_LARGEST = float(np.finfo(np.float32).max)
_SAFE = 1e30  # a sum of squares below it contains neither NaN nor a number beyond the range of float32


def is_finite(values: Array) -> bool:
    """Whether all numbers are finite in float32. Costs one dot product if they are."""
    if values.dtype.kind != "f":
        return True
    return bool(np.vdot(values, values) < _SAFE) or bool((np.abs(values) <= _LARGEST).all())


def check_observed(task: str, space: spaces.Space, obs: Array, step: int, first: int = 0, key: str = "observation") -> None:
    """`check_received` for observations of a space [N, *O]; of an `ImagesAndVector`, the float32 numbers are checked."""
    check_received(task, key, space.floats(obs) if isinstance(space, ImagesAndVector) else obs, step, first)


def check_received(task: str, key: str, values: Array, step: int, first: int = 0) -> None:
    """Check what N environments returned: `values` [N, ...] of the environments from `first` on, after `step` environment steps.

    Raises UserError with environment, step, `key` (such as "reward") and index of the first number that is not finite.
    """
    if not is_finite(values):
        env, index, value = _first(values)
        raise UserError(
            f"environment {first + env} of {task} returned {value} as its {key}{index} at step {step:,}; fix the environment, "
            "or wrap it so that it returns finite numbers."
        )


def check_actions(task: str, actions: Array, step: int) -> None:
    """Check the actions [N, ...] of a policy in N environments. Raises UserError if one is not finite."""
    if not is_finite(actions):
        env, index, value = _first(actions)
        raise UserError(
            f"the policy has diverged: its action{index} for environment {env} of {task} at step {step:,} is {value}; "
            "lower agent.learning_rate.start and train again with name=..."
        )


def check_predicted(predicted: Array) -> None:
    """Check the reward model's predictions for a rollout [T, N]. Raises UserError if one is not finite."""
    if not is_finite(predicted):
        env, index, value = _first(predicted.T)
        raise UserError(
            f"the reward model has diverged: it predicts {value} for step {index} of environment {env} in this rollout; "
            "lower reward_model.learning_rate and train again with name=..."
        )


def _first(values: Array) -> tuple[int, str, float]:
    """The environment, the index as text, and the value of the first number that is not finite."""
    env, *index = (int(i) for i in np.argwhere(~(np.abs(values) <= _LARGEST))[0])
    return env, f"[{', '.join(map(str, index))}]" if index else "", float(values[(env, *index)])
