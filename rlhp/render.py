"""Pictures of Gymnasium environments, of bounded size."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import DependencyNotInstalled
from PIL import Image

from rlhp.types import Array, UserError

MODE = "rgb_array"


def headless() -> None:
    """Let pygame render without a screen, and without its greeting. Call it before an environment is created."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")  # SDL would catch SIGTERM, and the process would not terminate
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def offers(env: gymnasium.Env) -> bool:
    """Whether the environment supports render_mode=rgb_array."""
    return MODE in (env.metadata.get("render_modes") or ())


def rendered(env: gymnasium.Env) -> Array:
    """The environment's current picture, [H, W, 3] uint8; it needs render_mode=rgb_array.

    Raises UserError if it does not render, or if a library for rendering is missing.
    """
    return drawn(env.render)


def drawn(draw: Callable[[], Any]) -> Array:
    """The picture [H, W, 3] uint8 that an environment's own render function returns. Raises UserError as `rendered` does."""
    try:
        picture = draw()
    except NotImplementedError:
        picture = None
    except DependencyNotInstalled as error:
        raise UserError(str(error)) from error
    if picture is None:
        raise UserError("this environment draws no pictures (it does not support render_mode=rgb_array)")
    picture = np.asarray(picture)
    if picture.ndim == 2:
        picture = np.repeat(picture[:, :, np.newaxis], 3, axis=2)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (3, 4):
        raise UserError(
            f"render of this environment returns an array of {picture.dtype}, {list(picture.shape)}: it has to return one "
            "picture, [H, W, 3] uint8."
        )
    return picture[:, :, :3]


def shrunk(picture: Array, size: int) -> Array:
    """Shrink a picture [H, W, 3] uint8 in proportion to sides of at most `size`; each pixel is the mean of an area."""
    height, width = picture.shape[:2]
    longer = max(height, width)
    if longer <= size:
        return picture
    wanted = max(1, round(width * size / longer)), max(1, round(height * size / longer))
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize(wanted, Image.Resampling.BOX))
