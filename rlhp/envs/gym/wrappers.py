"""Gymnasium wrappers named in the settings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import gymnasium

from rlhp.types import UserError

Named = str | Mapping[str, Mapping[str, Any] | None]  # module:Class, or module.Class, or one of these with its keywords
USAGE = "env.wrappers lists wrappers as module:Class, and those with keywords as {module.Class: {keyword: value}}"


def find(named: Sequence[Named]) -> list[tuple[Any, dict[str, Any]]]:
    """Import the classes or functions of these names; return them with their keywords, in the same order.

    Raises UserError if a module or class does not exist, and for invalid names. Exceptions of a module's own code propagate.
    """
    if isinstance(named, str) or not isinstance(named, Sequence):
        raise UserError(f"{USAGE}: a list of them, not {named!r}.")
    return [_found(each) for each in named]


def applied(env: gymnasium.Env, wrappers: Sequence[tuple[Any, dict[str, Any]]]) -> gymnasium.Env:
    """Apply the wrappers in order, the first one innermost. Raises UserError for unknown keywords."""
    for wrapper, keywords in wrappers:
        try:
            inspect.signature(wrapper).bind(env, **keywords)
        except (TypeError, ValueError) as error:  # ValueError: a class without a signature
            given = ", ".join(["an environment", *keywords])
            raise UserError(
                f"{wrapper.__module__}.{wrapper.__qualname__} in env.wrappers cannot be called with {given}: {error}."
            ) from error
        env = wrapper(env, **keywords)
        if not isinstance(env, gymnasium.Env):
            raise UserError(
                f"{wrapper.__module__}.{wrapper.__qualname__} in env.wrappers makes a {type(env).__name__}, not an environment."
            )
    return env


def _found(named: Named) -> tuple[Any, dict[str, Any]]:
    if isinstance(named, Mapping) and len(named) == 1:
        ((name, keywords),) = named.items()
    else:
        name, keywords = named, {}
    if not isinstance(name, str) or not isinstance(keywords, Mapping | None):
        raise UserError(f"{USAGE}, not {named!r}.")
    return _imported(name), {str(key): _tupled(value) for key, value in (keywords or {}).items()}


def _tupled(value: Any) -> Any:
    """Convert lists to tuples: YAML has only lists, and Gymnasium's wrappers require tuples."""
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _imported(name: str) -> Any:
    path, _, attribute = name.replace(":", ".").rpartition(".")
    if not path or not attribute:
        raise UserError(f"{USAGE}, not {name!r}.")
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise  # a module that the named one imports
        raise UserError(f"env.wrappers names {name}, but there is no module {path}; set PYTHONPATH to its folder.") from error
    if not callable(found := getattr(module, attribute, None)):
        near = get_close_matches(attribute, [known for known in dir(module) if known[0].isupper()], n=3, cutoff=0.0)
        raise UserError(f"env.wrappers names {name}, but {path} has no class {attribute}; the nearest are {', '.join(near)}.")
    return found
