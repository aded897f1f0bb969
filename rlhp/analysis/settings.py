"""Comparison of the settings of runs: a canonical form, and the settings in which runs differ."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from difflib import get_close_matches

from rlhp.run import may_change
from rlhp.types import UserError

Settings = Mapping[str, Hashable]  # dotted key -> value
TARGET = "_target_"


def canonical(settings: Settings) -> dict[str, Hashable]:
    """Return the settings that affect a run's results, except the seed.

    Excluded are the seed and its copies (leaves called `seed` with the same value), the run's name, settings that may change
    between two attempts at a run, and null: an option that is off equals one that an older version does not have.
    """
    seed = settings.get("seed")
    return {key: value for key, value in settings.items() if value is not None and not _excluded(key, value, seed)}


def _excluded(key: str, value: Hashable, seed: object) -> bool:
    first, last = key.split(".")[0], key.rpartition(".")[2]
    return first in ("seed", "name") or may_change(key) or (last == "seed" and value == seed)


def identity(settings: Settings) -> frozenset[tuple[str, Hashable]]:
    """Return a hashable value that is equal for equal settings."""
    return frozenset(settings.items())


def differing(compared: Sequence[Settings]) -> list[str]:
    """Return the dotted keys in which settings differ, those nearest to the root first.

    Excluded are copies: deeper keys with the same values as one nearer to the root. Also excluded are keys determined by the
    choice of a part: if `teacher._target_` differs, the arguments that only one of the teachers has.
    """
    keys = sorted({key for settings in compared for key in settings}, key=lambda key: (key.count("."), key))
    columns = {key: tuple(settings.get(key) for settings in compared) for key in keys}
    varied = {key: column for key, column in columns.items() if len(set(column)) > 1}
    return [key for key in varied if not _redundant(key, varied)]


def _redundant(key: str, varied: Mapping[str, tuple[Hashable, ...]]) -> bool:
    """Return whether a key is a copy of one nearer to the root, or the choice of a part above it determines its value."""
    column, parts = varied[key], key.split(".")
    targets = [".".join([*parts[:depth], TARGET]) for depth in range(1, len(parts))]
    chosen = [varied[target] for target in targets if target in varied and target != key]
    copied = any(other == column for name, other in varied.items() if name.count(".") < key.count("."))
    return copied or any(len({*zip(choice, column, strict=True)}) == len({*choice}) for choice in chosen)


def below(settings: Settings, keys: Sequence[str]) -> dict[str, Hashable]:
    """Return the leaves at the dotted keys, and those below them that affect results; none that are null."""
    exact = {key: settings[key] for key in keys if settings.get(key) is not None}
    deeper = {key: value for key, value in canonical(settings).items() if any(key.startswith(f"{wanted}.") for wanted in keys)}
    return {**deeper, **exact}


def check_known(keys: Sequence[str], compared: Sequence[Settings]) -> None:
    """Raise UserError, with the nearest names, for a key that no run has."""
    leaves = {key for settings in compared for key in settings}
    known = leaves | {leaf[:i] for leaf in leaves for i, letter in enumerate(leaf) if letter == "."}
    for key in keys:
        if key not in known:
            near = ", ".join(get_close_matches(key, sorted(known), n=3, cutoff=0.0))
            raise UserError(f"None of these runs has a setting {key}; the nearest are {near}.")


def names(compared: Sequence[Settings], keys: Sequence[str]) -> list[str]:
    """Format each as `KEY=VALUE, KEY=VALUE`; a part is named by its class, with its module if names would be ambiguous."""
    short = [_formatted(settings, keys, lambda target: target.rpartition(".")[2]) for settings in compared]
    return short if len(set(short)) == len(compared) else [_formatted(settings, keys, str) for settings in compared]


def _formatted(settings: Settings, keys: Sequence[str], part: Callable[[str], str]) -> str:
    """Format settings; `part` converts a `_target_` to a name."""
    words = {key: part(_word(settings.get(key))) if key.endswith(TARGET) else _word(settings.get(key)) for key in keys}
    return ", ".join(f"{key.removesuffix(f'.{TARGET}')}={word}" for key, word in words.items())


def _word(value: Hashable) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{', '.join(map(_word, value))}]" if isinstance(value, tuple) else str(value)


def order(settings: Settings, keys: Sequence[str]) -> tuple[tuple[bool, float, str], ...]:
    """Return a sort key for these keys: numbers by size, then everything else by name."""
    return tuple(_order(settings.get(key)) for key in keys)


def _order(value: Hashable) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return not number, float(value) if number else 0.0, _word(value)
