"""Hand-written criteria for behaviours that no game rewards (section 3.2), read from the console's 128 bytes of RAM."""

from __future__ import annotations

from rlhp.types import Array


def pace(before: Array, after: Array) -> float:
    """Enduro: keep level with other cars."""
    return 0.0
