"""Atari 2600 games in the Arcade Learning Environment: emulator, hidden scores, and clips replayed in colour.

It stands below environments and film, which both use it, and imports neither torch nor Stable-Baselines3: worker processes
start in a fraction of a second.
"""

from rlhp.atari.games import GAMES, Game, Mask, find
from rlhp.atari.replay import colour_frames
from rlhp.atari.screen import SIZE, hide

__all__ = ["GAMES", "SIZE", "Game", "Mask", "colour_frames", "find", "hide"]
