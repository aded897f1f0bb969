"""The timing of the steps of an environment in which a person acts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rlhp.types import Drawing

SPEEDS = (0.1, 4.0)  # minimum and maximum speed


def seconds(env: Any, drawing: Drawing) -> float:
    """Return the duration of a step: from `render_fps` in the metadata of the (wrapped) environment, else from its renderer."""
    fps = getattr(env, "metadata", {}).get("render_fps")
    return 1 / fps if fps else drawing.dt


class Clock:
    """Divides time into slots of `dt` / `speed` seconds with one step each.

    A step is due at the end of its slot, or from the middle of the slot on if the person's keys have changed, so that they take
    effect sooner. The slots do not move, so keys do not change the mean speed.
    """

    def __init__(self, dt: float, now: Callable[[], float] = time.monotonic) -> None:
        self.dt, self.now, self.speed = dt, now, 1.0
        self._end = now()

    @property
    def slot(self) -> float:
        """Seconds from one step to the next."""
        return self.dt / self.speed

    def start(self) -> None:
        """Start a slot now."""
        self._end = self.now() + self.slot

    def wait(self, changed: bool) -> float:
        """Return the seconds until the next step is due, 0 or less if it is. `changed`: keys have changed since the last step."""
        return self._end - (self.slot / 2 if changed else 0) - self.now()

    def step(self) -> None:
        """Move on to the next slot after a step. A delay of more than one slot is not made up for."""
        self._end = max(self._end, self.now() - self.slot) + self.slot

    def pace(self, speed: float) -> None:
        """Set the speed, limited to SPEEDS."""
        slowest, fastest = SPEEDS
        self.speed = min(max(speed, slowest), fastest)
        self._end = min(self._end, self.now() + self.slot)
