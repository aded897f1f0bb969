"""The message format for pictures and their metadata, from the environment's process to the page's and on to browsers."""

from __future__ import annotations

import json
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

import numpy as np
from PIL import Image

from rlhp.types import Array

COLOURS = 256  # pictures with at most this many colours are sent lossless as PNG; others as JPEG, which is faster and smaller
QUALITY = 88


def encoded(picture: Array) -> bytes:
    """Encode a picture [H, W, 3] uint8 as PNG or JPEG."""
    file, image = BytesIO(), Image.fromarray(np.ascontiguousarray(picture))
    if image.getcolors(COLOURS) is not None:
        image.save(file, "PNG", compress_level=1)
    else:
        image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def packed(header: Mapping[str, Any], picture: bytes) -> bytes:
    """Pack a message: the length of the header in four bytes, the header as JSON, the picture."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "big") + text + picture


def write_message(stream: IO[bytes], content: bytes) -> None:
    """Write one message."""
    stream.write(len(content).to_bytes(4, "big") + content)
    stream.flush()


async def read_message(stream: StreamReader) -> bytes | None:
    """Read the next message; None if the other side has closed the stream."""
    try:
        size = await stream.readexactly(4)
        return await stream.readexactly(int.from_bytes(size, "big"))
    except IncompleteReadError:
        return None
