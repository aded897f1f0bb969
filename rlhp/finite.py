"""Numbers that training cannot use are refused where they enter: NaN, infinity, and what single precision cannot hold."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from rlhp.types import Array, ImagesAndVector, UserError

_LARGEST = float(np.finfo(np.float32).max)
_SAFE = 1e30  # a sum of squares below it has neither NaN nor a number that single precision cannot hold


def is_finite(values: Array) -> bool:
    """Whether every number is one that single precision can hold. Costs one dot product where all is well."""
    if values.dtype.kind != "f":
        return True
    return bool(np.vdot(values, values) < _SAFE) or bool((np.abs(values) <= _LARGEST).all())


def check_observed(task: str, space: spaces.Space, obs: Array, step: int, first: int = 0, key: str = "observation") -> None:
    """`check_received` of observations of a space [N, *O]; of several parts in bytes, their numbers are checked."""
    check_received(task, key, space.floats(obs) if isinstance(space, ImagesAndVector) else obs, step, first)


def check_received(task: str, key: str, values: Array, step: int, first: int = 0) -> None:
    """Check what N environments returned: `values` [N, ...] from the environment `first` on; `step`, environment steps so far.

    Raises UserError naming the environment, the step, `key` (such as "reward") and the index of the first that is not finite.
    """
    if not is_finite(values):
        env, index, value = _first(values)
        raise UserError(
            f"environment {first + env} of {task} returned {value} as its {key}{index} at step {step:,}; mend the environment, "
            "or register it wrapped so that it returns finite numbers."
        )


def check_actions(task: str, actions: Array, step: int) -> None:
    """Check what a policy wants to do in N environments: `actions` [N, ...]. Raises UserError where an action is not finite."""
    if not is_finite(actions):
        env, index, value = _first(actions)
        raise UserError(
            f"the policy has diverged: its action{index} for environment {env} of {task} at step {step:,} is {value}; "
            "lower agent.learning_rate.start and train again with name=..."
        )


def check_predicted(predicted: Array) -> None:
    """Check what the reward model says of a rollout [T, N]. Raises UserError where it is not finite."""
    if not is_finite(predicted):
        env, index, value = _first(predicted.T)
        raise UserError(
            f"the reward model has diverged: of step {index} of environment {env} in this rollout it says {value}; "
            "lower reward_model.learning_rate and train again with name=..."
        )


def _first(values: Array) -> tuple[int, str, float]:
    """Environment, index as text, and value of the first number that is not finite."""
    env, *index = (int(i) for i in np.argwhere(~(np.abs(values) <= _LARGEST))[0])
    return env, f"[{', '.join(map(str, index))}]" if index else "", float(values[(env, *index)])
