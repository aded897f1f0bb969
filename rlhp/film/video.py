"""Encode pictures as a video file that browsers can play."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from math import ceil
from pathlib import Path

import av
import numpy as np

from rlhp.atomic import replacing
from rlhp.types import Array, UserError

CODECS = {"h264": ("libx264", "mp4"), "vp9": ("libvpx-vp9", "webm")}
OPTIONS = {
    "h264": {"preset": "veryfast", "crf": "23"},
    "vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "33", "b": "0"},
}


def frame_rate(dt: float, at_most: int = 50) -> tuple[int, Fraction]:
    """Return (n, frames per second) such that showing every n-th state plays in real time; `dt`: seconds between states."""
    every = ceil(1 / (dt * at_most) - 1e-9)
    return every, Fraction(1 / (dt * every)).limit_denominator(1000)


def check(codec: str) -> None:
    """Raise UserError if this machine cannot encode with a codec."""
    if codec not in CODECS:
        raise UserError(f"there is no codec {codec!r}; choose one of {', '.join(CODECS)}")
    if CODECS[codec][0] not in av.codecs_available:
        raise UserError(f"the encoder {CODECS[codec][0]} is missing; install it with: pip install --force-reinstall av")


def write(frames: Iterable[Array], path: Path, fps: Fraction | int, codec: str = "h264") -> Path:
    """Encode pictures [H, W, 3] uint8 as a video that browsers can play, and return its path; the file is complete or absent.

    `codec`: h264 (.mp4) or vp9 (.webm). Raises UserError for another codec, for a missing encoder, and if there are no
    pictures.
    """
    check(codec)
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise UserError("there is nothing to film: no pictures")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as draft:
        _encode(chain([first], pictures), draft, fps, codec, first.shape[1] // 2 * 2, first.shape[0] // 2 * 2)
    return path


def _encode(pictures: Iterable[Array], path: Path, fps: Fraction | int, codec: str, width: int, height: int) -> None:
    encoder, container = CODECS[codec]
    faststart = {"movflags": "+faststart"} if container == "mp4" else {}  # playback can start before the whole file is loaded
    with av.open(str(path), "w", format=container, options=faststart) as output:
        stream = output.add_stream(encoder, rate=fps, options=OPTIONS[codec])
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"  # this format needs even side lengths
        for picture in pictures:
            image = np.ascontiguousarray(picture[:height, :width])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode())
