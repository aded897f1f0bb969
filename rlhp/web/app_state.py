"""The state that all requests share: the served run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fastapi import HTTPException, Request

from rlhp.feedback import COMPARISON, asked_about, find
from rlhp.run import Bearer
from rlhp.store import AnnotationQueue, Store
from rlhp.web.auth import BEARER
from rlhp.web.clip_cache import ClipCache
from rlhp.web.file_cache import FileCache
from rlhp.web.inspection import Inspection
from rlhp.web.run_status import RunStatusReader
from rlhp.web.schemas import AnnotatorState, AssignedQuestions, QuestionShown, UndoableAnswer


class Activity:
    """The time since the last request. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last = clock, clock()

    def count(self) -> None:
        """Record a request."""
        self._last = self._clock()

    def idle(self) -> float:
        """Return the seconds since the last request."""
        return self._clock() - self._last


@dataclass(frozen=True, slots=True)
class AppState:
    """The state that all requests share: one run, its store and its clips."""

    run: Path
    settings: Mapping[str, Any]
    store: Store
    queue: AnnotationQueue
    clips: ClipCache
    run_status: RunStatusReader
    activity: Activity
    minimum_view: float  # seconds
    codec: str
    token: str
    annotators: Sequence[str] = ()  # named by the owner when the page was started
    cache: FileCache = field(default_factory=FileCache)

    @property
    def inspection(self) -> Inspection:
        """The background inspection of the run's reward model."""
        return self.cache("inspection", None, lambda: Inspection(self.run, self.codec))

    def with_token(self, token: str) -> AppState:
        """Return a copy that accepts the keys derived from this token."""
        return replace(self, token=token)

    def assign(self, annotator: str, count: int) -> AssignedQuestions:
        """Assign up to `count` questions whose clips are filmed.

        A question that the annotator already holds may have lost its clips; another one then takes its place.
        """
        known: dict[frozenset[str], bool] = {}  # clips of a question: whether they are filmed; each is looked up once

        def ready(clips: Sequence[str]) -> bool:
            these = frozenset(clips)
            return known[these] if these in known else known.setdefault(these, self.clips.ready(clips))

        assigned = self.queue.assign(annotator, count, ready)
        if lost := sum(not ready(shown.clips) for shown in assigned):
            assigned = self.queue.assign(annotator, count + lost, ready)
        questions = [QuestionShown.of(shown) for shown in assigned if ready(shown.clips)]
        return AssignedQuestions(questions=questions[:count], mine=self.annotator_state(annotator))

    @property
    def kind(self) -> str:
        """The kind of question that the run asks."""
        clips = (self.settings.get("query") or {}).get("clips") or 2
        return asked_about(find(self.settings.get("feedback") or COMPARISON.name), clips).name

    def filming(self) -> int:
        """Count the unanswered questions whose clips are not filmed yet."""
        return sum(not self.clips.ready(clips) for clips in self.queue.unanswered())

    def annotator_state(self, annotator: str) -> AnnotatorState:
        """Return the status of one annotator."""
        statistics = self.queue.statistics(annotator)
        last = statistics.undoable
        undoable = None if last is None else UndoableAnswer(query=last[0], round=last[1])
        return AnnotatorState(answers=statistics.answers, per_hour=statistics.per_hour, undoable=undoable)


def app_state(request: Request) -> AppState:
    """Return the state of the application that handles this request."""
    return request.app.state.app_state


def bearer_of(request: Request) -> Bearer:
    """Return the owner or annotator whose key the request carries."""
    return request.scope[BEARER]


def owner_only(request: Request) -> None:
    """Require the owner's key. Raises HTTPException (403) for anybody else."""
    if not bearer_of(request).owns:
        raise HTTPException(403, "only the owner of the run may do this: open the first link that rlhp printed")
