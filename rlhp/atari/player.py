"""Steps some environments of a block, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlhp.atari.block import Block
from rlhp.atari.emulator import MAX_FRAMES, Emulator
from rlhp.atari.games import Game, Mask
from rlhp.types import make_rng


@dataclass(frozen=True, slots=True)
class Rules:
    """How games start and end, and the true reward."""

    no_ops: int = 30  # a game starts with a random number of native frames without action, from 0 to this
    max_frames: int = MAX_FRAMES
    clip_rewards: bool = True  # the sign of a step's points; False: the points
    game_over_penalty: float = 1.0
    life_loss_penalty: float = 0.0  # for each life lost
    masks: tuple[Mask, ...] | None = None  # hidden areas; None: those of the game


class Player:
    """Plays the environments `rows` of a block, each with its own console, and starts a new game when one is over.

    Game e of environment i depends only on (seed, i, e) and the actions, and not on the other environments.
    """

    def __init__(self, game: Game, rules: Rules, block: Block, rows: Sequence[int]) -> None:
        self._criterion, self._rules, self._block = game.criterion, rules, block
        self._emulators = {i: Emulator(game, rules.max_frames, rules.masks) for i in rows}

    def __call__(self, order: bytes, argument: Any = None) -> None:
        """Execute an order, a key of ORDERS."""
        ORDERS[order](self)

    def close(self) -> None:
        """Nothing to close."""

    def reset(self) -> None:
        """Start the next game in each environment."""
        for i, emulator in self._emulators.items():
            self._begin(i, emulator)
            self._show(i, emulator)

    def step(self) -> None:
        """Take the block's actions."""
        for i, emulator in self._emulators.items():
            self._step(i, emulator)
            self._show(i, emulator)

    def load(self) -> None:
        """Load the block's states; an environment whose first game has not started has none."""
        for i, emulator in self._emulators.items():
            if self._block.episode[i] >= 0:
                emulator.load(self._block.state[i])

    def _step(self, i: int, emulator: Emulator) -> None:
        block, ale = self._block, emulator.ale
        lives = ale.lives()
        before = None if self._criterion is None else ale.getRAM()
        points = emulator.step(block.action[i])
        block.running[i] += points
        if self._criterion is None or before is None:
            reward = float(np.sign(points)) if self._rules.clip_rewards else float(points)
        else:
            reward = self._criterion(before, ale.getRAM())
        reward -= self._rules.life_loss_penalty * max(lives - ale.lives(), 0)
        block.cut[i] = emulator.over
        if emulator.over:
            reward -= self._rules.game_over_penalty * emulator.lost
            block.score[i] = block.running[i]
            self._begin(i, emulator)
        block.reward[i] = reward

    def _begin(self, i: int, emulator: Emulator) -> None:
        block = self._block
        block.episode[i] += 1
        block.running[i] = 0
        rng = make_rng(int(block.seed[0]), "env", i, int(block.episode[i]))
        emulator.begin(int(rng.integers(self._rules.no_ops + 1)))

    def _show(self, i: int, emulator: Emulator) -> None:
        emulator.draw(self._block.frame[i])
        self._block.state[i] = emulator.save()


ORDERS = {b"r": Player.reset, b"s": Player.step, b"l": Player.load}
