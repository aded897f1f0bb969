"""When an environment that a person acts in takes its next step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rlhp.types import Drawing

SPEEDS = (0.1, 4.0)  # the slowest and the fastest that can be asked for


def seconds(env: Any, drawing: Drawing) -> float:
    """How long a step of an environment is: as its own metadata say, wrappers around it included, else as what draws it says."""
    fps = getattr(env, "metadata", {}).get("render_fps")
    return 1 / fps if fps else drawing.dt


class Clock:
    """Slots of `dt` / `speed` seconds, one step in each.

    A step is due at the end of its slot; where the person's keys have changed, from the middle of the slot on, so that what
    they press shows sooner. The slots do not move, so that keys do not change the mean speed.
    """

    def __init__(self, dt: float, now: Callable[[], float] = time.monotonic) -> None:
        self.dt, self.now, self.speed = dt, now, 1.0
        self._end = now()

    @property
    def slot(self) -> float:
        """Seconds from one step to the next."""
        return self.dt / self.speed

    def start(self) -> None:
        """A slot begins now."""
        self._end = self.now() + self.slot

    def wait(self, changed: bool) -> float:
        """Seconds until the next step is due; 0 or less: it is. `changed`: whether keys have changed since the last step."""
        return self._end - (self.slot / 2 if changed else 0) - self.now()

    def step(self) -> None:
        """The step of this slot is taken. What was more than a slot late is not made up for."""
        self._end = max(self._end, self.now() - self.slot) + self.slot

    def pace(self, speed: float) -> None:
        """Change the speed, within SPEEDS."""
        least, most = SPEEDS
        self.speed = min(max(speed, least), most)
        self._end = min(self._end, self.now() + self.slot)
