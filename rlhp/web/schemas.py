"""Request bodies of the page's API, typed and bounded, and those responses that are not records of other packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rlhp.run import NAME
from rlhp.store import Lease, Outcome, Reply, Shown
from rlhp.web.run_status import RunStatus

Annotator = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
ClipId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Id = Annotated[int, Field(ge=0, le=2**53)]
Round = Annotated[int, Field(ge=0, le=1)]
DAY = 86_400.0  # seconds
MOST = 10  # maximum number of clips in a question


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class QuestionRequest(_Body):
    """A request for questions for one annotator: those they hold already, then new ones."""

    annotator: Annotator
    count: int = Field(3, ge=1, le=5)


Word = Annotated[str, Field(max_length=40)]
Score = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Rank = Annotated[int, Field(strict=True)]
Value = Annotated[list[Rank], Field(max_length=MOST)] | Score | Word


class AnswerRequest(QuestionRequest):
    """An answer about `clips` in the order shown, from left to right, for `seen` seconds. The response has `count` questions.

    `value` depends on the kind of question. Comparison: left, right or equal. Graded comparison: also left_much or right_much.
    Ranking: a list of ranks, one per clip as shown; lower is better, and equal ranks are ties. Rating: a number from 0 to 1.
    Good or bad: good or bad. Every kind: unsure.
    """

    query: Id
    round: Round
    kind: Word | None = None  # as assigned; the store knows it
    clips: tuple[ClipId, ...] = Field(min_length=1, max_length=MOST)
    value: Value = Field(union_mode="left_to_right")
    seen: float = Field(ge=0, le=DAY, allow_inf_nan=False)

    def reply(self) -> Reply:
        """Return the answer as the store's record."""
        return Reply(self.query, self.round, self.clips, self.value, self.seen)


class UndoRequest(QuestionRequest):
    """A request to undo an answer."""

    query: Id
    round: Round


class FlagRequest(_Body):
    """A request to exclude one's own answer from later fits, or to include it again."""

    annotator: Annotator
    query: Id
    round: Round
    flagged: bool


class DamagedClip(QuestionRequest):
    """A report of a clip that a browser could not play, with its ETag. The response has `count` questions."""

    clip: ClipId
    version: str = Field(max_length=80)


@dataclass(frozen=True, slots=True)
class FlagState:
    """Whether an answer is excluded from later fits."""

    flagged: bool


@dataclass(frozen=True, slots=True)
class UndoableAnswer:
    """The annotator's newest answer that the training has not used."""

    query: int
    round: int


@dataclass(frozen=True, slots=True)
class AnnotatorState:
    """Status of one annotator."""

    answers: int
    per_hour: float
    undoable: UndoableAnswer | None


@dataclass(frozen=True, slots=True)
class AssignedQuestions:
    """Questions in the order in which to show them. `outcome`: the outcome of the answer in the request, if there was one.

    `refilmed`: whether the reported clip is filmed again; false if that was done before and did not help.
    """

    questions: list[Shown]
    mine: AnnotatorState
    outcome: Outcome | None = None
    undone: bool | None = None
    refilmed: bool | None = None


@dataclass(frozen=True, slots=True)
class PageState(RunStatus):
    """Status of the run. Labels are answered questions; the first `first` of them are needed before the policy is trained."""

    run: str
    task: str
    kind: Annotated[str, Field(description="the kind of question that this run asks")]
    instructions: str
    total_steps: int
    per_hour: Annotated[
        float, Field(description="answers of all annotators over the last ten minutes; 0 if there are too few to tell")
    ]
    filming: Annotated[int, Field(description="unanswered questions whose clips are not filmed yet")]
    leased: Annotated[list[Lease], Field(description="unanswered questions that other annotators hold")]
    problem: Annotated[str | None, Field(description="why no clips are filmed; null if they are")]
    minimum_view: float
    sketch: Annotated[bool, Field(description="whether sketches/TASK.svg shows what to watch")]
    watch: Annotated[list[str], Field(description="the parts of the sketch to highlight")]
    mine: AnnotatorState
