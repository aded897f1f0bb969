"""How pictures and what goes with them travel: from the environment's process to the page's, and on to browsers."""

from __future__ import annotations

import json
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

import numpy as np
from PIL import Image

from rlhp.types import Array

COLOURS = 256  # up to so many a picture is sent exactly, as PNG; others as JPEG, which takes less time and room
QUALITY = 88


def encoded(picture: Array) -> bytes:
    """[H, W, 3] uint8 as PNG or JPEG."""
    file, image = BytesIO(), Image.fromarray(np.ascontiguousarray(picture))
    if image.getcolors(COLOURS) is not None:
        image.save(file, "PNG", compress_level=1)
    else:
        image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def packed(header: Mapping[str, Any], picture: bytes) -> bytes:
    """Four bytes that say how long the header is, the header as JSON, the picture."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "big") + text + picture


def write_message(stream: IO[bytes], content: bytes) -> None:
    """Send one message."""
    stream.write(len(content).to_bytes(4, "big") + content)
    stream.flush()


async def read_message(stream: StreamReader) -> bytes | None:
    """The next message; None where the other side has gone."""
    try:
        size = await stream.readexactly(4)
        return await stream.readexactly(int.from_bytes(size, "big"))
    except IncompleteReadError:
        return None
