"""Helpers that commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from rlhp.types import UserError, escaped

Add = Callable[..., argparse.ArgumentParser]  # of a command, by its name


def say(text: object) -> None:
    """Print text that may contain names from users or files."""
    print(escaped(str(text), keep="\n\t"))


def unknown_words(words: Sequence[str], command: argparse.ArgumentParser, more: Iterable[str] = ()) -> str:
    """A sentence on one of these words, which a command does not take, with the most similar of its options and `more`."""
    word = next((word.partition("=")[0] for word in words if word.startswith("-")), words[0])
    if not word.startswith("-"):
        return f"{command.prog} does not take {word!r}; {command.prog} --help lists what it takes."
    options = [name for name in (*command._option_string_actions, *more) if name.startswith("--")]
    near = get_close_matches(word, options, n=1)
    return (
        f"{command.prog} has no option {word}{f': did you mean {near[0]}?' if near else f'; {command.prog} --help lists them.'}"
    )


def check_answers(path: Path) -> None:
    """Raise UserError for a published run without its queries, clips and answers, which a command needs."""
    from rlhp.run import is_fit, is_published, read_settings

    if not is_published(path) or (path / "preferences.sqlite").exists():
        return
    if is_fit(path, read_settings(path)):
        raise UserError(f"{path} is a published fit without its comparisons; if you have them, fit again with rlhp fit DATA.")
    raise UserError(
        f"{path} is a published run without the queries, clips and answers that this command needs; use the directory in which "
        "it was trained, or ask its author to publish it with rlhp push --answers and pull it again."
    )


def check_opengl() -> None:
    """Raise UserError if MUJOCO_GL names a backend that is missing: importing MuJoCo would fail."""
    wanted = os.environ.get("MUJOCO_GL")
    if wanted:
        try:
            import_module("mujoco")
        except Exception as error:  # PyOpenGL raises errors of many types
            raise UserError(
                f"MUJOCO_GL={wanted} cannot be used here ({error}); unset it, or set it to egl (rlhp doctor says what this needs)"
            ) from error
