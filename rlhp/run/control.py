"""What people at the page ask of a training: a file that the page writes, and that the training looks at once a round."""

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
POLL = 0.2  # seconds between looks of a training that is paused
Added = tuple[tuple[int, int], ...]  # (step, labels): from which step on how many more are wanted


@dataclass(frozen=True, slots=True)
class Control:
    """What is asked of a training, and what it has made of it.

    Labels are a level, not an increment: `more` is how many are wanted beyond those of the run's settings, and `added` says
    since when, as far as the training has taken notice.
    """

    paused: bool = False
    stop: bool = False
    more: int = 0
    added: Added = ()
    stopped: int | None = None  # the step from which a training that was stopped goes on; None: it was not, or does already

    @property
    def coming(self) -> int:
        """Labels of which the training has not taken notice yet."""
        return max(self.more - sum(number for _, number in self.added), 0)

    def noticed(self, step: int) -> Control:
        """The same after a training has taken notice at `step`."""
        return replace(self, added=(*self.added, (step, self.coming))) if self.coming else self


def control(run: Path) -> Control:
    """What is asked of the training of this run. Raises UserError where the file is damaged."""
    try:
        text = (run / CONTROL).read_text()
    except FileNotFoundError:
        return Control()
    try:
        found = json.loads(text)
        return Control(**{**found, "added": tuple((int(step), int(number)) for step, number in found["added"])})
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{run / CONTROL} is damaged: remove it; the training then runs as its settings say.") from error


def change(run: Path, how: Callable[[Control], Control]) -> Control:
    """Change what is asked: page and training may do so at the same time, one after the other. Returns what it is then."""
    if how(before := control(run)) == before:
        return before
    with (run / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        after = how(control(run))
        write_whole(run / CONTROL, json.dumps(asdict(after)) + "\n")
        return after


def ask(run: Path, **fields: Any) -> Control:
    """Change single fields of it."""
    return change(run, lambda control: replace(control, **fields))


class Controls:
    """The training's side. `grow` is told the labels that were added whenever these are more; `sleep` waits for seconds."""

    def __init__(self, run: Path, sleep: Callable[[float], None] = time.sleep) -> None:
        self._run, self._sleep = run, sleep
        self.grow: Callable[[Added], None] = lambda added: None
        self._grown: Added = ()

    def begin(self, step: int) -> None:
        """The training goes on from `step`: a stop that was asked for before is over."""
        self._grown = change(self._run, lambda control: replace(control, stop=False, stopped=None)).added
        self.grow(self._grown)

    def look(self, step: int) -> Control:
        """What is asked of the training at the end of the round of this step."""
        asked = control(self._run)
        if asked.coming:
            asked = change(self._run, lambda control: control.noticed(step))
        if asked.added != self._grown:
            self._grown = asked.added
            self.grow(self._grown)
        return asked

    def hold(self, step: int, say: Callable[[str], None]) -> Control:
        """Wait while the training is paused: the one place where it waits for that. Returns what ended it."""
        while (asked := self.look(step)).paused and not asked.stop:
            say(f"paused at step {step:,} from the page: {self._where()}")
            self._sleep(POLL)
        return asked

    def sleep(self, seconds: float) -> None:
        """Wait for somebody else, such as people who answer. Raises Stopped where the training is asked to stop meanwhile."""
        self._sleep(seconds)
        if control(self._run).stop:
            raise Stopped

    def stopped(self, step: int) -> None:
        """The training ends, and will go on from `step`."""
        ask(self._run, stop=False, stopped=step)

    def _where(self) -> str:
        there = served(self._run)
        return f"rlhp annotate {self._run} serves it" if there is None else f"go on there, {there.address()}"
