"""Requests of people at the page to a training: a file that the page writes and the training reads once per round."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rlhp.run.checkpoint import write_whole
from rlhp.run.page import served
from rlhp.types import Stopped, UserError

CONTROL, LOCK = "control.json", "control.lock"
POLL = 0.2  # seconds between checks while a training is paused
Added = tuple[tuple[int, int], ...]  # (step, labels): the labels added at each step


@dataclass(frozen=True, slots=True)
class Control:
    """Requests to a training, and its response.

    Labels are a level, not an increment: `more` is the requested number beyond the run's settings, and `added` lists when the
    training accepted how many of them.
    """

    paused: bool = False
    stop: bool = False
    more: int = 0
    added: Added = ()
    stopped: int | None = None  # the step from which a stopped training will continue; None if it is not stopped

    @property
    def coming(self) -> int:
        """Labels that the training has not accepted yet."""
        return max(self.more - sum(number for _, number in self.added), 0)

    def noticed(self, step: int) -> Control:
        """The same requests after the training accepted the new labels at `step`."""
        return replace(self, added=(*self.added, (step, self.coming))) if self.coming else self


def control(run: Path) -> Control:
    """The requests to the training of this run. Raises UserError if the file is damaged."""
    try:
        text = (run / CONTROL).read_text()
    except FileNotFoundError:
        return Control()
    try:
        found = json.loads(text)
        return Control(**{**found, "added": tuple((int(step), int(number)) for step, number in found["added"])})
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{run / CONTROL} is damaged: remove it; the training then follows its settings.") from error


def change(run: Path, how: Callable[[Control], Control]) -> Control:
    """Change the requests atomically, since page and training may both write; returns the new state."""
    if how(before := control(run)) == before:
        return before
    with (run / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        after = how(control(run))
        write_whole(run / CONTROL, json.dumps(asdict(after)) + "\n")
        return after


def ask(run: Path, **fields: Any) -> Control:
    """Set some fields of the requests."""
    return change(run, lambda control: replace(control, **fields))


class Controls:
    """The training's access to requests. Calls `grow` with all added labels when there are more; `sleep` waits for seconds."""

    def __init__(self, run: Path, sleep: Callable[[float], None] = time.sleep) -> None:
        self._run, self._sleep = run, sleep
        self.grow: Callable[[Added], None] = lambda added: None
        self._grown: Added = ()

    def start(self, step: int) -> None:
        """Clear earlier stop requests when the training continues from `step`."""
        self._grown = change(self._run, lambda control: replace(control, stop=False, stopped=None)).added
        self.grow(self._grown)

    def poll(self, step: int) -> Control:
        """The requests at the end of the round of this step."""
        asked = control(self._run)
        if asked.coming:
            asked = change(self._run, lambda control: control.noticed(step))
        if asked.added != self._grown:
            self._grown = asked.added
            self.grow(self._grown)
        return asked

    def wait_while_paused(self, step: int, say: Callable[[str], None]) -> Control:
        """Wait while the training is paused; returns the requests that ended the pause. Nothing else waits for that."""
        while (asked := self.poll(step)).paused and not asked.stop:
            say(f"paused at step {step:,} from the page: {self._where()}")
            self._sleep(POLL)
        return asked

    def sleep(self, seconds: float) -> None:
        """Wait for others, such as people who answer. Raises Stopped if the training is asked to stop meanwhile."""
        self._sleep(seconds)
        if control(self._run).stop:
            raise Stopped

    def stopped(self, step: int) -> None:
        """Record that the training ends, and will continue from `step`."""
        ask(self._run, stop=False, stopped=step)

    def _where(self) -> str:
        page = served(self._run)
        return f"continue it with rlhp annotate {self._run}" if page is None else f"continue it at {page.address()}"
