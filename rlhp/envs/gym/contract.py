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

from rlhp.envs.gym import observation
from rlhp.finite import check_received
from rlhp.types import Array, UserError

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


def check_spaces(id: str, observed: spaces.Space, action: spaces.Space) -> None:
    """Raises UserError where policies or reward models cannot read these observations or choose these actions."""
    observation.check(id, observed)
    if not isinstance(action, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        way = (
            "name a gymnasium.ActionWrapper of your own, env.wrappers=[module:Class], that takes one of these and makes the other"
        )
        wanted = "a Box, Discrete, MultiDiscrete or MultiBinary"
        raise UserError(f"{id} takes actions of a {type(action).__name__}, and policies choose those of {wanted}; {way}.")
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
    observed, reward, terminated, truncated, info = stepped
    _check_observation(id, "step", observed, env.observation_space)
    _check_reward(id, reward)
    for name, flag in (("terminated", terminated), ("truncated", truncated)):
        if not isinstance(flag, bool | np.bool_):
            raise UserError(f"step of {id} returns {_kind(flag)} as {name}: let it return True or False.")
    if not isinstance(info, dict):
        raise UserError(f"step of {id} returns {_kind(info)} as info: let it return a dict.")


def _check_observation(id: str, method: str, observed: Any, space: spaces.Space) -> None:
    """Structure, shapes, types and bounds, as far as storing the observation in the space's own type does not mend them."""
    if wanted := observation.outside(space, observed):
        raise UserError(f"{method} of {id} returns an observation that is not as its space says: let it return {wanted}.")
    for leaf in observation.leaves(space):
        if isinstance(leaf.space, spaces.Box):
            _check_box(id, method, leaf.of(observed), leaf.space, f" as {leaf.name}" if leaf.path else "")


def _check_box(id: str, method: str, observed: Any, space: spaces.Box, where: str) -> None:
    try:
        values: Array = np.asarray(observed)
    except ValueError:  # rows of different lengths
        values = np.array(None)
    declared = f"its observation space says {space.dtype} of shape {space.shape}"
    if values.shape != space.shape or not np.can_cast(values.dtype, space.dtype, "same_kind"):
        received = f"an observation of type {values.dtype} and shape {values.shape}{where}"
        raise UserError(f"{method} of {id} returns {received}, and {declared}: let the two agree.")
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
