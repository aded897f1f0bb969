"""What a Gymnasium environment has to be so that a run can be trained on it; checked before anything else happens."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from rlhp.finite import check_received
from rlhp.types import Array, UserError

LARGEST = 2**15  # numbers of an observation: 64 rollout steps of 32 environments take a quarter of a gigabyte
OWN_ID = "register it under an id of your own, wrapped so that it"


def check(id: str, build: Callable[[], gymnasium.Env]) -> None:
    """Build one environment of `id`, read its spaces, reset it, take one step, and close it.

    Raises UserError with what to change where it does not keep to Gymnasium's interface or has spaces that agents or reward
    models cannot use; what the environment itself raises is let through.
    """
    env = build()
    try:
        check_spaces(id, env.observation_space, env.action_space)
        _check_reset_and_step(id, _own(env))
    finally:
        env.close()


def check_spaces(id: str, observation: spaces.Space, action: spaces.Space) -> None:
    """Raises UserError where policies or reward models cannot read these observations or choose these actions."""
    if not isinstance(observation, spaces.Box):
        kind, way = type(observation).__name__, "observes a Box (gymnasium.wrappers.FlattenObservation makes one)"
        raise UserError(f"{id} observes a {kind}: {OWN_ID} {way}.")
    size = int(np.prod(observation.shape))
    if size > LARGEST:
        way = "observes less (gymnasium.wrappers.ResizeObservation and GrayscaleObservation make images smaller)"
        raise UserError(f"{id} observes {size:,} numbers, and at most {LARGEST:,} fit into memory: {OWN_ID} {way}.")
    if not isinstance(action, spaces.Box | spaces.Discrete):
        raise UserError(f"{id} takes actions of a {type(action).__name__}: {OWN_ID} takes those of a Box or a Discrete.")
    if isinstance(action, spaces.Box) and action.dtype.kind not in "fiu":
        raise UserError(f"{id} takes actions of type {action.dtype}: {OWN_ID} takes numbers.")


def _own(env: gymnasium.Env) -> gymnasium.Env:
    """The environment as it was registered, without what `gymnasium.make` wraps around it, which unpacks what it returns."""
    while isinstance(env, TimeLimit | OrderEnforcing | PassiveEnvChecker):
        env = env.env
    return env


def _check_reset_and_step(id: str, env: gymnasium.Env) -> None:
    parameters = inspect.signature(env.unwrapped.reset).parameters
    lacking = [name for name in ("seed", "options") if name not in parameters]
    if lacking and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        wanted = _modern("reset(*, seed=None, options=None)")
        raise UserError(f"reset of {id} takes no {' and no '.join(lacking)}, as in Gym before 0.26: {wanted}.")
    started = env.reset(seed=0)
    if not (isinstance(started, tuple) and len(started) == 2 and isinstance(started[1], dict)):
        raise UserError(f"reset of {id} returns {_kind(started)}: {_modern('an observation and a dict')}.")
    _check_observation(id, "reset", started[0], env.observation_space)
    action = deepcopy(env.action_space)  # whose random stream may be the class's, and so that of other environments
    action.seed(0)
    stepped = env.step(action.sample())
    if not (isinstance(stepped, tuple) and len(stepped) == 5):
        wanted = _modern("observation, reward, terminated, truncated and a dict")
        raise UserError(f"step of {id} returns {_kind(stepped)}: {wanted}.")
    observation, reward, terminated, truncated, info = stepped
    _check_observation(id, "step", observation, env.observation_space)
    _check_reward(id, reward)
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(flag, bool | np.bool_):
            raise UserError(f"step of {id} returns {_kind(flag)} as {name}: let it return True or False.")
    if not isinstance(info, dict):
        raise UserError(f"step of {id} returns {_kind(info)} as info: let it return a dict.")


def _check_observation(id: str, method: str, observation: Any, space: spaces.Space) -> None:
    """Shape, type and bounds, as far as storing the observation in the space's own type does not mend them."""
    assert isinstance(space, spaces.Box)
    try:
        values: Array = np.asarray(observation)
    except ValueError:  # rows of different lengths
        values = np.array(None)
    declared = f"its observation space says {space.dtype} of shape {space.shape}"
    if values.shape != space.shape or not np.can_cast(values.dtype, space.dtype, "same_kind"):
        observed = f"an observation of type {values.dtype} and shape {values.shape}"
        raise UserError(f"{method} of {id} returns {observed}, and {declared}: let the two agree.")
    check_received(id, "observation", values[np.newaxis], 0)
    stored = values.astype(space.dtype)
    outside = np.argwhere((stored < space.low) | (stored > space.high))
    if len(outside):
        index = tuple(int(i) for i in outside[0])
        bounds = f"outside of its observation space's {space.low[index]} to {space.high[index]}"
        raise UserError(f"{method} of {id} returns {stored[index]} at index {list(index)}, {bounds}: declare wider bounds.")


def _check_reward(id: str, reward: Any) -> None:
    values = np.asarray(reward)
    if values.ndim > 0 or values.dtype.kind not in "fiub":
        raise UserError(f"step of {id} returns {_kind(reward)} as its reward: let it return a number, such as reward.item().")
    check_received(id, "reward", values[np.newaxis], 1)


def _kind(value: Any) -> str:
    """What a value is, for a sentence."""
    match value:
        case tuple():
            return f"a tuple of {len(value)}"
        case np.ndarray():
            return f"an array of shape {value.shape}"
        case _:
            return f"a {type(value).__name__}"


def _modern(wanted: str) -> str:
    return f"Gymnasium wants {wanted}; change it, or register it wrapped by shimmy's compatibility wrappers"
