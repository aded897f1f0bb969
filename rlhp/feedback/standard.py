"""The clips that a synthetic teacher has seen so far, which it compares a single clip with."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rlhp.types import Array, UserError


@dataclass(frozen=True, slots=True)
class Standard:
    """True or perceived returns of the clips seen."""

    seen: Sequence[float]  # ascending, at least one
    much: float = 1.0  # standard deviations that make a large difference

    def share_below(self, value: float) -> float:
        """The fraction of the clips seen that are worse than `value`; equal ones count half, as in a percentile rank."""
        return (bisect_left(self.seen, value) + bisect_right(self.seen, value)) / (2 * len(self.seen))

    def middle(self) -> float:
        """The median of the clips seen."""
        return float(np.median(self.seen))

    def spread(self) -> float:
        """The standard deviation of the clips seen; 1 if all are equal."""
        mean = math.fsum(self.seen) / len(self.seen)
        return math.sqrt(math.fsum((value - mean) ** 2 for value in self.seen) / len(self.seen)) or 1.0


class Seen:
    """The returns of the newest `remember` clips that a teacher has seen (None: all); each query counts once.

    Raises UserError if `remember` is below 1 or `much` is not above 0.
    """

    def __init__(self, much: float, remember: int | None) -> None:
        if not much > 0:
            raise UserError(f"teacher.much is {much}: give a number of standard deviations above 0.")
        if remember is not None and remember < 1:
            raise UserError(f"teacher.remember is {remember}: give 1 clip or more, or null for all.")
        self._much = much
        self._returns: deque[float] = deque(maxlen=remember)
        self._last = -1  # id of the newest query counted; ids increase

    def add(self, returns: Mapping[int, Sequence[float]]) -> None:
        """Add queries by their ids, with a return for each clip; ids already added are ignored."""
        for id in sorted(id for id in returns if id > self._last):
            self._returns.extend(returns[id])
            self._last = id

    def standard(self, mean: float = 0.0, deviation: float = 1.0) -> Standard:
        """The returns of the clips seen, standardised by `mean` and `deviation`."""
        return Standard(sorted((value - mean) / deviation for value in self._returns), self._much)

    def snapshot(self) -> dict[str, Array]:
        """The returns."""
        return {"seen": np.array(self._returns, np.float64), "seen_last": np.array([self._last])}

    def restore(self, arrays: dict[str, Array]) -> None:
        """Continue from a snapshot; those of earlier versions have no such state."""
        self._returns = deque(arrays.get("seen", np.zeros(0)).tolist(), maxlen=self._returns.maxlen)
        self._last = int(arrays["seen_last"][0]) if "seen_last" in arrays else -1
