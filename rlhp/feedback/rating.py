"""Rate one clip from 0 to 1 (TAMER, Knox and Stone 2009, and White et al. 2024 learn rewards from ratings)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlhp.feedback.kind import UNSURE, InvalidAnswer
from rlhp.feedback.standard import Standard
from rlhp.types import Answer


@dataclass(frozen=True, slots=True)
class Rating:
    """A number from 0, the worst clip seen so far, to 1, the best."""

    name: str = "rating"
    fewest: int = 1
    most: int = 1

    def parse(self, value: object, clips: int) -> Answer:
        """Convert a number from 0 to 1 to an answer. Raises InvalidAnswer for any other value."""
        if value == UNSURE:
            return Answer(None)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise InvalidAnswer(f"a rating is answered by a number from 0 to 1, or {UNSURE}")
        return Answer(None, float(value))

    def value(self, answer: Answer) -> float | str:
        """Convert an answer to its number."""
        return UNSURE if answer.rating is None else answer.rating

    def admits(self, answer: Answer, clips: int) -> bool:
        """Whether the answer rates one clip, or is 'cannot tell'."""
        return clips == 1 and answer.ranks is None

    def judge(self, returns: Sequence[float], standard: Standard) -> Answer:
        """The fraction of the clips seen that are worse."""
        return Answer(None, standard.share_below(returns[0]))


RATING = Rating()
