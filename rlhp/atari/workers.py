"""Steps the environments of a block in this process, or in worker processes with a part of them each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from rlhp.atari.block import Block, layout
from rlhp.atari.games import Game
from rlhp.atari.player import Player, Rules
from rlhp.workers import InProcess, Layout, Stepping, Workers, mapped, reserve


def players(game: Game, rules: Rules, n_envs: int, state_size: int, count: int) -> tuple[Block, Stepping]:
    """Create a block of `n_envs` environments with `count` players, each in a worker process unless `count` is 1."""
    fields = layout(n_envs, state_size)
    fd = reserve(fields)
    try:
        block = Block(**mapped(fd, fields))
        if count == 1:
            return block, InProcess(Player(game, rules, block, range(n_envs)))
        makers = [partial(_player, game, rules, fd, fields, range(n_envs)[k::count]) for k in range(count)]
        return block, Workers(makers, fd, "threads=1")
    finally:
        os.close(fd)


def _player(game: Game, rules: Rules, fd: int, fields: Layout, rows: Sequence[int]) -> Player:
    return Player(game, rules, Block(**mapped(fd, fields)), rows)
