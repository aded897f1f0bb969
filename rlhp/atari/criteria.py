"""Hand-written criteria for behaviours that no game rewards (section 3.2), read from the console's 128 bytes of RAM."""

from __future__ import annotations

import numpy as np

from rlhp.types import Array

# Enduro's RAM, found by holding bytes at a value: with its speed at 24 the car neither passes nor is passed. Seven slots hold the
# cars in sight, from right beside to the horizon; 0 is an empty one.
SPEED, SLOTS = 22, slice(27, 34)
PACE = 24


def pace(before: Array, after: Array) -> float:
    """Enduro: keep alongside other cars, from 0 to 1 a step; RAM [128] before and after it.

    What counts is how well the car's speed matches theirs: 1 at the same speed, 0 at twice that or more. It counts in full
    beside a car, less with the distance to the nearest, and half where none is in sight, so that matching the speed pays before
    there is one to stay with. The slowest there is, 6, earns an eighth to a quarter, and racing past them nothing.
    """
    matched = max(0.0, 1 - abs(int(after[SPEED]) - PACE) / PACE)
    cars = np.flatnonzero(after[SLOTS])
    near = 1 - int(cars[0]) / 7 if len(cars) else 0.0
    return matched * (1 + near) / 2
