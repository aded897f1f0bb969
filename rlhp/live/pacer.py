"""A person's hand on the clock: start, pause, slower, faster."""

from __future__ import annotations

from typing import Any

from rlhp.live.clock import Clock
from rlhp.live.stage import Order, Pressed, Stage
from rlhp.types import Array

IDLE = 1.0  # seconds between looks at what is asked for, where nothing runs
REFRESH = 1 / 40  # seconds that a picture is shown at least: faster environments take several steps for one
PAUSE = {"order": "pause", "label": "Pause", "code": "Enter", "phases": ["playing"]}


class Pacer:
    """Lets somebody else's steps wait for a person, who watches them at a speed of their choice.

    It begins in the phase `ready`: until the person starts, no step is due.
    """

    def __init__(self, stage: Stage, clock: Clock) -> None:
        self._stage, self._clock, self._phase = stage, clock, "ready"
        self._acted, self._drawn, self._status = 0, float("-inf"), {}

    def turn(self) -> Pressed:
        """Wait until the next step is due; the keys that count for it."""
        while True:
            playing = self._phase == "playing"
            for order in self._stage.wait(self._clock.wait(self._changed) if playing else IDLE):
                self._obey(order)
            if self._phase == "playing" and self._clock.wait(self._changed) <= 0:
                self._clock.step()
                pressed = self._stage.taken()
                self._acted = pressed.n
                return pressed

    @property
    def wants(self) -> bool:
        """Whether a new picture is due, as some steps are faster than the eye."""
        return self._clock.now() - self._drawn >= REFRESH

    def show(self, picture: Array | None, **status: Any) -> None:
        """Show a picture (None: the last one), and say where things stand: `say`, `news`, `progress` and `kept` of the page."""
        self._drawn = self._drawn if picture is None else self._clock.now()
        self._status = {**self._status, **status}
        self._tell(picture)

    def rest(self, say: str) -> None:
        """The person is to start again, when they are ready for what `say` announces."""
        self._phase, self._status = "ready", {**self._status, "say": say}
        self._tell(None)

    def busy(self, say: str) -> None:
        """Nothing is to be done but to wait."""
        self._phase, self._status = "busy", {**self._status, "say": say}
        self._tell(None)

    def finish(self, say: str) -> None:
        """It is over; the page goes on saying so when nobody serves it any more."""
        self._phase, self._status = "finished", {**self._status, "say": say}
        self._tell(None)

    @property
    def _changed(self) -> bool:
        return self._stage.pressed.n != self._acted

    def _obey(self, order: Order) -> None:
        match order.name, self._phase:
            case "start", "ready" | "paused":
                self._phase = "playing"
                self._clock.start()
            case "pause", "playing":
                self._phase = "paused"
            case "speed", _:
                self._clock.pace(order.value)
        self._tell(None)

    def _tell(self, picture: Array | None) -> None:
        words = WORDS.get(self._phase, {})
        about = {"phase": self._phase, "speed": self._clock.speed, "heard": self._acted}
        self._stage.show(picture, **{**self._status, **words, **about})


WORDS = {"paused": {"say": "Paused.", "go": "Go on"}, "ready": {"go": "Start"}}
