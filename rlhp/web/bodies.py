"""What the page sends and gets, as typed and bounded bodies."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rlhp.store import Outcome, Pair, Reply

NAME = r"\w[\w.-]{0,39}"
NAMES = "up to 40 letters, digits, dots and dashes, without spaces"
Annotator = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
ClipId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Id = Annotated[int, Field(ge=0, le=2**53)]
DAY = 86_400.0


class Choice(StrEnum):
    """The four things that one can say about a pair."""

    LEFT = "left"
    RIGHT = "right"
    EQUAL = "equal"
    UNSURE = "unsure"


RANKS: dict[Choice, tuple[int, int] | None] = {
    Choice.LEFT: (0, 1),
    Choice.RIGHT: (1, 0),
    Choice.EQUAL: (0, 0),
    Choice.UNSURE: None,
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class Ask(_Body):
    """Pairs for one person: those they hold already, then new ones."""

    annotator: Annotator
    count: int = Field(3, ge=1, le=5)


class Say(_Body):
    """An answer; `clips` as they were shown, left and right, for `seen` seconds. `count` pairs are wanted in return."""

    annotator: Annotator
    query: Id
    round: int = Field(ge=0, le=1)
    clips: tuple[ClipId, ClipId]
    choice: Choice
    seen: float = Field(ge=0, le=DAY, allow_inf_nan=False)
    count: int = Field(3, ge=1, le=5)

    def reply(self) -> Reply:
        """The same, as the store understands it."""
        return Reply(self.query, self.round, self.clips, RANKS[self.choice], self.seen)


class Withdraw(_Body):
    """An answer to be undone."""

    annotator: Annotator
    query: Id
    round: int = Field(ge=0, le=1)
    count: int = Field(3, ge=1, le=5)


class Damaged(_Body):
    """A clip that a browser could not play, and the ETag with which it came. `count` pairs are wanted in return."""

    annotator: Annotator
    clip: ClipId
    version: str = Field(max_length=80)
    count: int = Field(3, ge=1, le=5)


class Shown(BaseModel):
    """A pair to show: clips left and right."""

    query: int
    round: int
    clips: tuple[str, str]

    @classmethod
    def of(cls, pair: Pair) -> Shown:
        """The store's record of it."""
        return cls(query=pair.query, round=pair.round, clips=pair.clips)


class Undoable(BaseModel):
    """The newest answer of one's own that the learner has not taken."""

    query: int
    round: int


class Mine(BaseModel):
    """Where one person stands."""

    answers: int
    per_hour: float
    undoable: Undoable | None


class Dealt(BaseModel):
    """Pairs in the order in which to show them. `outcome`: what became of the answer that was sent along, if one was.

    `refilmed`: whether a clip that was reported is filmed anew; false where that was done before and did not help.
    """

    pairs: list[Shown]
    mine: Mine
    outcome: Outcome | None = None
    undone: bool | None = None
    refilmed: bool | None = None


class State(BaseModel):
    """Where the run stands. Labels are questions answered; `first` of them come before the policy is trained at all."""

    run: str
    task: str
    instructions: str
    state: str = Field(description="training, waiting (for answers), stopped, failed or finished")
    error: str | None
    step: int
    total_steps: int
    asked: int
    answered: int
    taken: int
    first: int
    labels: int
    per_hour: float = Field(description="of all people together, over the last ten minutes; 0 where too little is known")
    problem: str | None = Field(description="why no clips are filmed, if none are")
    minimum_view: float
    sketch: bool = Field(description="whether sketches/TASK.svg shows what to watch")
    watch: list[str] = Field(description="the parts of it that stand out")
    mine: Mine
