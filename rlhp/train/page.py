"""The page that people label at while a training goes on: a process of its own, that neither end of the two takes along."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rlhp.run import Served, finished, served
from rlhp.store import Waiting

LOG = "page.log"
PATIENCE = 20.0  # seconds for the page to come up; training begins without it then


@contextmanager
def page(run: Path, wanted: bool) -> Iterator[None]:
    """Serve the page of `run` meanwhile, if `wanted`; it ends with an orderly end of the training, or soon after its last step.

    After a kill of the training the page stays, and goes on with the one that resumes. A page that a person has started is used.
    """
    if not wanted:
        yield
        return
    there = served(run)
    print(_greeting(run, there or _start(run)), file=sys.stderr)
    try:
        yield
    finally:
        now = served(run)
        if now is not None and now.beside and not finished(run):
            os.kill(now.pid, signal.SIGTERM)


def _start(run: Path) -> Served | None:
    """The page, started; None if it does not come up."""
    with (run / LOG).open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rlhp.cli", "label", str(run), "--beside"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # an interrupt at the keyboard is the training's, which ends the page itself
        )
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        there = served(run)
        if there is not None and there.pid == process.pid:
            return there
        time.sleep(0.05)
    return served(run)  # by another process that was about to


def _greeting(run: Path, there: Served | None) -> str:
    if there is None:
        return f"The page for labels did not start ({run / LOG} says why); training goes on, and rlhp label {run} serves it."
    return f"Compare clips at {there.address()}"


def where(run: Path) -> str:
    """Where to answer, for whoever reads that the training waits."""
    there = served(run)
    return f"rlhp label {run} serves the page" if there is None else f"open {there.address()}"


def reason(run: Path, first: int, answered: Callable[[], int]) -> Callable[[Waiting], str]:
    """What to say when the training waits, given for what."""

    def say(waiting: Waiting) -> str:
        done = answered()
        if done < first:
            return f"waiting: {done} of {first} first labels; {where(run)}"
        if not waiting.unanswered:
            return f"waiting: the answers to {waiting.resting} questions can still be undone, and are used in a moment"
        undoable = f", the answers to {waiting.resting} can still be undone" if waiting.resting else ""
        open = f"{waiting.unanswered} questions are unanswered{undoable}"
        return f"waiting: {open}, and at most {waiting.at_most} may be; {where(run)}"

    return say
