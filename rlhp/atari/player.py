"""Some environments of a block, stepped one after the other."""

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
    """How games begin and end, and what the teacher judges by."""

    no_ops: int = 30  # a game begins with 0 to so many native frames of doing nothing, at random
    max_frames: int = MAX_FRAMES
    clip_rewards: bool = True  # the sign of a step's points; False: the points
    game_over_penalty: float = 1.0
    life_loss_penalty: float = 0.0  # for each life lost
    masks: tuple[Mask, ...] | None = None  # what is hidden; None: what the game says


class Player:
    """The environments `rows` of a block: each its own console, started anew where its game is over.

    Game e of environment i is a pure function of (seed, i, e) and the actions, whoever else steps beside it.
    """

    def __init__(self, game: Game, rules: Rules, block: Block, rows: Sequence[int]) -> None:
        self._criterion, self._rules, self._block = game.criterion, rules, block
        self._emulators = {i: Emulator(game, rules.max_frames, rules.masks) for i in rows}

    def __call__(self, order: bytes, argument: Any = None) -> None:
        """Do what a key of ORDERS stands for."""
        ORDERS[order](self)

    def close(self) -> None:
        """Nothing is held open."""

    def reset(self) -> None:
        """Begin the next game of every environment."""
        for i, emulator in self._emulators.items():
            self._begin(i, emulator)
            self._show(i, emulator)

    def step(self) -> None:
        """Take the block's actions."""
        for i, emulator in self._emulators.items():
            self._step(i, emulator)
            self._show(i, emulator)

    def load(self) -> None:
        """Go on from the block's states; where no game has begun yet, there is none."""
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
