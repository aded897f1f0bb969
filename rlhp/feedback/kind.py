"""The protocol of query kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rlhp.feedback.standard import Standard
from rlhp.types import Answer

UNSURE = "unsure"  # the word for 'cannot tell', in every kind


class InvalidAnswer(ValueError):
    """The value is not a valid answer to a query of its kind."""


class Kind(Protocol):
    """A query kind. The ranks or the rating of an answer follow the order of the clips."""

    @property
    def name(self) -> str:
        """Its name in the store, in the settings and on the page."""
        ...

    @property
    def fewest(self) -> int:
        """The minimum number of clips in a query."""
        ...

    @property
    def most(self) -> int:
        """The maximum number of clips in a query."""
        ...

    def parse(self, value: object, clips: int) -> Answer:
        """Convert the `value` that the page sends about `clips` clips. Raises InvalidAnswer, saying what is expected."""
        ...

    def value(self, answer: Answer) -> list[int] | float | str:
        """The value that the page sends for this answer."""
        ...

    def admits(self, answer: Answer, clips: int) -> bool:
        """Whether this is a valid answer to a query about `clips` clips."""
        ...

    def judge(self, returns: Sequence[float], standard: Standard, /) -> Answer:
        """The answer of a synthetic teacher who perceives these returns, one per clip."""
        ...
