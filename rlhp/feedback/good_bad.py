"""Whether one clip is good: a rating of 1 or 0."""

from __future__ import annotations

from collections.abc import Sequence

from rlhp.feedback.choices import Choices
from rlhp.feedback.standard import Standard
from rlhp.types import Answer

ANSWERS = {"good": Answer(None, 1.0), "bad": Answer(None, 0.0)}


def _word(answer: Answer) -> str:
    return "good" if answer.rating == 1.0 else "bad"


def _judge(returns: Sequence[float], standard: Standard) -> Answer:
    """Good if better than the median of the clips seen."""
    return ANSWERS["good" if standard.share_below(returns[0]) > 0.5 else "bad"]


GOOD_BAD = Choices("good_bad", 1, ANSWERS, _word, _judge)
