"""Which code the settings of somebody else's run would call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

NAMED = re.compile(r"^\s*(?:_target_|path):\s*([\w.]+)", re.MULTILINE)  # what Hydra calls, and what it is told to look up
WRAPPER = re.compile(r"(gymnasium\.wrappers|rlhp\.envs\.endless)[:.]\w+")


def unknown_code(settings: Mapping[str, Any]) -> list[str]:
    """Names of functions, classes and modules in settings that rlhp's own configuration does not contain, sorted.

    A prefix would not do: Hydra also finds `os.system` as `rlhp.cli.command.os.system`.
    """
    return sorted({*_names(settings)} - known_code())


def _names(node: Any) -> Iterator[str]:
    """All names that building from these settings would import or call."""
    if isinstance(node, list):
        for value in node:
            yield from _names(value)
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        match key:
            case "_target_":
                yield str(value)
            case "_args_":
                yield from map(str, value)
            case "path" if "_target_" in node:
                yield str(value)
            case "id" if ":" in str(value):  # Gymnasium imports what stands before the colon
                yield str(value)
            case "wrappers":
                yield from (name for name in _wrappers(value) if not WRAPPER.fullmatch(name))
        yield from _names(value)


def _wrappers(listed: Any) -> Iterator[str]:
    """The names in `env.wrappers`: each an entry, or the key of one."""
    for entry in listed or ():
        yield from map(str, entry if isinstance(entry, Mapping) else [entry])


@cache
def known_code() -> frozenset[str]:
    """The names that rlhp's own configuration contains."""
    return frozenset(_found(files("rlhp.conf")))


def _found(folder: Traversable) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _found(entry)
        elif entry.name.endswith(".yaml"):
            yield from NAMED.findall(entry.read_text("utf-8"))
