"""Films that were written, decoded."""

from pathlib import Path

import av
import numpy as np

from rlhp.types import Array


def decoded(path: Path) -> tuple[Array, float]:
    """The frames [T, H, W, 3] uint8 of a film, and how many are shown in a second."""
    with av.open(str(path)) as video:
        rate = video.streams.video[0].average_rate
        assert rate is not None
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]), float(rate)
