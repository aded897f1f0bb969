"""The FastAPI application of one run: its routes."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response

from rlhp.feedback import InvalidAnswer
from rlhp.film import CODECS
from rlhp.run import NAME, NAMES
from rlhp.web import inspect_page, labels, run
from rlhp.web.app_state import AppState, app_state
from rlhp.web.auth import AuthMiddleware
from rlhp.web.explain import PLAIN, explain
from rlhp.web.pages import STATIC, add_static, html
from rlhp.web.schemas import (
    Annotator,
    AnswerRequest,
    AssignedQuestions,
    ClipId,
    DamagedClip,
    FlagRequest,
    FlagState,
    GivenAnswer,
    Lease,
    PageState,
    QuestionRequest,
    UndoRequest,
)

__all__ = ["AppState", "create"]


def create(state: AppState, hosts: frozenset[str] | None, public: str = "") -> FastAPI:
    """Create the application that serves one run.

    `hosts`: accepted host names, None for any. `public`: the URL of the page at a proxy.
    """
    app = FastAPI(description="Give feedback on clips of a run.", **PLAIN)
    app.state.app_state = state
    app.include_router(page)
    app.include_router(api)
    app.include_router(labels.router)
    app.include_router(run.router)
    app.include_router(inspect_page.router)
    add_static(app)
    explain(app)
    who: dict[str, Any] = {"token": state.token, "hosts": hosts, "public": urlsplit(public).netloc}
    app.add_middleware(AuthMiddleware, on_request=state.activity.count, **who)  # pyright: ignore[reportArgumentType]
    return app


page = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api")


@page.get("/")
def index(annotator: str = "") -> Response:
    """Return the page. Raises HTTPException (422) if the link names an annotator whose name is invalid."""
    if annotator and not re.fullmatch(NAME, annotator):
        raise HTTPException(422, f"{annotator[:60]!r}, the annotator in this link, is not a valid name: use {NAMES}")
    return html("page")


@api.get("/state")
def state(request: Request, annotator: Annotated[Annotator, Query()]) -> PageState:
    """Return the status of the run and of one annotator."""
    state = app_state(request)
    status, settings = state.run_status(), state.settings
    return PageState(
        run=state.run.name,
        task=str(settings["task"]),
        kind=state.kind,
        instructions=str(settings.get("instructions") or ""),
        state=status.state,
        error=status.error,
        step=status.step,
        total_steps=int(settings.get("total_steps") or 0),
        asked=status.asked,
        answered=status.answered,
        taken=status.taken,
        first=status.first,
        labels=status.labels,
        per_hour=state.queue.rate(),
        filming=state.filming(),
        leased=[Lease.model_validate(lease, from_attributes=True) for lease in state.queue.leased(annotator)],
        problem=state.clips.problem,
        minimum_view=state.minimum_view,
        sketch=(STATIC / "sketches" / f"{settings['task']}.svg").is_file(),
        watch=list((settings.get("film") or {}).get("watch") or ()),
        mine=state.annotator_state(annotator),
    )


@api.post("/next")
def next_questions(request: Request, body: QuestionRequest) -> AssignedQuestions:
    """Return up to `count` questions for an annotator: those they hold, with renewed leases, then new ones."""
    return app_state(request).assign(body.annotator, body.count)


@api.post("/answer")
def answer(request: Request, body: AnswerRequest) -> AssignedQuestions:
    """Store an answer. The response is sent once the answer is on disk; an answer sent twice counts once."""
    state = app_state(request)
    if body.seen < state.minimum_view:
        raise HTTPException(422, f"look at a question for at least {state.minimum_view:g} seconds")
    try:
        outcome = state.queue.answer(body.annotator, body.reply())
    except InvalidAnswer as error:
        raise HTTPException(422, str(error)) from error
    return state.assign(body.annotator, body.count).model_copy(update={"outcome": outcome})


@api.post("/undo")
def undo(request: Request, body: UndoRequest) -> AssignedQuestions:
    """Withdraw an answer unless the training has used it. Its question then comes first."""
    state = app_state(request)
    undone = state.queue.undo(body.annotator, body.query, body.round)
    return state.assign(body.annotator, body.count).model_copy(update={"undone": undone})


@api.get("/history")
def history(request: Request, annotator: Annotated[Annotator, Query()]) -> list[GivenAnswer]:
    """Return the last twenty answers of one annotator, newest first."""
    return [GivenAnswer.model_validate(given, from_attributes=True) for given in app_state(request).queue.history(annotator)]


@api.post("/flag")
def flag(request: Request, body: FlagRequest) -> FlagState:
    """Exclude an answer from later fits, or include it again."""
    if not app_state(request).queue.flag(body.annotator, body.query, body.round, body.flagged):
        raise HTTPException(404, "you have no such answer (any more)")
    return FlagState(flagged=body.flagged)


@api.post("/damaged")
def damaged(request: Request, body: DamagedClip) -> AssignedQuestions:
    """Re-film a clip that a browser could not play, and assign other questions meanwhile."""
    state = app_state(request)
    refilmed = state.clips.discard(body.clip, body.version)
    return state.assign(body.annotator, body.count).model_copy(update={"refilmed": refilmed})


@api.get("/clips/{segment}", response_class=FileResponse, responses={404: {"description": "not filmed"}})
def clip(request: Request, segment: ClipId) -> Response:
    """Return the clip of a segment. The page keeps it in memory; no HTTP cache does, so that a damaged clip can be replaced."""
    state = app_state(request)
    version = state.clips.version(segment)
    if version is None:
        raise HTTPException(404, "this clip does not exist")
    return FileResponse(state.clips.file(segment), media_type=f"video/{CODECS[state.codec][1]}", headers={"etag": version})
