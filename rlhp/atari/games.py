"""The paper's seven Atari games as records: the ROM, the hidden areas, and the reward of the synthetic teacher (section 3.1.2).

The paper blacks out the score in all games, so that the teacher's labels are the only source of the reward, and also the number
of enemies in BeamRider and the speedometer in Enduro (appendix A.2). It does not give the areas. Those here are exact: they
cover every pixel that depends on the score, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from rlhp.atari import criteria
from rlhp.types import Array, UserError


@dataclass(frozen=True, slots=True)
class Mask:
    """A hidden box of native pixels; `bottom` and `right` are exclusive."""

    top: int
    bottom: int
    left: int
    right: int
    sprites: tuple[int, ...] = ()  # palette indices of sprites that pass in front of the digits and stay visible


@dataclass(frozen=True, slots=True)
class Game:
    """A task: a game and its true reward."""

    name: str
    rom: str  # in ale-py
    masks: tuple[Mask, ...]
    game_over_penalty: float = 1.0  # all games but Pong have a penalty of unknown size at the end of an episode (appendix A.2)
    criterion: Callable[[Array, Array], float] | None = None  # (RAM before, RAM after) -> reward, instead of the game's points


def find(name: str) -> Game:
    """Look a game up by name. Raises UserError with the nearest name if there is none."""
    if name in GAMES:
        return GAMES[name]
    near = get_close_matches(name, GAMES, n=1, cutoff=0.0)[0]
    raise UserError(f"There is no game {name!r}: did you mean {near!r}? The games are {', '.join(GAMES)}.")


_ENDURO = (Mask(161, 192, 48, 112),)  # distance, cars to pass, day: the panel that the paper calls the speedometer

GAMES: dict[str, Game] = {
    game.name: game
    for game in [
        Game("beamrider", "beam_rider", (Mask(10, 18, 61, 107), Mask(32, 40, 16, 41))),  # score, enemies left in the sector
        Game("breakout", "breakout", (Mask(5, 15, 36, 80),)),  # the digit of the lives starts at column 100
        Game("enduro", "enduro", _ENDURO),
        Game("pong", "pong", (Mask(1, 21, 20, 48), Mask(1, 21, 100, 128)), game_over_penalty=0.0),
        Game("qbert", "qbert", (Mask(6, 13, 34, 71, sprites=(52,)),)),  # the player; the digits change colour with the round
        Game("seaquest", "seaquest", (Mask(9, 17, 59, 105),)),
        Game("spaceinvaders", "space_invaders", (Mask(10, 20, 4, 64, sprites=(82, 6)),)),  # the mystery ship and shots at it
        Game("enduro_pace", "enduro", _ENDURO, 0.0, criteria.pace),
    ]
}
