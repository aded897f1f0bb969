"""A clip in colour, replayed from the state it started in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from threading import Lock

import numpy as np
from ale_py import ALEState

from rlhp.atari.emulator import SCREEN, advance, console
from rlhp.atari.games import Game
from rlhp.atari.screen import hide
from rlhp.types import Array

STRETCH = 30  # pictures, 3 MB, that are held in memory at a time
_one_at_a_time = Lock()  # a console plays one stretch at a time, and emulation does not let go of Python's lock anyway


def colour_frames(game: Game, state: Array, actions: Array) -> Iterator[Array]:
    """The native pictures [210, 160, 3] uint8 that L actions [L] led to from a state [S] uint8, one by one, scores hidden.

    Each is the maximum of a step's last two native frames, as in the agent's observation: the console draws some sprites in
    every other frame, and a frame skip of four would never show those that the last frame leaves out.
    """
    for start in range(0, len(actions), STRETCH):
        with _one_at_a_time:  # others may play between two stretches
            pictures, state = _play(game, state, actions[start : start + STRETCH])
        yield from pictures


@cache
def _ready(game: Game):
    ale = console(game)
    ale.act(0)  # a console that never moved does not take a state
    return ale, ale.getMinimalActionSet()


def _play(game: Game, state: Array, actions: Array) -> tuple[Array, Array]:
    """The pictures of some steps [L, 210, 160, 3], and the state after them."""
    ale, moves = _ready(game)
    pictures = np.zeros((len(actions), *SCREEN, 3), np.uint8)
    native, colours = np.zeros((2, *SCREEN, 3), np.uint8), np.zeros(SCREEN, np.uint8)

    def look(k: int) -> None:
        ale.getScreenRGB(native[k])
        ale.getScreen(colours)
        hide(native[k], colours, game.masks)

    ale.restoreState(ALEState(np.asarray(state, np.uint8).tobytes()))
    for picture, action in zip(pictures, actions, strict=True):
        advance(ale, moves[int(action)], look)
        np.maximum(native[0], native[1], out=picture)
    return pictures, np.frombuffer(ale.cloneState().serialize(), np.uint8)
