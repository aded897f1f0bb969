"""Start, pause and speed of an environment that a person watches."""

from __future__ import annotations

from typing import Any

from rlhp.live.clock import Clock
from rlhp.live.stage import Order, Pressed, Stage
from rlhp.types import Array

IDLE = 1.0  # timeout in seconds when waiting for commands while nothing runs
REFRESH = 1 / 40  # minimum seconds between pictures: faster environments take several steps per picture
PAUSE = {"order": "pause", "label": "Pause", "code": "Enter", "phases": ["playing"]}


class Pacer:
    """Makes the steps of an environment wait for a person, who chooses the speed.

    It starts in the phase `ready`, in which no step is due until the person starts.
    """

    def __init__(self, stage: Stage, clock: Clock) -> None:
        self._stage, self._clock, self._phase = stage, clock, "ready"
        self._acted, self._drawn, self._status = 0, float("-inf"), {}

    def turn(self) -> Pressed:
        """Wait until the next step is due, and return the keys for it."""
        while True:
            playing = self._phase == "playing"
            for order in self._stage.wait(self._clock.wait(self._changed) if playing else IDLE):
                self._handle(order)
            if self._phase == "playing" and self._clock.wait(self._changed) <= 0:
                self._clock.step()
                pressed = self._stage.taken()
                self._acted = pressed.n
                return pressed

    @property
    def wants(self) -> bool:
        """Whether a new picture is due: steps may be faster than pictures."""
        return self._clock.now() - self._drawn >= REFRESH

    def show(self, picture: Array | None, **status: Any) -> None:
        """Show a picture (None: the last one) with a status: `say`, `news`, `progress` and `kept` of the page."""
        self._drawn = self._drawn if picture is None else self._clock.now()
        self._status = {**self._status, **status}
        self._send(picture)

    def rest(self, say: str) -> None:
        """Wait until the person starts again; `say` announces what follows."""
        self._phase, self._status = "ready", {**self._status, "say": say}
        self._send(None)

    def busy(self, say: str) -> None:
        """Show that the person has to wait."""
        self._phase, self._status = "busy", {**self._status, "say": say}
        self._send(None)

    def finish(self, say: str) -> None:
        """Show that the session has ended. An open page keeps showing this after its server has ended."""
        self._phase, self._status = "finished", {**self._status, "say": say}
        self._send(None)

    @property
    def _changed(self) -> bool:
        return self._stage.pressed.n != self._acted

    def _handle(self, order: Order) -> None:
        match order.name, self._phase:
            case "start", "ready" | "paused":
                self._phase = "playing"
                self._clock.start()
            case "pause", "playing":
                self._phase = "paused"
            case "speed", _:
                self._clock.pace(order.value)
        self._send(None)

    def _send(self, picture: Array | None) -> None:
        words = WORDS.get(self._phase, {})
        state = {"phase": self._phase, "speed": self._clock.speed, "heard": self._acted}
        self._stage.show(picture, **{**self._status, **words, **state})


WORDS = {"paused": {"say": "Paused.", "go": "Go on"}, "ready": {"go": "Start"}}
