"""What the page sends and gets, as typed and bounded bodies."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rlhp import store
from rlhp.run import NAME
from rlhp.store import Outcome, Reply

Annotator = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
ClipId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Id = Annotated[int, Field(ge=0, le=2**53)]
DAY = 86_400.0


MOST = 10  # clips of a question


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class QuestionRequest(_Body):
    """Questions for one person: those they hold already, then new ones."""

    annotator: Annotator
    count: int = Field(3, ge=1, le=5)


Word = Annotated[str, Field(max_length=40)]
Score = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Rank = Annotated[int, Field(strict=True)]
Value = Annotated[list[Rank], Field(max_length=MOST)] | Score | Word


class AnswerRequest(_Body):
    """An answer; `clips` as they were shown, from left to right, for `seen` seconds. `count` questions are wanted in return.

    `value`: of a comparison left, right or equal; of a graded comparison also left_much and right_much; of a ranking a list of
    ranks, one per clip as shown, lower is better, equal is a tie; of a rating a number from 0 to 1; good or bad; unsure always.
    """

    annotator: Annotator
    query: Id
    round: int = Field(ge=0, le=1)
    kind: Word | None = None  # as it was dealt; the store knows it
    clips: tuple[ClipId, ...] = Field(min_length=1, max_length=MOST)
    value: Value = Field(union_mode="left_to_right")
    seen: float = Field(ge=0, le=DAY, allow_inf_nan=False)
    count: int = Field(3, ge=1, le=5)

    def reply(self) -> Reply:
        """The same, as the store understands it."""
        return Reply(self.query, self.round, self.clips, self.value, self.seen)


class UndoRequest(_Body):
    """An answer to be undone."""

    annotator: Annotator
    query: Id
    round: int = Field(ge=0, le=1)
    count: int = Field(3, ge=1, le=5)


class FlagRequest(_Body):
    """An answer that its annotator takes back, so that it is left out of later fits, or lets count again."""

    annotator: Annotator
    query: Id
    round: int = Field(ge=0, le=1)
    flagged: bool


class DamagedClip(_Body):
    """A clip that a browser could not play, and the ETag with which it came. `count` questions are wanted in return."""

    annotator: Annotator
    clip: ClipId
    version: str = Field(max_length=80)
    count: int = Field(3, ge=1, le=5)


class QuestionShown(BaseModel):
    """A question to show: its clips from left to right."""

    query: int
    round: int
    kind: str
    clips: tuple[str, ...]

    @classmethod
    def of(cls, shown: store.Shown) -> QuestionShown:
        """The store's record of it."""
        return cls(query=shown.query, round=shown.round, kind=shown.kind, clips=shown.clips)


class GivenAnswer(BaseModel):
    """An answer that a person has given: `value` as it was sent, about `clips` as they were shown."""

    query: int
    round: int
    kind: str
    clips: tuple[str, ...]
    value: list[int] | float | str
    answered_at: float
    taken: bool
    flagged: bool


class FlagState(BaseModel):
    """Whether an answer is left out of later fits now."""

    flagged: bool


class Lease(BaseModel):
    """A question that somebody else is looking at, and until when at least, in seconds since 1970."""

    query: int
    annotator: str
    until: float


class UndoableAnswer(BaseModel):
    """The newest answer of one's own that the learner has not taken."""

    query: int
    round: int


class AnnotatorState(BaseModel):
    """Where one person stands."""

    answers: int
    per_hour: float
    undoable: UndoableAnswer | None


class AssignedQuestions(BaseModel):
    """Questions in the order in which to show them. `outcome`: what became of the answer that was sent along, if one was.

    `refilmed`: whether a clip that was reported is filmed anew; false where that was done before and did not help.
    """

    questions: list[QuestionShown]
    mine: AnnotatorState
    outcome: Outcome | None = None
    undone: bool | None = None
    refilmed: bool | None = None


class PageState(BaseModel):
    """Where the run stands. Labels are questions answered; `first` of them come before the policy is trained at all."""

    run: str
    task: str
    kind: str = Field(description="of the questions that this run asks")
    instructions: str
    state: str = Field(description="training, waiting (for answers), paused, stopped, failed or finished")
    error: str | None
    step: int
    total_steps: int
    asked: int
    answered: int
    taken: int
    first: int
    labels: int
    per_hour: float = Field(description="of all people together, over the last ten minutes; 0 where too little is known")
    filming: int = Field(description="unanswered questions whose clips are not filmed yet")
    leased: list[Lease] = Field(description="unanswered questions that other people are looking at")
    problem: str | None = Field(description="why no clips are filmed, if none are")
    minimum_view: float
    sketch: bool = Field(description="whether sketches/TASK.svg shows what to watch")
    watch: list[str] = Field(description="the parts of it that stand out")
    mine: AnnotatorState
