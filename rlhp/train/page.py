"""Serves the page at which people answer during a training: a separate process that is restarted while the training runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread
from types import FrameType

from rlhp import film
from rlhp.run import Served, control, dismissed, finished, held, links, read_settings, recall, served
from rlhp.store import Waiting

LOG = "page.log"
COMMAND = (sys.executable, "-m", "rlhp.cli")
START_TIMEOUT = 20.0  # seconds to wait for the page; then training starts without it
CHECK_INTERVAL, MAX_PAUSE = 0.5, 60.0  # seconds between checks of the page; maximum between restarts of a page that keeps dying
SLOW = "The page is still starting; training continues, and names the page's address when it waits for answers."
STOP_TIMEOUT = 10.0  # seconds for the page to end after SIGTERM; then it is killed
ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def page(run: Path, wanted: bool, annotators: Sequence[str] = ()) -> Iterator[None]:
    """Serve the page of `run` inside this context, if `wanted`; a page that dies is restarted at the same address.

    Prints the owner's link and one for each of the `annotators`. The page ends with a training that is interrupted, terminated
    (SIGTERM, SIGHUP) or fails. After the last step, a stop from the page or a kill of the training, it stays up while somebody
    has it open, and serves a training that resumes. A page started with `rlhp annotate` is used and never ended. Raises UserError
    if clips cannot be rendered on this machine.
    """
    if not wanted:
        yield
        return
    film.drawing(read_settings(run))
    with _exit_on_signals(), closing(PageSupervisor(run, annotators)) as supervisor:
        supervisor.start()
        yield


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """Turn termination signals into SystemExit, so that `finally` blocks run; signals handled elsewhere are not changed."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    mine = [number for number in ENDING if current_thread() is main_thread() and signal.getsignal(number) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


class PageSupervisor:
    """Keeps the page of a run served: starts it if necessary, and restarts it when it dies."""

    def __init__(self, run: Path, annotators: Sequence[str] = ()) -> None:
        self._run, self._annotators, self._closed = run, annotators, Event()
        self._process: subprocess.Popen[bytes] | None = None  # the last page started
        self._thread = Thread(target=self._keep, name="page", daemon=True)

    def start(self) -> None:
        """Serve the page, print its address, and supervise it, also if an earlier training or a user ended it."""
        recall(self._run)
        running = served(self._run) or self._start()
        print(SLOW if running is None and self._alive() else _greeting(self._run, running, self._annotators), file=sys.stderr)
        self._thread.start()

    def close(self) -> None:
        """Stop supervising the page, and end it unless the run is finished or was stopped there, or a user started the page."""
        self._closed.set()
        try:
            if self._thread.is_alive():
                self._thread.join()
        finally:  # also on a second interrupt
            if not finished(self._run) and control(self._run).stopped is None:
                self._end()

    def _keep(self) -> None:
        pause = CHECK_INTERVAL
        while not self._closed.wait(pause):
            # neither a page that a user ended is restarted, not even while it is ending, nor one that is slow to start
            if held(self._run) or dismissed(self._run) or self._alive():
                pause = CHECK_INTERVAL
                continue
            running = self._start()
            pause = min(2 * pause, MAX_PAUSE)
            if running is not None:
                print(f"The page has been restarted: compare clips at {running.address()}", file=sys.stderr)

    def _alive(self) -> bool:
        """Whether the last page started has not ended."""
        return self._process is not None and self._process.poll() is None

    def _start(self) -> Served | None:
        """Start the page; None if it does not come up in time."""
        with (self._run / LOG).open("a") as log:
            process = self._process = subprocess.Popen(
                [*COMMAND, "annotate", str(self._run), "--beside"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # Ctrl-C goes to the training, which ends the page
            )
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end and process.poll() is None and not self._closed.is_set():
            running = served(self._run)
            if running is not None and running.pid == process.pid:
                return running
            time.sleep(0.05)
        return served(self._run)  # another process may serve it by now

    def _end(self) -> None:
        """End the page, and wait until it is gone, so that a training that resumes at once does not use it."""
        running = served(self._run)
        beside = running is not None and running.beside
        self._signal(signal.SIGTERM, running if beside else None)
        end = time.monotonic() + STOP_TIMEOUT
        while (beside and served(self._run) == running) or self._alive():
            if time.monotonic() > end:
                self._signal(signal.SIGKILL, running if beside else None)
                return
            time.sleep(0.02)

    def _signal(self, number: signal.Signals, running: Served | None) -> None:
        if self._process is not None:
            self._process.send_signal(number)  # it may still be starting; this does nothing if it has ended
        if running is not None and (self._process is None or running.pid != self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(running.pid, number)


def _greeting(run: Path, running: Served | None, annotators: Sequence[str]) -> str:
    if running is None:
        return f"The page did not start ({_last_message(run)}); training continues without it; start it with rlhp annotate {run}."
    return (
        "\n  ".join(["Compare clips at", *links(running, annotators)]) if annotators else f"Compare clips at {running.address()}"
    )


def _last_message(run: Path) -> str:
    """The last message of the page, or where to find its log."""
    lines = (run / LOG).read_text().split("\n") if (run / LOG).is_file() else []
    messages = [line.removeprefix("rlhp: ").rstrip(".") for line in lines if line.startswith("rlhp: ")]
    return messages[-1] if messages else f"see {run / LOG}"


def where(run: Path) -> str:
    """Where to answer, for messages of a waiting training."""
    running = served(run)
    return f"start the page with rlhp annotate {run}" if running is None else f"open {running.address()}"


def stopped(run: Path, step: int, total: int) -> str:
    """The message after a user at the page has stopped the training, which continues from `step`."""
    where = f"step {step:,} of {total:,}, where its last checkpoint is" if step else "its start, as there is no checkpoint yet"
    return f"\n{run} was stopped from the page; repeat the command to continue from {where}"


def reason(run: Path, first: int, answered: Callable[[], int]) -> Callable[[Waiting], str]:
    """A function that returns the message for a waiting training."""

    def say(waiting: Waiting) -> str:
        done = answered()
        if done < first:
            return f"waiting: {done} of {first} first labels; {where(run)}"
        if not waiting.unanswered:
            return f"waiting: {_answers(waiting.resting)} can still be undone"
        undoable = f" ({_answers(waiting.resting)} can still be undone)" if waiting.resting else ""
        until = f" until at most {waiting.at_most} are left" if waiting.at_most else ""
        return f"waiting for {_answers(waiting.unanswered)}{until}{undoable}; {where(run)}"

    return say


def _answers(count: int) -> str:
    return f"{count} answer{'' if count == 1 else 's'}"
