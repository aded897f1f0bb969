"""Serialisation of an environment's whole state, from which an equally built environment continues with the same results.

The state of the environment and of each of its wrappers is one of these:

* What `get_state()` returns, if its class has it and `set_state(state)`: bytes, an array, or a list or dict of these and of
  numbers. The random stream `np_random` is saved too.
* Otherwise the values of its attributes: numbers, text, arrays, lists and dicts of these, random streams, MuJoCo's data and the
  changes to its model, and, recursively, the attributes of ordinary Python objects.

An attribute of any other type, such as a simulator of another library, makes the environment `Opaque`. State outside of
attributes (globals, closures, generators) is invisible here, so `rlhp.envs.gym.trial` tests each environment.

Nothing is unpickled unless the user allows cloning (`env.clone`): a checkpoint then contains pickles, and reading it executes
code named in it.
"""

from __future__ import annotations

import logging
import pickle
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import cloudpickle
import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from rlhp.envs.gym import physics
from rlhp.envs.gym.plain import is_plain, pack, put_back, unpack
from rlhp.types import UserError

LARGE = 2**16  # bytes; larger arrays are saved only if they have changed since the environment was built
PLAIN, PICKLED = b"rlhp", b"pkl:"  # first bytes of a saved state
Path = tuple[str, ...]  # a layer's number, and names of attributes
Built = Mapping[Path, Any]  # digests of large arrays as they were built
_CONSTANT = (
    *(EnvSpec, type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, partial, np.ufunc, np.dtype),
    *(range, slice, re.Pattern, PurePath, logging.Logger),
)
_DRAWING = {
    "pygame": ("Surface", "Clock", "Font"),
    "gymnasium": ("MujocoRenderer",),
}  # for rendering only: does not affect the simulation


class Opaque(Exception):
    """Raised if an environment's state cannot be saved; says why."""


def layers(env: gymnasium.Env) -> list[gymnasium.Env]:
    """Return the environment's wrappers from the outermost, then the environment itself."""
    found = [env]
    while isinstance(found[-1], gymnasium.Wrapper):
        found.append(found[-1].env)
    return found


def built(env: gymnasium.Env) -> Built:
    """Return what `save` needs to know about an environment before its first reset; empty for an opaque one."""
    try:
        return {path: _digest(value) for path, value in _leaves(env) if _is_large(value)}
    except Opaque:
        return {}


def save(env: gymnasium.Env, built: Built) -> bytes:
    """Serialise the state of an environment that has been reset. Raises Opaque if part of it cannot be saved."""
    saved = [[path, *_content(path, value, built)] for path, value in _leaves(env)]
    return PLAIN + pack([[type(layer).__qualname__ for layer in layers(env)], saved])


def load(env: gymnasium.Env, saved: bytes) -> None:
    """Restore a saved state in an equally built environment; it is reset first, so that its objects exist.

    Raises UserError if the state is of another environment.
    """
    if not saved.startswith(PLAIN):
        raise UserError("the checkpoint contains a pickled environment: set env.clone=true, as when it was written.")
    kinds, leaves = unpack(saved[len(PLAIN) :])
    held = layers(env)
    if kinds != [type(layer).__qualname__ for layer in held]:
        raise UserError(f"the checkpoint's environment is {' in '.join(kinds[::-1])}: resume with the same wrappers.")
    env.reset(seed=0)
    try:
        for path, kind, content in leaves:
            _put(held, path, kind, content)
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"the checkpoint is of another version of this environment: {error}.") from error


def pickled(env: gymnasium.Env) -> bytes:
    """Pickle the environment; exceptions of its parts propagate."""
    return PICKLED + cloudpickle.dumps(env)


def unpickled(saved: bytes) -> gymnasium.Env:
    """Unpickle an environment. Raises UserError if it was not saved by pickling."""
    if not saved.startswith(PICKLED):
        raise UserError("the checkpoint contains no pickled environment: set env.clone=false, as when it was written.")
    return pickle.loads(saved[len(PICKLED) :])


# Finding state


class _Own(list):
    """A layer with its own `get_state`."""


def _leaves(env: gymnasium.Env) -> Iterator[tuple[Path, Any]]:
    """Yield path and value of everything that has state. Raises Opaque at the first value that cannot be saved."""
    held = layers(env)
    seen = {id(layer) for layer in held}
    for number, layer in enumerate(held):
        if _saves_itself(layer):
            yield (str(number),), _Own([layer])
            if isinstance(stream := vars(layer).get("_np_random"), np.random.Generator):
                yield (str(number), "_np_random"), stream
        else:
            yield from _inside(layer, (str(number),), seen, type(layer).__name__)


def _saves_itself(layer: gymnasium.Env) -> bool:
    return all(callable(getattr(type(layer), name, None)) for name in ("get_state", "set_state"))


def _inside(holder: Any, path: Path, seen: set[int], name: str) -> Iterator[tuple[Path, Any]]:
    for attribute, value in _attributes(holder).items():
        here = (*path, attribute)
        if is_plain(value) or physics.is_of_mujoco(value) or isinstance(value, spaces.Space):
            yield here, value
        elif id(value) in seen or isinstance(value, _CONSTANT) or _draws(value):
            continue
        elif _is_ordinary(value):
            seen.add(id(value))
            yield from _inside(value, here, seen, f"{name}.{attribute}")
        else:
            raise Opaque(f"{name}.{attribute} is a {_module(type(value))}.{type(value).__qualname__}")


def _attributes(holder: Any) -> dict[str, Any]:
    slots = [name for kind in type(holder).__mro__ for name in np.atleast_1d(getattr(kind, "__slots__", ())).tolist()]
    named = {name: getattr(holder, name) for name in slots if not name.startswith("__") and hasattr(holder, name)}
    return {**named, **getattr(holder, "__dict__", {})}


def _draws(value: Any) -> bool:
    kind = type(value)
    return kind.__name__ in _DRAWING.get(_module(kind).partition(".")[0], ())


def _module(kind: type) -> str:
    return str(getattr(kind, "__module__", "?"))  # some binding generators omit it


def _is_ordinary(value: Any) -> bool:
    """Return whether an object's attributes are its whole state: a Python class without its own way of pickling."""
    kind = type(value)
    own = [base for base in kind.__mro__ if base is not object]
    if any(_module(base) in ("builtins", "?") or "__reduce__" in vars(base) or "__getstate__" in vars(base) for base in own):
        return False
    try:
        object.__reduce_ex__(value, 2)  # raises if there is more state than attributes
    except TypeError:
        return False
    return True


# Saving state


def _is_large(value: Any) -> bool:
    return physics.is_model(value) or (isinstance(value, np.ndarray) and value.nbytes > LARGE)


def _digest(value: Any) -> Any:
    return physics.digests(value) if physics.is_model(value) else physics.digest(value)


def _content(path: Path, value: Any, built: Built) -> tuple[str, Any]:
    """Return how a leaf is saved, and the content."""
    if isinstance(value, _Own):
        state = value[0].get_state()
        if not is_plain(state):
            name = type(value[0]).__name__
            raise Opaque(f"{name}.get_state() returns a {type(state).__name__}, not bytes, an array, or a dict or list of these")
        return "own", state
    if isinstance(value, spaces.Space):
        return "space", _streams(value)
    if physics.is_model(value):
        return "model", physics.changes(value, built.get(path, {}))
    if physics.is_data(value):
        return "data", physics.saved(value)
    if _is_large(value) and built.get(path) == (digest := _digest(value)):
        return "built", digest
    return "value", value


def _put(held: list[gymnasium.Env], path: Path, kind: str, content: Any) -> None:
    holder: Any = held[int(path[0])]
    if kind == "own":
        return holder.set_state(content)
    for name in path[1:-1]:
        holder = getattr(holder, name)
    current = getattr(holder, path[-1], None)
    match kind:
        case "value":
            object.__setattr__(holder, path[-1], put_back(current, content))
        case "built":
            if _digest(current) != content:
                raise ValueError(f"its {path[-1]} has changed")
        case "space":
            _set_streams(current, content)
        case "model":
            physics.change(current, content)
        case "data":
            physics.load(current, content)


def _streams(space: Any) -> list[Any]:
    """Return the random streams of a space and of its parts; None for a stream that does not exist yet."""
    within = getattr(space, "spaces", ())
    parts = within.values() if isinstance(within, Mapping) else within
    return [getattr(space, "_np_random", None), *(_streams(part) for part in parts)]


def _set_streams(space: Any, streams: list[Any]) -> None:
    within = getattr(space, "spaces", ())
    parts = within.values() if isinstance(within, Mapping) else within
    space._np_random = streams[0] if space._np_random is None else put_back(space._np_random, streams[0])
    for part, stream in zip(parts, streams[1:], strict=True):
        _set_streams(part, stream)
