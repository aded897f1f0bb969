"""A group of worker processes that each do a share of the same work, and the same interface in the calling process."""

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
from rlhp.workers.serve import DONE, FAILED, LENGTH, PATIENCE, REFUSED, RESULT

PROGRAM = "from rlhp.workers import serve; serve()"  # not multiprocessing, which would import the main program again
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Work(Protocol):
    """One share of the work. An order is one byte; lower-case orders have no argument, upper-case ones have one."""

    def __call__(self, order: bytes, argument: Any = None) -> Any:
        """Execute the order. The caller receives the return value; None is cheapest."""
        ...

    def close(self) -> None:
        """Release all resources."""
        ...


Maker = Callable[[], Work]  # sent to a worker process and called there


class Stepping(Protocol):
    """All shares of the work, in the calling process or in worker processes."""

    def start(self, order: bytes, arguments: Sequence[Any] | None = None) -> None:
        """Start the order in every share, each with its own argument."""
        ...

    def finish(self) -> list[Any]:
        """Wait for all shares and return their results."""
        ...

    def close(self) -> None:
        """Stop all shares; no order can be started afterwards."""
        ...


class InProcess:
    """All of the work as one share, done in the calling process."""

    def __init__(self, work: Work) -> None:
        self._work, self._order, self._argument = work, b"", None
        self.close = work.close

    def start(self, order: bytes, arguments: Sequence[Any] | None = None) -> None:
        """Store the order for `finish`."""
        self._order, self._argument = order, None if arguments is None else arguments[0]

    def finish(self) -> list[Any]:
        """Execute the order; exceptions propagate."""
        return [self._work(self._order, self._argument)]


class Workers:
    """One worker process per maker. An order is one byte through a pipe; one byte comes back when it is done.

    Python code holds the global interpreter lock while it runs, so threads would not help. Frequent data belongs in shared
    memory (`fd`, see `rlhp.workers.memory`); arguments and results of orders are pickled through the pipes and are meant for rare
    data. A worker ends when its parent process ends, for whatever reason. `without` is the setting that avoids worker processes,
    such as "threads=1", for error messages.

    Raises the errors of `cloudpickle` for a maker that cannot be pickled.
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
                start_new_session=True,  # a keyboard interrupt goes to the parent process only
            )
            for _ in messages
        ]
        self.close = finalize(self, _stop, self._processes)
        for process, message in zip(self._processes, messages, strict=True):
            self._send(process, message)
        self.finish()

    def start(self, order: bytes, arguments: Sequence[Any] | None = None) -> None:
        """Start the order in every process. Raises UserError if one has died."""
        for i, process in enumerate(self._processes):
            self._send(process, order if arguments is None else order + pickle.dumps(arguments[i]))

    def finish(self) -> list[Any]:
        """Wait for all processes and return their results.

        Raises UserError if a process has died or raised one, and RuntimeError with the traceback of any other exception.
        """
        try:
            return [self._receive(process) for process in self._processes]
        except BaseException:  # such as a keyboard interrupt: replies would no longer match orders
            self.close()
            raise

    def _send(self, process: subprocess.Popen[bytes], message: bytes) -> None:
        try:
            process.stdin.write(message)  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        except (OSError, ValueError):  # one end of the pipe is closed
            self._raise_gone()

    def _receive(self, process: subprocess.Popen[bytes]) -> Any:
        reply = self._read(process, 1)
        if reply == DONE:
            return None
        if reply == RESULT:
            return pickle.loads(self._read(process, LENGTH.unpack(self._read(process, LENGTH.size))[0]))
        text = process.stdout.read().decode(errors="replace")  # type: ignore[union-attr]
        if reply == REFUSED:
            raise UserError(text)
        if reply == FAILED:
            raise RuntimeError(f"a worker process that steps environments failed:\n{text}")
        self._raise_gone()

    def _read(self, process: subprocess.Popen[bytes], size: int) -> bytes:
        """Read exactly `size` bytes of a reply, without buffering."""
        parts, left = [], size
        while left:
            part = os.read(process.stdout.fileno(), left)  # type: ignore[union-attr]
            if not part:
                self._raise_gone()
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _raise_gone(self) -> NoReturn:
        self.close()
        raise UserError(
            "a worker process that steps environments is gone, perhaps killed because memory ran out; the same command resumes "
            f"from the last checkpoint, and {self._without} avoids worker processes."
        )


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Stop the processes by closing their input; kill those that do not end in time."""
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
