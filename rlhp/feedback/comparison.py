"""Which of two clips is better (section 2.2.2)."""

from __future__ import annotations

from collections.abc import Sequence

from rlhp.feedback.choices import Choices
from rlhp.feedback.ranking import ranks_of
from rlhp.feedback.standard import Standard
from rlhp.types import Answer

ANSWERS = {"left": Answer((0, 1)), "right": Answer((1, 0)), "equal": Answer((0, 0))}


def _word(answer: Answer) -> str:
    left, right = answer.ranks or (0, 0)
    return "equal" if left == right else "left" if left < right else "right"


def _judge(returns: Sequence[float], standard: Standard) -> Answer:
    """Prefer the larger return; equal returns are ties."""
    return Answer(ranks_of(returns))


COMPARISON = Choices("comparison", 2, ANSWERS, _word, _judge)
