"""The page at which people label while a training goes on: a separate process, kept alive as long as the training runs."""

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
PATIENCE = 20.0  # seconds for the page to come up; training begins without it then
LOOK, REST = 0.5, 60.0  # seconds between looks at the page; at most, between two starts of a page that dies at once
END = 10.0  # seconds for a page that is told to end; then it is killed
ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def page(run: Path, wanted: bool, annotators: Sequence[str] = ()) -> Iterator[None]:
    """Serve the page of `run` inside this context, if `wanted`; a page that dies is restarted at the same address.

    Prints the owner's link and one for each of the `annotators`. The page ends with a training that is interrupted, terminated
    (SIGTERM, SIGHUP) or fails. After the last step, a stop from the page or a kill of the training, it stays up as long as
    somebody has it open, and serves a training that resumes. A page that somebody started with `rlhp annotate` is used and
    never ended. Raises UserError where clips cannot be drawn on this machine.
    """
    if not wanted:
        yield
        return
    film.drawing(read_settings(run))
    with _ends_in_order(), closing(PageSupervisor(run, annotators)) as keeper:
        keeper.begin()
        yield


@contextmanager
def _ends_in_order() -> Iterator[None]:
    """Turn the signals that tell a process to end into SystemExit, so that `finally` runs; signals handled elsewhere stay so."""

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
    """Keeps the page of a run served: starts it unless it is, and starts it again whenever it has died."""

    def __init__(self, run: Path, annotators: Sequence[str] = ()) -> None:
        self._run, self._annotators, self._over = run, annotators, Event()
        self._process: subprocess.Popen[bytes] | None = None  # the page that was started last
        self._thread = Thread(target=self._keep, name="page", daemon=True)

    def begin(self) -> None:
        """Serve the page, say where, and look after it from now on, also where an earlier training, or a person, ended it."""
        recall(self._run)
        print(_greeting(self._run, served(self._run) or self._start(), self._annotators), file=sys.stderr)
        self._thread.start()

    def close(self) -> None:
        """Stop looking after the page; end it, unless the run is finished or was stopped there, or it is a person's own."""
        self._over.set()
        try:
            if self._thread.is_alive():
                self._thread.join()
        finally:  # also where a second interrupt comes meanwhile
            if not finished(self._run) and control(self._run).stopped is None:
                self._end()

    def _keep(self) -> None:
        pause = LOOK
        while not self._over.wait(pause):
            if held(self._run) or dismissed(self._run):  # a page that somebody told to end stays so, from its last moments on
                pause = LOOK
                continue
            there = self._start()
            pause = min(2 * pause, REST)
            if there is not None:
                print(f"The page had died and is served again: compare clips at {there.address()}", file=sys.stderr)

    def _start(self) -> Served | None:
        """Start the page; None if it does not come up."""
        with (self._run / LOG).open("a") as log:
            process = self._process = subprocess.Popen(
                [*COMMAND, "annotate", str(self._run), "--beside"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # an interrupt at the keyboard goes to the training, which ends the page
            )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None and not self._over.is_set():
            there = served(self._run)
            if there is not None and there.pid == process.pid:
                return there
            time.sleep(0.05)
        return served(self._run)  # another process was about to serve it

    def _end(self) -> None:
        """End the page, and wait until it is gone: a training that resumes at once must not take it for its own."""
        there = served(self._run)
        beside = there is not None and there.beside
        self._tell(signal.SIGTERM, there if beside else None)
        end = time.monotonic() + END
        while (beside and served(self._run) == there) or (self._process is not None and self._process.poll() is None):
            if time.monotonic() > end:
                self._tell(signal.SIGKILL, there if beside else None)
                return
            time.sleep(0.02)

    def _tell(self, number: signal.Signals, there: Served | None) -> None:
        if self._process is not None:
            self._process.send_signal(number)  # it may be on its way up; nothing happens if it has ended
        if there is not None and (self._process is None or there.pid != self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(there.pid, number)


def _greeting(run: Path, there: Served | None, annotators: Sequence[str]) -> str:
    if there is None:
        return f"The page for labels did not start ({_last_words(run)}); training goes on, and rlhp annotate {run} serves it."
    return "\n  ".join(["Compare clips at", *links(there, annotators)]) if annotators else f"Compare clips at {there.address()}"


def _last_words(run: Path) -> str:
    """What the page said last, or where to look."""
    lines = (run / LOG).read_text().split("\n") if (run / LOG).is_file() else []
    said = [line.removeprefix("rlhp: ").rstrip(".") for line in lines if line.startswith("rlhp: ")]
    return said[-1] if said else f"{run / LOG} says why"


def where(run: Path) -> str:
    """Where to answer, for whoever reads that the training waits."""
    there = served(run)
    return f"rlhp annotate {run} serves the page" if there is None else f"open {there.address()}"


def stopped(run: Path, step: int, total: int) -> str:
    """What to say when somebody at the page has stopped the training, which goes on from `step`."""
    where = f"step {step:,} of {total:,}, where its last checkpoint is" if step else "its start, as there is no checkpoint yet"
    return f"\n{run} was stopped from the page; the same command goes on from {where}"


def reason(run: Path, first: int, answered: Callable[[], int]) -> Callable[[Waiting], str]:
    """What to say when the training waits, given for what."""

    def say(waiting: Waiting) -> str:
        done = answered()
        if done < first:
            return f"waiting: {done} of {first} first labels; {where(run)}"
        if not waiting.unanswered:
            return f"waiting a moment: {_answers(waiting.resting)} can still be undone"
        undoable = f" ({_answers(waiting.resting)} can still be undone)" if waiting.resting else ""
        until = f" until at most {waiting.at_most} are left" if waiting.at_most else ""
        return f"waiting for {_answers(waiting.unanswered)}{until}{undoable}; {where(run)}"

    return say


def _answers(count: int) -> str:
    return f"{count} answer{'' if count == 1 else 's'}"
