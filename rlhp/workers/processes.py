"""Processes that each do a share of the same work, as one object; and the same work done in the calling process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, Protocol
from weakref import finalize

import cloudpickle

from rlhp.types import UserError
from rlhp.workers.serve import DONE, FAILED, LENGTH, PATIENCE, REFUSED, TOLD

PROGRAM = "from rlhp.workers import serve; serve()"  # not multiprocessing's: that would run the main program once more
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Work(Protocol):
    """One share of the work. An order in lower case comes alone; one in upper case has an argument."""

    def __call__(self, order: bytes, argument: Any = None) -> Any:
        """Carry out the order. What it returns is handed to whoever gave it; None is cheapest."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


Maker = Callable[[], Work]  # sent to a process, which calls it there


class Stepping(Protocol):
    """All shares of the work, wherever they are done."""

    def start(self, order: bytes, arguments: Sequence[Any] | None = None) -> None:
        """Every share begins to carry out the order, each with its own argument."""
        ...

    def finish(self) -> list[Any]:
        """What each share returned, once all are done."""
        ...

    def close(self) -> None:
        """End it; nothing can be begun afterwards."""
        ...


class InProcess:
    """One share that is all of the work, done in the calling process."""

    def __init__(self, work: Work) -> None:
        self._work, self._order, self._argument = work, b"", None
        self.close = work.close

    def start(self, order: bytes, arguments: Sequence[Any] | None = None) -> None:
        """Remember the order."""
        self._order, self._argument = order, None if arguments is None else arguments[0]

    def finish(self) -> list[Any]:
        """Carry it out; what it raises passes."""
        return [self._work(self._order, self._argument)]


class Workers:
    """A process for each maker. A byte through a pipe is an order, and a byte comes back when it is done.

    Python objects hold the interpreter's lock while they work, so threads would not help. Numbers belong in memory that the
    processes share (`fd`, see `rlhp.workers.memory`); arguments and what an order returns are pickled through the pipes, for
    what is rare. A process ends when the one that began it does, however that ends. `without` is the setting, such as
    "threads=1", that does without processes.

    Raises what `cloudpickle` raises for a maker that cannot be sent.
    """

    def __init__(self, makers: Sequence[Maker], fd: int, without: str) -> None:
        messages = [cloudpickle.dumps(maker) for maker in makers]
        path = os.pathsep.join(filter(None, sys.path))
        self._without = without
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[fd],
                start_new_session=True,  # an interrupt at the keyboard is for whoever began it
            )
            for _ in messages
        ]
        self.close = finalize(self, _end, self._processes)
        for process, message in zip(self._processes, messages, strict=True):
            self._send(process, message)
        self.finish()

    def start(self, order: bytes, arguments: Sequence[Any] | None = None) -> None:
        """Every process begins to carry out the order. Raises UserError if one is gone."""
        for i, process in enumerate(self._processes):
            self._send(process, order if arguments is None else order + pickle.dumps(arguments[i]))

    def finish(self) -> list[Any]:
        """What each process returned, once all are done.

        Raises UserError if a process is gone or refused, RuntimeError with the traceback of what it raised if it failed.
        """
        try:
            return [self._answer(process) for process in self._processes]
        except BaseException:  # such as an interrupt, after which replies and orders would no longer match
            self.close()
            raise

    def _send(self, process: subprocess.Popen[bytes], message: bytes) -> None:
        try:
            process.stdin.write(message)  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        except (OSError, ValueError):  # its end of the pipe is gone, or this one was closed
            self._gone()

    def _answer(self, process: subprocess.Popen[bytes]) -> Any:
        told = self._read(process, 1)
        if told == DONE:
            return None
        if told == TOLD:
            return pickle.loads(self._read(process, LENGTH.unpack(self._read(process, LENGTH.size))[0]))
        text = process.stdout.read().decode(errors="replace")  # type: ignore[union-attr]
        if told == REFUSED:
            raise UserError(text)
        if told == FAILED:
            raise RuntimeError(f"a process that steps environments failed:\n{text}")
        self._gone()

    def _read(self, process: subprocess.Popen[bytes], size: int) -> bytes:
        """So many bytes of what it says, past any buffer: a reply is read whole or not at all."""
        parts, left = [], size
        while left:
            part = os.read(process.stdout.fileno(), left)  # type: ignore[union-attr]
            if not part:
                self._gone()
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _gone(self) -> NoReturn:
        self.close()
        raise UserError(
            "a process that steps environments is gone, perhaps killed for want of memory; the same command goes on from the "
            f"last checkpoint, and {self._without} does without such processes."
        )


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Let the processes go: their input ends. One that does not notice is killed."""
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
