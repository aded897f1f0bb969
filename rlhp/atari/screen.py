"""From the console's screen to what is seen: hidden scores, the maximum of two frames, and the small grey image."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from rlhp.atari.games import Mask
from rlhp.types import Array

SIZE = 84  # pixels of an observation, both ways (Mnih et al. 2015)

cv2.setNumThreads(1)  # images are small, and threads of OpenCV's own would compete with workers for the same cores


def hide(picture: Array, colours: Array, masks: tuple[Mask, ...]) -> None:
    """Black out in place what nobody may see: agent, teacher and people.

    `picture` is one native frame, [210, 160] grey or [210, 160, 3] RGB; `colours` [210, 160] the same frame as palette indices,
    read where a mask leaves sprites visible.
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
