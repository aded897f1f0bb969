"""The FastAPI application of one run: its routes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from fastapi.responses import Response

from rlhp.feedback import InvalidAnswer
from rlhp.film import CODECS
from rlhp.run import NAME, NAMES
from rlhp.store import Given
from rlhp.web import inspect_page, labels, run
from rlhp.web.app_state import AppState, State, app_state
from rlhp.web.options import Options
from rlhp.web.pages import STATIC, application, html
from rlhp.web.schemas import (
    Annotator,
    AnswerRequest,
    AssignedQuestions,
    ClipId,
    DamagedClip,
    FlagRequest,
    FlagState,
    PageState,
    QuestionRequest,
    UndoRequest,
)

__all__ = ["AppState", "create"]


def create(token: str, options: Options, opened: Callable[[], AppState]) -> FastAPI:
    """Create the application that serves one run. `opened`: returns the run's state at each request with a key."""
    app = application("Give feedback on clips of a run.", token, options)
    app.state.opened = opened
    for router in (page, api, labels.router, run.router, inspect_page.router):
        app.include_router(router)
    return app


page = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api")


@page.get("/", dependencies=[Depends(app_state)])
def index(annotator: str = "") -> Response:
    """Return the page. Raises HTTPException (422) if the link names an annotator whose name is invalid."""
    if annotator and not re.fullmatch(NAME, annotator):
        raise HTTPException(422, f"{annotator[:60]!r}, the annotator in this link, is not a valid name: use {NAMES}")
    return html("page")


@api.get("/state")
def state(state: State, annotator: Annotated[Annotator, Query()]) -> PageState:
    """Return the status of the run and of one annotator."""
    settings = state.settings
    return PageState(
        **asdict(state.status()),
        run=state.run.name,
        task=str(settings["task"]),
        kind=state.kind,
        instructions=str(settings.get("instructions") or ""),
        total_steps=int(settings.get("total_steps") or 0),
        per_hour=state.queue.rate(),
        filming=state.filming(),
        leased=state.queue.leased(annotator),
        problem=state.clips.problem,
        minimum_view=state.options.minimum_view,
        sketch=(STATIC / "sketches" / f"{settings['task']}.svg").is_file(),
        watch=list((settings.get("film") or {}).get("watch") or ()),
        mine=state.annotator_state(annotator),
    )


@api.post("/next")
def next_questions(state: State, body: QuestionRequest) -> AssignedQuestions:
    """Return up to `count` questions for an annotator: those they hold, with renewed leases, then new ones."""
    return state.assign(body.annotator, body.count)


@api.post("/answer")
def answer(state: State, body: AnswerRequest) -> AssignedQuestions:
    """Store an answer. The response is sent once the answer is on disk; an answer sent twice counts once."""
    if body.seen < state.options.minimum_view:
        raise HTTPException(422, f"look at a question for at least {state.options.minimum_view:g} seconds")
    try:
        outcome = state.queue.answer(body.annotator, body.reply())
    except InvalidAnswer as error:
        raise HTTPException(422, str(error)) from error
    return state.assign(body.annotator, body.count, outcome=outcome)


@api.post("/undo")
def undo(state: State, body: UndoRequest) -> AssignedQuestions:
    """Withdraw an answer unless the training has used it. Its question then comes first."""
    undone = state.queue.undo(body.annotator, body.query, body.round)
    return state.assign(body.annotator, body.count, undone=undone)


@api.get("/history")
def history(state: State, annotator: Annotated[Annotator, Query()]) -> list[Given]:
    """Return the last twenty answers of one annotator, newest first."""
    return state.queue.history(annotator)


@api.post("/flag")
def flag(state: State, body: FlagRequest) -> FlagState:
    """Exclude an answer from later fits, or include it again."""
    if not state.queue.flag(body.annotator, body.query, body.round, body.flagged):
        raise HTTPException(404, "you have no such answer (any more)")
    return FlagState(body.flagged)


@api.post("/damaged")
def damaged(state: State, body: DamagedClip) -> AssignedQuestions:
    """Re-film a clip that a browser could not play, and assign other questions meanwhile."""
    refilmed = state.clips.discard(body.clip, body.version)
    return state.assign(body.annotator, body.count, refilmed=refilmed)


@api.get("/clips/{segment}", response_class=Response, responses={404: {"description": "not filmed"}})
def clip(state: State, segment: ClipId) -> Response:
    """Return the clip of a segment. The page keeps it in memory; no HTTP cache does, so that a damaged clip can be replaced."""
    found = state.clips.read(segment)
    if found is None:
        raise HTTPException(404, "this clip does not exist")
    version, content = found
    return Response(content, media_type=f"video/{CODECS[state.options.codec][1]}", headers={"etag": version})
