"""What every kind of question provides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rlhp.feedback.standard import Standard
from rlhp.types import Answer

UNSURE = "unsure"  # what a person says who cannot tell, whatever the kind


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

    def judge(self, returns: Sequence[float], standard: Standard, /) -> Answer:
        """What a teacher says who perceives these returns, one per clip."""
        ...
