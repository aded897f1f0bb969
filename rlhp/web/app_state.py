"""What every request finds: the run that is served, and the page's files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from rlhp.feedback import COMPARISON, asked_about, find
from rlhp.run import Bearer
from rlhp.store import AnnotationQueue, Store
from rlhp.web.auth import BEARER
from rlhp.web.clip_cache import ClipCache
from rlhp.web.file_cache import FileCache
from rlhp.web.inspection import Inspection
from rlhp.web.run_status import RunStatusReader
from rlhp.web.schemas import AnnotatorState, AssignedQuestions, QuestionShown, UndoableAnswer

STATIC = Path(__file__).with_name("static")
KINDS = {"mp4": "video/mp4", "webm": "video/webm", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Activity:
    """When the page was last asked for anything, on a `clock` of seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last = clock, clock()

    def count(self) -> None:
        """Somebody is here now."""
        self._last = self._clock()

    def idle(self) -> float:
        """Seconds since somebody was."""
        return self._clock() - self._last


@dataclass(frozen=True, slots=True)
class AppState:
    """What every request finds: one run, its store and clips."""

    run: Path
    settings: Mapping[str, Any]
    store: Store
    desk: AnnotationQueue
    films: ClipCache
    watcher: RunStatusReader
    visits: Activity
    minimum_view: float  # seconds
    codec: str
    token: str
    annotators: Sequence[str] = ()  # whom the owner named when the page was started
    seen: FileCache = field(default_factory=FileCache)

    @property
    def inspection(self) -> Inspection:
        """What has the run's reward inspected."""
        return self.seen("inspection", None, lambda: Inspection(self.run, self.codec))

    def opened_by(self, token: str) -> AppState:
        """The same, for those who have keys of this token."""
        return replace(self, token=token)

    def deal(self, annotator: str, count: int) -> AssignedQuestions:
        """The next questions that can be shown; what a person holds may have lost its clips, and then others take its place."""
        there: dict[frozenset[str], bool] = {}  # by the clips of a question: whether they are filmed, looked up once

        def ready(clips: Sequence[str]) -> bool:
            these = frozenset(clips)
            return there[these] if these in there else there.setdefault(these, self.films.ready(clips))

        dealt = self.desk.assign(annotator, count, ready)
        if lost := sum(not ready(shown.clips) for shown in dealt):
            dealt = self.desk.assign(annotator, count + lost, ready)
        return AssignedQuestions(
            questions=[QuestionShown.of(shown) for shown in dealt if ready(shown.clips)][:count], mine=self.mine(annotator)
        )

    @property
    def kind(self) -> str:
        """The kind of the questions that the run asks."""
        clips = (self.settings.get("query") or {}).get("clips") or 2
        return asked_about(find(self.settings.get("feedback") or COMPARISON.name), clips).name

    def filming(self) -> int:
        """How many unanswered questions there are whose clips are not filmed yet."""
        return sum(not self.films.ready(clips) for clips in self.desk.unanswered())

    def mine(self, annotator: str) -> AnnotatorState:
        """Where a person stands."""
        tally = self.desk.statistics(annotator)
        undoable = None if tally.undoable is None else UndoableAnswer(query=tally.undoable[0], round=tally.undoable[1])
        return AnnotatorState(answers=tally.answers, per_hour=tally.per_hour, undoable=undoable)


def app_state(request: Request) -> AppState:
    """The run that the application serves."""
    return request.app.state.room


def bearer_of(request: Request) -> Bearer:
    """Who asks."""
    return request.scope[BEARER]


def owner_only(request: Request) -> None:
    """Raises 403 for anybody but the run's owner."""
    if not bearer_of(request).owns:
        raise HTTPException(403, "only the owner of the run may do this, by the link that rlhp printed first")


def static(request: Request, name: str) -> Response:
    """A file of the page; where it links to others, with the key by which it was asked for itself."""
    text = (STATIC / name).read_text("utf-8").replace("{{token}}", quote(bearer_of(request).key))
    if name.endswith(".html"):
        return HTMLResponse(text)
    return Response(text, media_type=KINDS[name.rpartition(".")[2]])
