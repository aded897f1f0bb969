"""Replays a clip in colour from its first state."""

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

STRETCH = 30  # pictures, 3 MB, that are in memory at a time
_one_at_a_time = Lock()  # a console plays one stretch at a time; emulation does not release the GIL anyway


def colour_frames(game: Game, state: Array, actions: Array) -> Iterator[Array]:
    """Yield native pictures [210, 160, 3] uint8 after each of L actions [L] from a state [S] uint8, with hidden scores.

    Each is the maximum of a step's last two native frames, as in the agent's observation: the console draws some sprites only in
    every other frame, and with a frame skip of four those missing in the last frame would never be visible.
    """
    for start in range(0, len(actions), STRETCH):
        with _one_at_a_time:  # other threads may play between two stretches
            pictures, state = _play(game, state, actions[start : start + STRETCH])
        yield from pictures


@cache
def _ready(game: Game):
    ale = console(game)
    ale.act(0)  # before its first step, a console cannot load a state
    return ale, ale.getMinimalActionSet()


def _play(game: Game, state: Array, actions: Array) -> tuple[Array, Array]:
    """The pictures after some actions, [L, 210, 160, 3], and the state after the last."""
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
