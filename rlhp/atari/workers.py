"""Processes that each step a share of the environments of a block.

A console holds the GIL while it emulates, so threads would not help. Frames, actions and states lie in shared memory; a
byte through a pipe says what to do, and a byte comes back when it is done. A worker exits when
its parent does, however that ends: its standard input closes.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from traceback import format_exc
from typing import NoReturn
from weakref import finalize

from rlhp.atari.block import mapped
from rlhp.atari.games import Game
from rlhp.atari.player import Player, Rules
from rlhp.types import UserError

PROGRAM = "from rlhp.atari.workers import serve; serve()"  # not multiprocessing's: that would run the main program once more
ORDERS = {b"r": Player.reset, b"s": Player.step, b"l": Player.load}
DONE, FAILED = b".", b"!"
PATIENCE = 5.0  # seconds to end by itself
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Workers:
    """`count` processes; worker k steps the environments k, k + count, ... of the block behind `fd`."""

    def __init__(self, game: Game, rules: Rules, fd: int, n_envs: int, state_size: int, count: int) -> None:
        path = os.pathsep.join(filter(None, sys.path))
        shares = [list(range(n_envs))[k::count] for k in range(count)]
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[fd],
                start_new_session=True,  # an interrupt at the keyboard is for whoever began it
            )
            for _ in shares
        ]
        self.close = finalize(self, _end, self._processes)
        for process, rows in zip(self._processes, shares, strict=True):
            self._send(process, pickle.dumps((game, rules, fd, n_envs, state_size, rows)))
        self.finish()

    def start(self, order: bytes) -> None:
        """Every worker does what a key of ORDERS stands for. Raises UserError if one is gone."""
        for process in self._processes:
            self._send(process, order)

    def finish(self) -> None:
        """Back when all are done. Raises UserError if a worker is gone, RuntimeError with what it raised if it failed."""
        for process in self._processes:
            told = os.read(process.stdout.fileno(), 1)  # type: ignore[union-attr]
            if told != DONE:
                self._fail(process, told)

    def _send(self, process: subprocess.Popen[bytes], order: bytes) -> None:
        try:
            process.stdin.write(order)  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            self._fail(process, b"")

    def _fail(self, process: subprocess.Popen[bytes], told: bytes) -> NoReturn:
        trace = process.stdout.read().decode() if told == FAILED else ""  # type: ignore[union-attr]
        self.close()
        if trace:
            raise RuntimeError(f"a process that steps the game failed:\n{trace}")
        raise UserError(
            "a process that steps the game is gone, perhaps killed for want of memory; the same command goes on from the last "
            "checkpoint, and threads=1 does without such processes."
        )


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Let the workers go: their input ends. One that does not notice is killed; it has nothing that is not in the block."""
    for process in processes:
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
    for process in processes:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def serve() -> None:
    """What a worker runs: it reads orders from standard input, and answers each with a byte on standard output."""
    orders, replies = sys.stdin.buffer, os.dup(1)
    os.dup2(2, 1)  # what else is printed must not get in between
    with suppress(EOFError, BrokenPipeError):
        try:
            game, rules, fd, n_envs, state_size, rows = pickle.load(orders)
            player = Player(game, rules, mapped(fd, n_envs, state_size), rows)
            os.write(replies, DONE)
            while order := orders.read(1):
                ORDERS[order](player)
                os.write(replies, DONE)
        except (EOFError, BrokenPipeError):
            raise
        except Exception:
            os.write(replies, FAILED + format_exc().encode())
