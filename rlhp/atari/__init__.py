"""Atari 2600 games in the Arcade Learning Environment: emulator, hidden scores, and clips replayed in colour.

Both `rlhp.envs` and `rlhp.film` use it. It imports neither torch nor Stable-Baselines3, so that worker processes start in a
fraction of a second.
"""

from rlhp.atari.games import GAMES, Game, Mask, find
from rlhp.atari.replay import colour_frames
from rlhp.atari.screen import SIZE, hide

__all__ = ["GAMES", "SIZE", "Game", "Mask", "colour_frames", "find", "hide"]
