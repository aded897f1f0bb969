"""Query kinds that are answered by choosing one of a few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rlhp.feedback.kind import UNSURE, InvalidAnswer
from rlhp.feedback.standard import Standard
from rlhp.types import Answer


@dataclass(frozen=True, slots=True)
class Choices:
    """A `Kind` whose answers are the words in `answers` and `unsure`."""

    name: str
    clips: int
    answers: Mapping[str, Answer]
    word: Callable[[Answer], str]  # the word for an answer; not called for 'cannot tell'
    judge: Callable[[Sequence[float], Standard], Answer]

    @property
    def fewest(self) -> int:
        """The number of clips, which is fixed."""
        return self.clips

    @property
    def most(self) -> int:
        """The number of clips, which is fixed."""
        return self.clips

    def parse(self, value: object, clips: int) -> Answer:
        """Convert a word to an answer. Raises InvalidAnswer for any other value."""
        if value == UNSURE:
            return Answer(None)
        if not isinstance(value, str) or value not in self.answers:
            raise InvalidAnswer(f"a {self.name} is answered by one of {', '.join(self.answers)} or {UNSURE}")
        return self.answers[value]

    def value(self, answer: Answer) -> str:
        """Convert an answer to its word."""
        return UNSURE if answer.unsure else self.word(answer)

    def admits(self, answer: Answer, clips: int) -> bool:
        """Whether words can express the answer: ranks for the clips, or for one clip a rating that belongs to a word."""
        if clips != self.clips or answer.unsure:
            return clips == self.clips
        if answer.ranks is not None:
            return clips > 1 and len(answer.ranks) == clips
        return answer in self.answers.values()
