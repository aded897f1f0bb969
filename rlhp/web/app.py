"""The application: addresses, and what each of them does."""

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
from rlhp.web.app_state import KINDS, STATIC, AppState, app_state, static
from rlhp.web.auth import AuthMiddleware
from rlhp.web.explain import PLAIN, explain
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

__all__ = ["STATIC", "AppState", "create"]


def create(room: AppState, hosts: frozenset[str] | None, public: str = "") -> FastAPI:
    """The application that serves one run; `hosts`: the names it answers to, None: any; `public`: its address at a proxy."""
    app = FastAPI(description="Give feedback on clips of a run.", **PLAIN)
    app.state.room = room
    app.include_router(page)
    app.include_router(api)
    app.include_router(labels.router)
    app.include_router(run.router)
    app.include_router(inspect_page.router)
    explain(app)
    who: dict[str, Any] = {"token": room.token, "hosts": hosts, "public": urlsplit(public).netloc}
    app.add_middleware(AuthMiddleware, visited=room.visits.count, **who)  # pyright: ignore[reportArgumentType]
    return app


page = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api")


@page.get("/")
def index(request: Request, annotator: str = "") -> Response:
    """The page, for a person whose name can be stored; a link without a name has none to refuse."""
    if annotator and not re.fullmatch(NAME, annotator):
        raise HTTPException(422, f"{annotator[:60]!r}, the annotator in this link, is no name that can be used: give {NAMES}")
    return static(request, "page.html")


@page.get("/page.css")
def style(request: Request) -> Response:
    """Its looks."""
    return static(request, "page.css")


@page.get("/page/{name}.js")
def script(request: Request, name: str) -> Response:
    """A module of its behaviour; `page/main.js` is where it begins."""
    return _named(request, f"page/{name}.js", name)


@page.get("/sketches/{task}.svg")
def sketch(request: Request, task: str) -> Response:
    """The sketch of a task: what people should watch."""
    return _named(request, f"sketches/{task}.svg", task)


def _named(request: Request, file: str, name: str) -> Response:
    """A static file that the address names. Raises HTTPException (404) where there is none."""
    if not re.fullmatch(r"[a-z_]{1,40}", name) or not (STATIC / file).is_file():
        raise HTTPException(404, "there is no such file")
    return static(request, file)


@page.get("/icon.svg")
def icon(request: Request) -> Response:
    """Its mark."""
    return static(request, "icon.svg")


@api.get("/state")
def state(request: Request, annotator: Annotated[Annotator, Query()]) -> PageState:
    """Where the run and one person stand."""
    room = app_state(request)
    standing, settings = room.watcher(), room.settings
    return PageState(
        run=room.run.name,
        task=str(settings["task"]),
        kind=room.kind,
        instructions=str(settings.get("instructions") or ""),
        state=standing.state,
        error=standing.error,
        step=standing.step,
        total_steps=int(settings.get("total_steps") or 0),
        asked=standing.asked,
        answered=standing.answered,
        taken=standing.taken,
        first=standing.first,
        labels=standing.labels,
        per_hour=room.desk.rate(),
        filming=room.filming(),
        leased=[Lease.model_validate(lease, from_attributes=True) for lease in room.desk.leased(annotator)],
        problem=room.films.problem,
        minimum_view=room.minimum_view,
        sketch=(STATIC / "sketches" / f"{settings['task']}.svg").is_file(),
        watch=list((settings.get("film") or {}).get("watch") or ()),
        mine=room.mine(annotator),
    )


@api.post("/next")
def next_questions(request: Request, body: QuestionRequest) -> AssignedQuestions:
    """The questions that a person holds, held for longer, and new ones up to `count`."""
    return app_state(request).deal(body.annotator, body.count)


@api.post("/answer")
def answer(request: Request, body: AnswerRequest) -> AssignedQuestions:
    """Take down an answer; sent again, it counts once. The answer to this is sent when it is safe on disk."""
    room = app_state(request)
    if body.seen < room.minimum_view:
        raise HTTPException(422, f"a question is to be looked at for at least {room.minimum_view:g} seconds")
    try:
        outcome = room.desk.answer(body.annotator, body.reply())
    except InvalidAnswer as error:
        raise HTTPException(422, str(error)) from error
    return room.deal(body.annotator, body.count).model_copy(update={"outcome": outcome})


@api.post("/undo")
def undo(request: Request, body: UndoRequest) -> AssignedQuestions:
    """Withdraw an answer, unless the learner has taken it; its question comes first then."""
    room = app_state(request)
    undone = room.desk.undo(body.annotator, body.query, body.round)
    return room.deal(body.annotator, body.count).model_copy(update={"undone": undone})


@api.get("/history")
def history(request: Request, annotator: Annotated[Annotator, Query()]) -> list[GivenAnswer]:
    """The last twenty answers of one person, newest first."""
    return [GivenAnswer.model_validate(given, from_attributes=True) for given in app_state(request).desk.history(annotator)]


@api.post("/flag")
def flag(request: Request, body: FlagRequest) -> FlagState:
    """Have an answer left out of later fits, or let it count again."""
    if not app_state(request).desk.flag(body.annotator, body.query, body.round, body.flagged):
        raise HTTPException(404, "there is no such answer of yours (any more)")
    return FlagState(flagged=body.flagged)


@api.post("/damaged")
def damaged(request: Request, body: DamagedClip) -> AssignedQuestions:
    """Have a clip that a browser could not play filmed anew, and deal other questions meanwhile."""
    room = app_state(request)
    refilmed = room.films.discard(body.clip, body.version)
    return room.deal(body.annotator, body.count).model_copy(update={"refilmed": refilmed})


@api.get("/clips/{segment}", response_class=FileResponse, responses={404: {"description": "not filmed"}})
def clip(request: Request, segment: ClipId) -> Response:
    """The film of a segment; the page keeps it, and no cache does, so that a damaged one can be replaced."""
    room = app_state(request)
    version = room.films.version(segment)
    if version is None:
        raise HTTPException(404, "there is no such clip")
    return FileResponse(room.films.file(segment), media_type=KINDS[CODECS[room.codec][1]], headers={"etag": version})
