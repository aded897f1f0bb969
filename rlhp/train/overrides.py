"""Rewrites command-line words so that Hydra can parse them: quotes text and paths, and adds keys to open dictionaries."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException

from rlhp import renamed
from rlhp.types import UserError, escaped

SWEEP = ("-m", "--multirun")
# Hydra's flags that take the next word as their value
FLAGS_WITH_VALUE = frozenset(
    "--config-dir -cd --config-path -cp --config-name -cn --cfg -c --package -p --info -i --experimental-rerun".split()  # noqa: SIM905
)
HYDRA_OPTIONS = (
    *(flag for flag in sorted(FLAGS_WITH_VALUE) if flag.startswith("--")),
    *("--help", "--hydra-help", "--version", "--resolve", "--run", "--multirun", "--shell-completion"),
)
TEXTS = ("instructions",)  # text settings, in which a comma does not separate values
OPEN = re.compile(r"(\w+\.)*(\w+_)?kwargs\.\w.*|tracker\.\w.*|keyboard\.\w.*")  # dictionaries with arbitrary keys
STRUCTURE = re.compile(r"[\[{(]|\w+\(")  # the start of a list, a dictionary or one of Hydra's functions


def normalise_overrides(words: Sequence[str]) -> list[str]:
    """The words of a command line with every KEY=VALUE in Hydra's syntax, and flags last, as its parser requires.

    Raises UserError, with the corrected line, for an ambiguous value, and for a setting given under two names.
    """
    sweeps = any(word in SWEEP for word in words)
    pairs = list(zip(words, ["", *words], strict=False))
    settings = [word for word, before in pairs if not word.startswith("-") and before not in FLAGS_WITH_VALUE]
    flags = [word for word, before in pairs if word.startswith("-") or before in FLAGS_WITH_VALUE]
    if twice := renamed.given_twice(settings):
        raise UserError(f"{twice[0]} and {twice[1]} are the same setting under its old and its current name; give it once.")
    present = [_renamed(word) for word in settings]
    return [*(_readable(word, sweeps) if "=" in word else word for word in present), *flags]


def _renamed(word: str) -> str:
    """A setting under its present name; prints a note to stderr for an old name."""
    new = renamed.override(word)
    if new != word:
        print(f"rlhp: {escaped(renamed.sentence(word, new))}", file=sys.stderr)
    return new


def parse_override(word: str) -> Override | None:
    """Parse one KEY=VALUE as Hydra does; None if that fails."""
    try:
        return OverridesParser.create().parse_overrides([word])[0]
    except HydraException:
        return None


def _readable(word: str, sweeps: bool) -> str:
    key, _, value = word.partition("=")
    if not key:
        raise UserError(f"{word!r} is not a setting; give settings as KEY=VALUE, such as env=hopper.")
    if OPEN.fullmatch(key):
        key = f"++{key}"
    override = parse_override(f"{key}={value}")
    if override is None and parse_override(f"{key}=") is None:
        return word  # not a setting; Hydra reports it
    if _plain(override, value):
        return f"{key}={value}"
    if key in TEXTS and not _uses_hydra_syntax(override):
        return f"{key}={_quoted(value)}"
    if paths := _paths(value):
        return f"{key}={','.join(map(_quoted, paths))}"
    if override is not None:
        return f"{key}={value}"
    if STRUCTURE.match(value) or (sweeps and "," in value):
        items = [value] if STRUCTURE.match(value) else value.split(",")
        texts = ",".join(QuotedString(item, Quote.double).with_quotes() for item in items)
        right = shlex.quote(f"{word.partition('=')[0]}={texts}")
        raise UserError(f"{word} cannot be parsed; if it is text, quote it for the shell and for Hydra: {right}")
    return f"{key}={_quoted(value)}"


def _plain(override: Override | None, value: str) -> bool:
    """Whether Hydra parses the value as this exact text."""
    return override is not None and override.value_type == ValueType.ELEMENT and override.value() == value


def _uses_hydra_syntax(override: Override | None) -> bool:
    """Whether a text uses Hydra's grammar on purpose: it is quoted, a sweep by name, or null."""
    if override is None:
        return False
    if override.value_type == ValueType.SIMPLE_CHOICE_SWEEP:
        return all(isinstance(item, QuotedString) for item in override.sweep_iterator())
    return (
        override.value_type != ValueType.ELEMENT
        or override.get_value_element_as_str()[:1] in ("", "'", '"')
        or override.value() is None
    )


def _paths(value: str) -> list[str]:
    """The existing paths that a value lists, whose names may contain commas; empty if it lists anything else."""
    found, rest = [], value.split(",")
    while rest:
        whole = next((n for n in range(len(rest), 0, -1) if _exists(",".join(rest[:n]))), None)
        if whole is None:
            return []
        found.append(",".join(rest[:whole]))
        rest = rest[whole:]
    return found


def _exists(path: str) -> bool:
    return ("/" in path or "=" in path) and os.path.exists(path)


def _quoted(text: str) -> str:
    return QuotedString(text, Quote.single).with_quotes()
