"""A thread pool with little overhead, for one task at a time."""

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
    """The calling thread and worker threads, `threads` in all, for work that releases Python's GIL, such as physics.

    The workers run between `start` and `finish`, while the caller may do something else first. Passing a task through queues
    takes about ten microseconds. The futures of `concurrent.futures` take several times as long, which is as much as the physics
    of a small model.
    """

    def __init__(self, threads: int) -> None:
        self._tasks: SimpleQueue[Work | None] = SimpleQueue()
        self._outcomes: SimpleQueue[BaseException | None] = SimpleQueue()
        self._workers = threads - 1
        workers = [Thread(target=_work, args=(self._tasks, self._outcomes), daemon=True) for _ in range(self._workers)]
        self._shut_down = finalize(self, _shut_down, self._tasks, workers)
        for worker in workers:
            worker.start()

    def start(self, work: Work) -> None:
        """Run `work` in every worker; `work` itself divides the task among the threads."""
        for _ in range(self._workers):
            self._tasks.put(work)

    def finish(self, work: Work) -> None:
        """Run `work` in the calling thread too, and wait for all workers. Raises the first error of a worker."""
        try:
            work()
        finally:
            outcomes = [self._outcomes.get() for _ in range(self._workers)]
        for error in outcomes:
            if error is not None:
                raise error

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Apply the function to each item and return the results in order; a thread that is done takes the next item."""
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
        """Stop the workers; the pool still works, in the calling thread alone."""
        self._shut_down()
        self._workers = 0


def _work(tasks: SimpleQueue[Work | None], outcomes: SimpleQueue[BaseException | None]) -> None:
    """The loop of a worker. It keeps no reference between tasks, so that an unused pool is garbage-collected."""
    while (work := tasks.get()) is not None:
        error = None
        try:
            work()
        except BaseException as raised:
            error = raised
        work = None
        outcomes.put(error)


def _shut_down(tasks: SimpleQueue[Work | None], workers: Sequence[Thread]) -> None:
    """Stop the workers and wait for them: a worker in native code while Python exits would crash the process."""
    for _ in workers:
        tasks.put(None)
    for worker in workers:
        if worker is not current_thread():
            worker.join()
