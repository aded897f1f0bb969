"""Key bindings of a Gymnasium environment, from its `get_keys_to_action`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rlhp.keys import Binding

# pygame's numbers of non-character keys: of version 1, which some environments still use, and of version 2
NUMBERED = {
    273: "ArrowUp", 274: "ArrowDown", 275: "ArrowRight", 276: "ArrowLeft",
    1073741906: "ArrowUp", 1073741905: "ArrowDown", 1073741903: "ArrowRight", 1073741904: "ArrowLeft",
}  # fmt: skip
CHARACTERS = {" ": "Space", ",": "Comma", ".": "Period", "/": "Slash", ";": "Semicolon"}


def bindings(mapping: Mapping[Any, Any]) -> tuple[Binding, ...]:
    """Convert Gymnasium's mapping from keys held together to an action; skips keys that browsers have no name for."""
    named = [(tuple(map(_code, _keys(keys))), action) for keys, action in mapping.items()]
    return tuple(Binding(codes, np.asarray(action)) for codes, action in named if all(codes))  # type: ignore[arg-type]


def _keys(keys: Any) -> Iterable[Any]:
    return keys if isinstance(keys, str | tuple | list) else (keys,)


def _code(key: str | int) -> str | None:
    """Return the browsers' name of a character, or of pygame's number of a key."""
    if isinstance(key, int):
        if key in NUMBERED:
            return NUMBERED[key]
        key = chr(key) if key < 128 else ""
    if key in CHARACTERS:
        return CHARACTERS[key]
    if not key.isascii():
        return None
    return f"Key{key.upper()}" if key.isalpha() else f"Digit{key}" if key.isdigit() else None
