"""The state that all requests share: the served run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from rlhp import film
from rlhp.feedback import COMPARISON, asked_about, find
from rlhp.run import Bearer, is_running
from rlhp.run.predictions import PREDICTIONS
from rlhp.store import VERSION, AnnotationQueue, Store, version_of
from rlhp.types import UserError
from rlhp.web.auth import BEARER
from rlhp.web.clip_cache import ClipCache, RenderSettings
from rlhp.web.file_cache import FileCache, changed
from rlhp.web.inspection import Inspection
from rlhp.web.options import Options
from rlhp.web.run_status import RunStatus, run_status
from rlhp.web.schemas import AnnotatorState, AssignedQuestions, UndoableAnswer


class AppState:
    """The state that all requests share: one run, its store and its clips.

    Filming starts with `clips.start()`. `annotators`: names given by the owner when the page was started. `now` returns seconds.
    Raises UserError if its clips cannot be rendered here, the store cannot be used or an option is invalid.
    """

    def __init__(
        self,
        run: Path,
        settings: Mapping[str, Any],
        options: Options,
        token: str,
        annotators: Sequence[str] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run, self.settings, self.options, self.token, self.annotators = run, settings, options, token, annotators
        film.drawing(settings)  # raises an error if clips cannot be rendered
        self.store = _open_store(run)
        self.queue = AnnotationQueue(self.store.database, options.overlap, options.repeats)
        self.clips = ClipCache(run, RenderSettings.of(settings, options.size, options.codec), options.overlap)
        self.inspection = Inspection(run, options.codec)
        self.cache = FileCache()
        self._now, self._last_request = now, now()

    def close(self) -> None:
        """Stop filming and inspecting, and close the store."""
        self.inspection.close()
        self.clips.close()
        self.store.close()

    def count_request(self) -> None:
        """Record that somebody is using the run."""
        self._last_request = self._now()

    def is_idle(self, seconds: float) -> bool:
        """Return whether no training is running and there has been no request for so long since it ended."""
        if is_running(self.run):
            self.count_request()
            return False
        return self._now() - self._last_request > seconds

    def status(self) -> RunStatus:
        """Return the status of the run."""
        return run_status(self.run, self.store, self.settings)

    def answers_version(self) -> tuple[object, ...]:
        """Return a value that changes whenever an answer or a prediction of r-hat is added."""
        return changed(self.run / PREDICTIONS), self.store.database.version()

    def assign(self, annotator: str, count: int, **outcome: Any) -> AssignedQuestions:
        """Assign up to `count` questions whose clips are filmed; `outcome` is that of the request.

        A question that the annotator already holds may have lost its clips; another one then takes its place.
        """
        filmed = cache(self.clips.ready)  # each question is looked up once

        def ready(clips: Sequence[str]) -> bool:
            return filmed(frozenset(clips))

        assigned = self.queue.assign(annotator, count, ready)
        if lost := sum(not ready(shown.clips) for shown in assigned):
            assigned = self.queue.assign(annotator, count + lost, ready)
        questions = [shown for shown in assigned if ready(shown.clips)]
        return AssignedQuestions(questions[:count], self.annotator_state(annotator), **outcome)

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
        undoable = None if statistics.undoable is None else UndoableAnswer(*statistics.undoable)
        return AnnotatorState(statistics.answers, statistics.per_hour, undoable)


def _open_store(run: Path) -> Store:
    """Open the run's store. Raises UserError if an older version of rlhp is using it."""
    file = run / "preferences.sqlite"
    if file.is_file() and is_running(run) and version_of(file) < VERSION:
        raise UserError(
            f"{run} is being trained by an older rlhp, which cannot read the store of this version: stop that training, "
            "run its command again with this rlhp, then serve the page."
        )
    return Store(file)


def app_state(request: Request) -> AppState:
    """Return the state of the run that a request is about. Raises UserError if the run cannot be opened."""
    state = request.app.state.opened()
    state.count_request()
    return state


async def bearer_of(request: Request) -> Bearer:
    """Return the owner or annotator whose key the request carries."""
    return request.scope[BEARER]


State = Annotated[AppState, Depends(app_state)]
Sender = Annotated[Bearer, Depends(bearer_of)]


def owner_only(sender: Sender) -> None:
    """Require the owner's key. Raises HTTPException (403) for anybody else."""
    if not sender.owns:
        raise HTTPException(403, "only the owner of the run may do this: open the first link that rlhp printed")
