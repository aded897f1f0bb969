"""Which of two clips is better, and whether it is much better: ranks that differ by 2 (Wilde et al. 2021, "scale feedback")."""

from __future__ import annotations

from collections.abc import Sequence

from rlhp.feedback.choices import Choices
from rlhp.feedback.ranking import ranks_of
from rlhp.feedback.standard import Standard
from rlhp.types import Answer

MUCH = 2  # difference in rank that means "much better"
ANSWERS = {
    "left_much": Answer((0, MUCH)),
    "left": Answer((0, 1)),
    "equal": Answer((0, 0)),
    "right": Answer((1, 0)),
    "right_much": Answer((MUCH, 0)),
}


def _word(answer: Answer) -> str:
    left, right = answer.ranks or (0, 0)
    side = "equal" if left == right else "left" if left < right else "right"
    return f"{side}_much" if abs(left - right) >= MUCH else side


def _judge(returns: Sequence[float], standard: Standard) -> Answer:
    """Much better if the returns differ by at least `standard.much` standard deviations of the clips seen."""
    left, right = ranks_of(returns)
    far = abs(returns[0] - returns[1]) >= standard.much * standard.spread()
    return Answer((MUCH * left, MUCH * right) if far else (left, right))


GRADED_COMPARISON = Choices("graded_comparison", 2, ANSWERS, _word, _judge)
