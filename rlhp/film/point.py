"""Clips of the probe environment, a point in the plane, drawn from its observations without OpenGL."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np

from rlhp.types import Array, Segment


class Point:
    """Draws the position of the point before each step."""

    fps = Fraction(20, 3)  # a clip of 10 steps lasts 1.5 s
    dt = 0.1

    def check(self) -> None:
        """Do nothing: every machine can draw points."""

    @contextmanager
    def clip_renderer(self, size: int) -> Generator[Callable[[Segment], Iterator[Array]]]:
        """Yield a function that renders a segment as pictures [size, size, 3] uint8."""
        yield lambda segment: dots(segment.obs, size)


def dots(positions: Array, size: int) -> Iterator[Array]:
    """Draw one picture per position [L, 2], in metres, with the origin marked."""
    grid = np.linspace(1.5, -1.5, size), np.linspace(-1.5, 1.5, size)
    down, right = np.meshgrid(*grid, indexing="ij")
    canvas = np.full((size, size, 3), 232, np.uint8)
    canvas[(np.abs(down) < 0.012) | (np.abs(right) < 0.012)] = 200
    canvas[np.abs(np.hypot(down, right) - 0.12) < 0.02] = (60, 140, 90)
    for x, y in positions:
        picture = canvas.copy()
        picture[np.hypot(down - y, right - x) < 0.07] = (190, 80, 50)
        yield picture
