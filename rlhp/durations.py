"""Durations as text."""

from __future__ import annotations

from math import isfinite


def duration(seconds: float) -> str:
    """Format a duration as hours and minutes, or as minutes and seconds if it is shorter than an hour; as a dash if unknown."""
    if not isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min")) if hours else ((minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
