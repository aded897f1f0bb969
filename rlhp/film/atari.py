"""Clips of Atari games in colour: the actions are played again from the state that the clip began in."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from rlhp.atari import colour_frames, find
from rlhp.types import Array, Segment, UserError

HEIGHT = 210  # native pixels


class Atari:
    """Draws clips of one of `rlhp.atari`'s games: a picture of what each action led to, at 15 a second as in the paper.

    Pictures are native ones, [210, 160], each pixel k x k of theirs, so that they stay sharp: with the integer k by which they
    come nearest to the size that is asked for. Raises UserError for an unknown game.
    """

    fps = 15  # 25 steps last 1.7 s (appendix A.2)
    dt = 1 / 15  # four native frames, of which a console draws 60 a second

    def __init__(self, game: str) -> None:
        self._game = find(game)

    def check(self) -> None:
        """Any machine can play."""

    @contextmanager
    def clip_renderer(self, size: int) -> Generator[Callable[[Segment], Iterator[Array]]]:
        """Draws one segment after another, as [210 k, 160 k, 3] uint8, 210 k being about `size`."""
        k = max(1, round(size / HEIGHT))
        yield lambda segment: (picture.repeat(k, axis=0).repeat(k, axis=1) for picture in self._played(segment))

    def _played(self, segment: Segment) -> Iterator[Array]:
        if segment.state is None:
            raise UserError("These clips cannot be drawn: they hold no state of the console; let film name what draws them.")
        return colour_frames(self._game, segment.state[0], segment.act)
