"""The keys of a game: its joystick, by the names of the actions."""

from __future__ import annotations

import numpy as np

from rlhp.atari.emulator import console
from rlhp.atari.games import Game
from rlhp.keys import Binding

KEYS = {"UP": "ArrowUp", "DOWN": "ArrowDown", "LEFT": "ArrowLeft", "RIGHT": "ArrowRight", "FIRE": "Space"}


def bindings(game: Game) -> tuple[Binding, ...]:
    """Bind the actions of the game's minimal action set by the parts of their names: UPRIGHTFIRE is up, right and fire."""
    names = [action.name for action in console(game).getMinimalActionSet()]
    found = [tuple(part for part in KEYS if part in name) for name in names]
    return tuple(
        Binding(tuple(KEYS[part] for part in parts), np.array(i), " and ".join(parts).lower()) for i, parts in enumerate(found)
    )
