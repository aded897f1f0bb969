"""An environment's whole state as bytes, from which another one that was built alike goes on with the same numbers.

Of each wrapper, and of the environment within, the state is one of these:

* What `get_state()` returns, where its class has that and `set_state(state)`: bytes, an array, or a list or dict of these and of
  numbers. The random stream `np_random` is kept beside it.
* Otherwise what its attributes hold: numbers, text, arrays, lists and dicts of these, random streams, MuJoCo's data and what was
  changed in its model, and whatever of these the attributes of ordinary Python objects hold.

An attribute that holds something else, such as a simulator of another library, makes the environment `Opaque`. What lies outside
of attributes (globals, closures, generators) is not seen; `rlhp.envs.gym.trial` therefore tries each environment out.

Nothing is unpickled, but where the user says that the environment may be cloned (`env.clone`): a checkpoint then holds pickles,
and reading one runs the code that it names.
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

LARGE = 2**16  # bytes of an array, beyond which it is saved only if it has changed since the environment was built
PLAIN, PICKLED = b"rlhp", b"pkl:"  # what saved bytes begin with
Path = tuple[str, ...]  # a layer's number, and names of attributes
Built = Mapping[Path, Any]  # of large arrays as they were built, a digest
_CONSTANT = (
    *(EnvSpec, type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, partial, np.ufunc, np.dtype),
    *(range, slice, re.Pattern, PurePath, logging.Logger),
)
_DRAWING = {"pygame": ("Surface", "Clock", "Font"), "gymnasium": ("MujocoRenderer",)}  # draws what is, and decides nothing


class Opaque(Exception):
    """Why an environment's state cannot be saved."""


def layers(env: gymnasium.Env) -> list[gymnasium.Env]:
    """The environment's wrappers from the outermost, and itself."""
    found = [env]
    while isinstance(found[-1], gymnasium.Wrapper):
        found.append(found[-1].env)
    return found


def built(env: gymnasium.Env) -> Built:
    """What `save` needs to know of an environment before its first reset; of an opaque one nothing."""
    try:
        return {path: _digest(value) for path, value in _leaves(env) if _is_large(value)}
    except Opaque:
        return {}


def save(env: gymnasium.Env, built: Built) -> bytes:
    """The state of an environment that has been reset. Raises Opaque where something in it cannot be saved."""
    saved = [[path, *_content(path, value, built)] for path, value in _leaves(env)]
    return PLAIN + pack([[type(layer).__qualname__ for layer in layers(env)], saved])


def load(env: gymnasium.Env, saved: bytes) -> None:
    """Put an environment that was built alike into a saved state; it is reset first, so that its objects are there.

    Raises UserError where the state is not of such an environment.
    """
    if not saved.startswith(PLAIN):
        raise UserError("the checkpoint holds a pickled environment: set env.clone=true, as when it was written.")
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
    """The environment, pickled; raises what its parts raise."""
    return PICKLED + cloudpickle.dumps(env)


def unpickled(saved: bytes) -> gymnasium.Env:
    """A pickled environment. Raises UserError where it was saved in another way."""
    if not saved.startswith(PICKLED):
        raise UserError("the checkpoint holds no pickled environment: set env.clone=false, as when it was written.")
    return pickle.loads(saved[len(PICKLED) :])


# Where state lies


class _Own(list):
    """A layer that saves itself."""


def _leaves(env: gymnasium.Env) -> Iterator[tuple[Path, Any]]:
    """Whatever holds state, by where it lies. Raises Opaque at the first that cannot be saved."""
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
            raise Opaque(f"{name}.{attribute} holds a {_module(type(value))}.{type(value).__qualname__}")


def _attributes(holder: Any) -> dict[str, Any]:
    slots = [name for kind in type(holder).__mro__ for name in np.atleast_1d(getattr(kind, "__slots__", ())).tolist()]
    named = {name: getattr(holder, name) for name in slots if not name.startswith("__") and hasattr(holder, name)}
    return {**named, **getattr(holder, "__dict__", {})}


def _draws(value: Any) -> bool:
    kind = type(value)
    return kind.__name__ in _DRAWING.get(_module(kind).partition(".")[0], ())


def _module(kind: type) -> str:
    return str(getattr(kind, "__module__", "?"))  # some generators of bindings leave it out


def _is_ordinary(value: Any) -> bool:
    """Whether its attributes are all that there is of an object: its class is Python's, and pickled in no way of its own."""
    kind = type(value)
    own = [base for base in kind.__mro__ if base is not object]
    if any(_module(base) in ("builtins", "?") or "__reduce__" in vars(base) or "__getstate__" in vars(base) for base in own):
        return False
    try:
        object.__reduce_ex__(value, 2)  # refuses what holds more than attributes
    except TypeError:
        return False
    return True


# What is saved of it


def _is_large(value: Any) -> bool:
    return physics.is_model(value) or (isinstance(value, np.ndarray) and value.nbytes > LARGE)


def _digest(value: Any) -> Any:
    return physics.digests(value) if physics.is_model(value) else physics.digest(value)


def _content(path: Path, value: Any, built: Built) -> tuple[str, Any]:
    """How a leaf is saved, and what."""
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
                raise ValueError(f"its {path[-1]} is another than it was")
        case "space":
            _set_streams(current, content)
        case "model":
            physics.change(current, content)
        case "data":
            physics.load(current, content)


def _streams(space: Any) -> list[Any]:
    """The random streams of a space and of those within it; None where there is none yet."""
    within = getattr(space, "spaces", ())
    parts = within.values() if isinstance(within, Mapping) else within
    return [getattr(space, "_np_random", None), *(_streams(part) for part in parts)]


def _set_streams(space: Any, streams: list[Any]) -> None:
    within = getattr(space, "spaces", ())
    parts = within.values() if isinstance(within, Mapping) else within
    space._np_random = streams[0] if space._np_random is None else put_back(space._np_random, streams[0])
    for part, stream in zip(parts, streams[1:], strict=True):
        _set_streams(part, stream)
