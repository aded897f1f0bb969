"""Put several clips in order; ties are allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlhp.feedback.kind import UNSURE, InvalidAnswer
from rlhp.feedback.standard import Standard
from rlhp.types import Answer


def ranks_of(returns: Sequence[float]) -> tuple[int, ...]:
    """Rank clips by return: a clip's rank is the number of clips that are strictly better."""
    return tuple(sum(other > own for other in returns) for own in returns)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A rank for each of two or more clips; lower is better."""

    name: str = "ranking"
    fewest: int = 2
    most: int = 100

    def parse(self, value: object, clips: int) -> Answer:
        """Convert a list of ranks, integers from 0 to 99, to an answer. Raises InvalidAnswer for any other value."""
        if value == UNSURE:
            return Answer(None)
        if not isinstance(value, list) or len(value) != clips or not all(type(rank) is int and 0 <= rank < 100 for rank in value):
            raise InvalidAnswer(f"a ranking is answered by a list of {clips} ranks, one per clip and 0 for the best, or {UNSURE}")
        return Answer(tuple(value))

    def value(self, answer: Answer) -> list[int] | str:
        """Convert an answer to its list of ranks."""
        return UNSURE if answer.ranks is None else list(answer.ranks)

    def admits(self, answer: Answer, clips: int) -> bool:
        """Whether the answer has a rank for every clip, or is 'cannot tell'."""
        fits = self.fewest <= clips <= self.most
        return fits and (answer.unsure or (answer.ranks is not None and len(answer.ranks) == clips))

    def judge(self, returns: Sequence[float], standard: Standard) -> Answer:
        """Rank by the returns; equal returns are ties."""
        return Answer(ranks_of(returns))


RANKING = Ranking()
