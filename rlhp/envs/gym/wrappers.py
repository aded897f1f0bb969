"""Gymnasium wrappers named in the settings, put around an environment."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import gymnasium

from rlhp.types import UserError

Named = str | Mapping[str, Mapping[str, Any] | None]  # module:Class, or module.Class, or one of these with its keywords
TOLD = "env.wrappers lists wrappers as module:Class, and those with keywords as {module.Class: {keyword: value}}"


def find(named: Sequence[Named]) -> list[tuple[Any, dict[str, Any]]]:
    """The classes, or functions, of these names and their keywords, in the same order.

    Raises UserError where there is no such module or class, and for what is no name. What a module raises itself passes.
    """
    if isinstance(named, str) or not isinstance(named, Sequence):
        raise UserError(f"{TOLD}: a list of them, not {named!r}.")
    return [_found(each) for each in named]


def applied(env: gymnasium.Env, wrappers: Sequence[tuple[Any, dict[str, Any]]]) -> gymnasium.Env:
    """The environment within the first of these, that within the second, and so on. Raises UserError for unknown keywords."""
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
        raise UserError(f"{TOLD}, not {named!r}.")
    return _imported(name), {str(key): _tupled(value) for key, value in (keywords or {}).items()}


def _tupled(value: Any) -> Any:
    """Lists as tuples: YAML has only the former, and Gymnasium's wrappers insist on the latter."""
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _imported(name: str) -> Any:
    path, _, attribute = name.replace(":", ".").rpartition(".")
    if not path or not attribute:
        raise UserError(f"{TOLD}, not {name!r}.")
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise  # another module, which that one wants
        raise UserError(f"env.wrappers names {name}, and there is no module {path}; set PYTHONPATH to its folder.") from error
    if not callable(found := getattr(module, attribute, None)):
        near = get_close_matches(attribute, [known for known in dir(module) if known[0].isupper()], n=3, cutoff=0.0)
        raise UserError(f"env.wrappers names {name}, and {path} has no class {attribute}; the nearest are {', '.join(near)}.")
    return found
