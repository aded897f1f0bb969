"""Hand-written criteria for behaviours without a game reward (section 3.2), computed from the console's 128 bytes of RAM."""

from __future__ import annotations

import numpy as np

from rlhp.types import Array

# Enduro's RAM, found by fixing bytes at a value: at a speed of 24 the car neither passes other cars nor is passed. Seven slots
# contain the visible cars, from right next to the player to the horizon; 0 is an empty slot.
SPEED, SLOTS = 22, slice(27, 34)
PACE = 24


def pace(before: Array, after: Array) -> float:
    """Enduro: stay level with other cars, from 0 to 1 per step, given the RAM [128] before and after the step.

    The reward is how well the car matches the speed of the others: 1 at the same speed, 0 at twice that or more. It counts fully
    next to a car, less with the distance to the nearest one, and half if none is visible, so that matching the speed pays even
    without another car. The lowest speed, 6, earns an eighth to a quarter, and racing past the others earns nothing.
    """
    matched = max(0.0, 1 - abs(int(after[SPEED]) - PACE) / PACE)
    cars = np.flatnonzero(after[SLOTS])
    near = 1 - int(cars[0]) / 7 if len(cars) else 0.0
    return matched * (1 + near) / 2
