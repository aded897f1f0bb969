"""Checks that a Gymnasium environment can be trained on, before anything else happens."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from rlhp.envs.gym import observation
from rlhp.finite import check_received
from rlhp.types import Array, UserError

OWN_ID = "register it under your own id, wrapped so that it"


def check(id: str, build: Callable[[], gymnasium.Env]) -> None:
    """Build one environment of `id`, check its spaces, reset it, take one step, and close it.

    Raises UserError that says what to change if it violates Gymnasium's interface or has spaces that agents or reward models do
    not support. Exceptions of the environment propagate.
    """
    env = build()
    try:
        check_spaces(id, env.observation_space, env.action_space)
        _check_reset_and_step(id, _own(env))
    finally:
        env.close()


def check_spaces(id: str, observed: spaces.Space, action: spaces.Space) -> None:
    """Raise UserError if policies or reward models do not support these observations or actions."""
    observation.check(id, observed)
    if not isinstance(action, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        way = "convert them with your own gymnasium.ActionWrapper, env.wrappers=[module:Class]"
        wanted = "a Box, Discrete, MultiDiscrete or MultiBinary"
        raise UserError(f"{id} takes actions of a {type(action).__name__}, but policies support {wanted}; {way}.")
    if isinstance(action, spaces.Box) and action.dtype.kind not in "fiu":
        raise UserError(f"{id} takes actions of type {action.dtype}: {OWN_ID} accepts numbers.")


def _own(env: gymnasium.Env) -> gymnasium.Env:
    """Return the environment as registered, without the wrappers of `gymnasium.make`, which unpack its return values."""
    while isinstance(env, TimeLimit | OrderEnforcing | PassiveEnvChecker):
        env = env.env
    return env


def _check_reset_and_step(id: str, env: gymnasium.Env) -> None:
    parameters = inspect.signature(env.unwrapped.reset).parameters
    lacking = [name for name in ("seed", "options") if name not in parameters]
    if lacking and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        wanted = _modern("reset(*, seed=None, options=None)")
        raise UserError(f"reset of {id} has no argument {' and no argument '.join(lacking)}, as in Gym before 0.26: {wanted}.")
    started = env.reset(seed=0)
    if not (isinstance(started, tuple) and len(started) == 2 and isinstance(started[1], dict)):
        raise UserError(f"reset of {id} returns {_kind(started)}: {_modern('an observation and a dict')}.")
    _check_observation(id, "reset", started[0], env.observation_space)
    action = deepcopy(env.action_space)  # environments may share its random stream through their class
    action.seed(0)
    stepped = env.step(action.sample())
    if not (isinstance(stepped, tuple) and len(stepped) == 5):
        wanted = _modern("observation, reward, terminated, truncated and a dict")
        raise UserError(f"step of {id} returns {_kind(stepped)}: {wanted}.")
    observed, reward, terminated, truncated, info = stepped
    _check_observation(id, "step", observed, env.observation_space)
    _check_reward(id, reward)
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(flag, bool | np.bool_):
            raise UserError(f"step of {id} returns {_kind(flag)} as {name}: let it return True or False.")
    if not isinstance(info, dict):
        raise UserError(f"step of {id} returns {_kind(info)} as info: let it return a dict.")


def _check_observation(id: str, method: str, observed: Any, space: spaces.Space) -> None:
    """Check structure, shapes, types and bounds, after conversion to the space's own type."""
    if wanted := observation.outside(space, observed):
        raise UserError(f"{method} of {id} returns an observation that does not match its space: let it return {wanted}.")
    for leaf in observation.leaves(space):
        if isinstance(leaf.space, spaces.Box):
            _check_box(id, method, leaf.of(observed), leaf.space, f" as {leaf.name}" if leaf.path else "")


def _check_box(id: str, method: str, observed: Any, space: spaces.Box, where: str) -> None:
    try:
        values: Array = np.asarray(observed)
    except ValueError:  # rows of different lengths
        values = np.array(None)
    declared = f"its observation space declares {space.dtype} of shape {space.shape}"
    if values.shape != space.shape or not np.can_cast(values.dtype, space.dtype, "same_kind"):
        received = f"an observation of type {values.dtype} and shape {values.shape}{where}"
        raise UserError(f"{method} of {id} returns {received}, but {declared}: make them agree.")
    check_received(id, f"observation{where}", values[np.newaxis], 0)
    stored = values.astype(space.dtype)
    outside = np.argwhere((stored < space.low) | (stored > space.high))
    if len(outside):
        index = tuple(int(i) for i in outside[0])
        bounds = f"outside of its observation space's {space.low[index]} to {space.high[index]}"
        raise UserError(
            f"{method} of {id} returns {stored[index]}{where} at index {list(index)}, {bounds}: declare wider bounds."
        )


def _check_reward(id: str, reward: Any) -> None:
    values = np.asarray(reward)
    if values.ndim > 0 or values.dtype.kind not in "fiub":
        raise UserError(f"step of {id} returns {_kind(reward)} as its reward: let it return a number, such as reward.item().")
    check_received(id, "reward", values[np.newaxis], 1)


def _kind(value: Any) -> str:
    """Describe the type of a value for an error message."""
    match value:
        case tuple():
            return f"a tuple of {len(value)}"
        case np.ndarray():
            return f"an array of shape {value.shape}"
        case _:
            return f"a {type(value).__name__}"


def _modern(wanted: str) -> str:
    return f"Gymnasium requires {wanted}; change it, or register it with shimmy's compatibility wrappers"
