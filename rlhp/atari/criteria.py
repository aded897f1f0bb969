"""Hand-written criteria for behaviours that no game rewards (section 3.2), read from the console's 128 bytes of RAM."""

from __future__ import annotations

import numpy as np

from rlhp.types import Array

# Enduro's RAM, found by experiment: with its speed held at 24 the car neither passes nor is passed. The distances of other cars
# are counted in seven slots, from beside the car to the horizon; a slot is 0 where it is empty.
SPEED, SLOTS = 22, slice(27, 34)
PACE = 24


def pace(before: Array, after: Array) -> float:
    """Enduro: keep level with other cars, the paper's "moving alongside", from 0 to 1 a step; RAM [128] before and after.

    Half of it is for moving as fast as they do: all of it at their speed, none where it is twice that or more. That counts
    double where a car is right beside, less with its distance, and once where none is in sight. So standing still, at 6, earns an
    eighth to a quarter, and full speed nothing.
    """
    matched = max(0.0, 1 - abs(int(after[SPEED]) - PACE) / PACE)
    cars = np.flatnonzero(after[SLOTS])
    near = 1 - int(cars[0]) / 7 if len(cars) else 0.0
    return matched * (1 + near) / 2
