"""An emulated console with one game, stepped by four native frames as in Mnih et al. 2015."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ale_py import ALEInterface, ALEState, LoggerMode, roms

from rlhp.atari.games import GAMES, Game, Mask
from rlhp.atari.screen import hide, shrink
from rlhp.types import Array, UserError

FRAME_SKIP = 4  # native frames per action; there are 60 per second
MAX_FRAMES = 108_000  # native frames, 30 minutes, after which a game is truncated
SCREEN = (210, 160)  # native pixels of all seven games
MEND = "unset ALE_ROMS_DIR if it is set, else pip install --force-reinstall ale-py"

ALEInterface.setLoggerMode(LoggerMode.Error)  # otherwise it prints a banner on standard error


def console(game: Game, max_frames: int = 0) -> ALEInterface:
    """Create a console with the game's ROM, at the start of a game; `max_frames` 0 means no limit.

    There are no sticky actions, which were introduced in 2018. Raises UserError if the ROM cannot be read.
    """
    ale = ALEInterface()
    ale.setInt("frame_skip", 1)
    ale.setInt("max_num_frames_per_episode", max_frames)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(_rom(game))
    ale.reset_game()
    return ale


def missing() -> list[str]:
    """The games whose ROMs cannot be read; ale-py contains them."""
    return [name for name, game in GAMES.items() if not _readable(game)]


def _readable(game: Game) -> bool:
    try:
        _rom(game)
    except UserError:
        return False
    return True


def _rom(game: Game) -> str:
    """The path of the game's ROM. Raises UserError if it is missing or not the expected one."""
    try:
        path = roms.get_rom_path(game.rom)
    except OSError as error:
        raise UserError(f"the ROM of {game.name} cannot be read ({' '.join(str(error).split())}); {MEND}.") from error
    if path is None:
        raise UserError(f"ale-py has no ROM of {game.name}; {MEND}.")
    return str(path)


def advance(ale: ALEInterface, move: Any, look: Callable[[int], None]) -> int:
    """Hold a move for four native frames and call `look` (with 0, then 1) at the last two; returns the points won.

    Two frames are needed because the console draws some sprites only in every other frame. After the end of a game it stops.
    """
    points = ale.act(move) + ale.act(move) + ale.act(move)
    look(0)
    points += ale.act(move)
    look(1)
    return points


class Emulator:
    """An emulated game: starts, steps, small grey frames, and states that can be saved and loaded.

    `masks` are the hidden areas: those of the game, except in tests. Without sticky actions a game depends only on its start and
    the actions, and so does each frame after a saved state.
    """

    def __init__(self, game: Game, max_frames: int = MAX_FRAMES, masks: tuple[Mask, ...] | None = None) -> None:
        self.ale = console(game, max_frames)
        self.moves = self.ale.getMinimalActionSet()
        self._masks = game.masks if masks is None else masks
        self._coloured = any(mask.sprites for mask in self._masks)
        self._grey = np.zeros((2, *SCREEN), np.uint8)
        self._colours, self._both = np.zeros((2, *SCREEN), np.uint8)
        self._look(0)
        self._start, self._start_grey = self.ale.cloneState(), self._grey[0].copy()
        self.ale.act(0)  # before its first step, a console cannot load a state

    @property
    def over(self) -> bool:
        """Whether the game is over, or truncated at the limit of frames."""
        return self.ale.game_over()

    @property
    def lost(self) -> bool:
        """Whether the game is over by its own rules."""
        return self.ale.game_over(with_truncation=False)

    def begin(self, no_ops: int) -> None:
        """Start a game with `no_ops` native frames without action.

        It starts from the state after the ROM was loaded, since BeamRider's reset keeps parts of the previous game. The reset is
        for what a state does not contain; without it, Qbert runs differently.
        """
        self.ale.reset_game()
        self.ale.restoreState(self._start)
        self._grey[1] = self._start_grey
        for _ in range(no_ops):
            self.ale.act(0)
        if no_ops:
            self._look(1)
        self._grey[0] = self._grey[1]

    def step(self, action: int) -> int:
        """Take an action of the game's minimal action set for four native frames; returns the points won."""
        return advance(self.ale, self.moves[action], self._look)

    def draw(self, out: Array) -> None:
        """Write the current observation into `out` [84, 84]: the maximum of the last two native frames, resized."""
        np.maximum(self._grey[0], self._grey[1], out=self._both)
        shrink(self._both, out)

    def save(self) -> Array:
        """The console's state [S] uint8, whose size is constant per game. It does not contain the screen."""
        return np.frombuffer(self.ale.cloneState().serialize(), np.uint8)

    def load(self, state: Array) -> None:
        """Load a saved state [S]; `draw` is correct only after the next step."""
        self.ale.restoreState(ALEState(state.tobytes()))

    def _look(self, k: int) -> None:
        self.ale.getScreenGrayscale(self._grey[k])
        if self._coloured:
            self.ale.getScreen(self._colours)
        hide(self._grey[k], self._colours, self._masks)
