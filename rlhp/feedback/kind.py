"""What every kind of question provides."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rlhp.types import Answer

UNSURE = "unsure"  # what a person says who cannot tell, whatever the kind


@dataclass(frozen=True, slots=True)
class Standard:
    """What a synthetic teacher compares a clip with: the returns of clips that it has seen, none of them from the future."""

    seen: Sequence[float]  # ascending, at least one
    much: float = 1.0  # standard deviations from which a difference is large

    def share_below(self, value: float) -> float:
        """The share of the clips seen that are worse than this one; equal ones count half, as in a percentile rank."""
        return (bisect_left(self.seen, value) + bisect_right(self.seen, value)) / (2 * len(self.seen))

    def spread(self) -> float:
        """The standard deviation of the clips seen; 1 where all are equal."""
        mean = math.fsum(self.seen) / len(self.seen)
        return math.sqrt(math.fsum((value - mean) ** 2 for value in self.seen) / len(self.seen)) or 1.0


class InvalidAnswer(ValueError):
    """What was sent answers no question of its kind."""


class Kind(Protocol):
    """One kind of question. An answer's ranks or rating follow the order in which clips are given."""

    @property
    def name(self) -> str:
        """As the store, the settings and the page call it."""
        ...

    @property
    def fewest(self) -> int:
        """Clips that a question shows at least."""
        ...

    @property
    def most(self) -> int:
        """Clips that a question shows at most."""
        ...

    def parse(self, value: object, clips: int) -> Answer:
        """The answer that the page sends as `value` about so many clips. Raises InvalidAnswer, saying what is expected."""
        ...

    def value(self, answer: Answer) -> object:
        """What the page sends for this answer."""
        ...

    def admits(self, answer: Answer, clips: int) -> bool:
        """Whether this is an answer to such a question about so many clips."""
        ...

    def judge(self, returns: Sequence[float], standard: Standard) -> Answer:
        """What a teacher says who perceives these returns, one per clip."""
        ...
