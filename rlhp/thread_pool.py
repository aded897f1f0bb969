"""Threads that share out one piece of work at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread, current_thread
from typing import TypeVar
from weakref import finalize

Work = Callable[[], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


class ThreadPool:
    """The calling thread and its helpers, `threads` in all. For work that lets go of Python's lock, as physics does.

    Between `start` and `finish` the helpers are at it, while the caller may do something else first. Handing over through
    queues costs some ten microseconds; a pool's futures cost several times that, which is as much as a small model's physics.
    """

    def __init__(self, threads: int) -> None:
        self._tasks: SimpleQueue[Work | None] = SimpleQueue()
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()
        self._helpers = threads - 1
        crew = [Thread(target=_help, args=(self._tasks, self._outcomes), daemon=True) for _ in range(self._helpers)]
        self._dismiss = finalize(self, _dismiss, self._tasks, crew)
        for helper in crew:
            helper.start()

    def start(self, work: Work) -> None:
        """Every helper runs `work`; what it shares out among the threads is its own affair."""
        for _ in range(self._helpers):
            self._tasks.put(work)

    def finish(self, work: Work) -> None:
        """The caller runs it as well; back when all are done. Raises what it raised in a helper."""
        try:
            work()
        finally:
            outcomes = [self._outcomes.get() for _ in range(self._helpers)]
        for error in outcomes:
            if error is not None:
                raise error

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The function of each item, in their order; a thread that is done with one takes the next."""
        results: dict[int, Result] = {}
        numbers = iter(range(len(items)))

        def work() -> None:
            for i in numbers:
                results[i] = function(items[i])

        if len(items) > 1:
            self.start(work)
            self.finish(work)
        else:
            work()
        return [results[i] for i in range(len(items))]

    def close(self) -> None:
        """Let the helpers go; a crew without helpers goes on working alone."""
        self._dismiss()
        self._helpers = 0


def _help(tasks: SimpleQueue[Work | None], outcomes: SimpleQueue[BaseException | None]) -> None:
    """A helper's life. It holds on to nothing between two pieces of work, so that a forgotten crew is let go."""
    while (work := tasks.get()) is not None:
        error = None
        try:
            work()
        except BaseException as raised:
            error = raised
        work = None
        outcomes.put(error)


def _dismiss(tasks: SimpleQueue[Work | None], crew: Sequence[Thread]) -> None:
    """Send the helpers home and wait until they are: one that is at work in native code when Python ends takes it down."""
    for _ in crew:
        tasks.put(None)
    for helper in crew:
        if helper is not current_thread():
            helper.join()
