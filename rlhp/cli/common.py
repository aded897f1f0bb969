"""Helpers that commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from importlib import import_module

from rlhp.types import UserError, escaped

Add = Callable[..., argparse.ArgumentParser]  # of a command, by its name


def say(text: object) -> None:
    """Print text that may contain names from users or files."""
    print(escaped(str(text), keep="\n\t"))


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
