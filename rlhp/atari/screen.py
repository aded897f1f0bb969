"""From the console's screen to observations: hidden scores and small grey images."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from rlhp.atari.games import Mask
from rlhp.types import Array

SIZE = 84  # height and width of an observation in pixels (Mnih et al. 2015)

cv2.setNumThreads(1)  # images are small, and OpenCV's threads would compete with workers for the same cores


def hide(picture: Array, colours: Array, masks: tuple[Mask, ...]) -> None:
    """Black out the masks in place; they are hidden from agent, teacher and people.

    `picture` is one native frame, [210, 160] grey or [210, 160, 3] RGB. `colours` [210, 160] is the same frame as palette
    indices, used for masks that leave sprites visible.
    """
    for mask in masks:
        box = slice(mask.top, mask.bottom), slice(mask.left, mask.right)
        if mask.sprites:
            picture[box][_hidden(mask.sprites)[colours[box]]] = 0
        else:
            picture[box] = 0


@cache
def _hidden(sprites: tuple[int, ...]) -> Array:
    """Whether a palette index is hidden, [256] bool."""
    return ~np.isin(np.arange(256), sprites)


def shrink(picture: Array, out: Array) -> None:
    """Resize a grey frame [210, 160] by area interpolation into `out` [84, 84]."""
    cv2.resize(picture, (SIZE, SIZE), dst=out, interpolation=cv2.INTER_AREA)
