"""What the settings of a run that somebody else has made would run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

NAMED = re.compile(r"^\s*(?:_target_|path):\s*([\w.]+)", re.MULTILINE)  # what Hydra calls, and what it is told to look up
WRAPPER = re.compile(r"(gymnasium\.wrappers|rlhp\.envs\.endless)[:.]\w+")


def foreign(settings: Mapping[str, Any]) -> list[str]:
    """The names of code in settings that the configuration of rlhp does not name, sorted.

    Not every name below `rlhp` is ours: `rlhp.cli.command.os.system` would be found too.
    """
    return sorted({*_names(settings)} - ours())


def _names(node: Any) -> Iterator[str]:
    """What would be imported or called for the settings of a part."""
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
def ours() -> frozenset[str]:
    """The names of code in rlhp's configuration."""
    return frozenset(_found(files("rlhp.conf")))


def _found(folder: Traversable) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _found(entry)
        elif entry.name.endswith(".yaml"):
            yield from NAMED.findall(entry.read_text("utf-8"))
