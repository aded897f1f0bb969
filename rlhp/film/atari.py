"""Clips of Atari games in colour, rendered by replaying the actions from the clip's first emulator state."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from rlhp.atari import colour_frames, find
from rlhp.types import Array, Segment, UserError

HEIGHT = 210  # native pixels


class Atari:
    """Renders clips of an Atari game: one picture after each action, shown at 15 per second as in the paper.

    Native pictures [210, 160] are enlarged by the integer factor k that comes nearest to the requested size, so that they stay
    sharp. Raises UserError for an unknown game.
    """

    fps = 15  # 25 steps last 1.7 s (appendix A.2)
    dt = 1 / 15  # four native frames at 60 per second

    def __init__(self, game: str) -> None:
        self._game = find(game)

    def check(self) -> None:
        """Do nothing: every machine can run the emulator."""

    @contextmanager
    def clip_renderer(self, size: int) -> Generator[Callable[[Segment], Iterator[Array]]]:
        """Yield a function that renders a segment as pictures [210 k, 160 k, 3] uint8, where 210 k is about `size`."""
        k = max(1, round(size / HEIGHT))
        yield lambda segment: (picture.repeat(k, axis=0).repeat(k, axis=1) for picture in self._replayed(segment))

    def _replayed(self, segment: Segment) -> Iterator[Array]:
        if segment.state is None:
            raise UserError(
                "These clips cannot be drawn: they hold no emulator state; set film to a class that draws them without."
            )
        return colour_frames(self._game, segment.state[0], segment.act)
