"""The application: addresses, and what each of them does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

from rlhp.film import CODECS
from rlhp.store import Desk, Store
from rlhp.types import UserError
from rlhp.web.bodies import Annotator, Ask, ClipId, Dealt, Mine, Say, Shown, State, Undoable, Withdraw
from rlhp.web.films import Films
from rlhp.web.guard import Guard
from rlhp.web.standing import Watcher, first_labels

STATIC = Path(__file__).with_name("static")
KINDS = {"mp4": "video/mp4", "webm": "video/webm", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Room:
    """What every request finds: one run, its store and clips."""

    run: Path
    settings: Mapping[str, Any]
    store: Store
    desk: Desk
    films: Films
    watcher: Watcher
    minimum_view: float  # seconds
    codec: str
    token: str

    def deal(self, annotator: str, count: int) -> Dealt:
        """The next pairs that can be shown."""
        pairs = self.desk.deal(annotator, count, self.films.ready)
        return Dealt(pairs=[Shown.of(pair) for pair in pairs], mine=self.mine(annotator))

    def mine(self, annotator: str) -> Mine:
        """Where a person stands."""
        tally = self.desk.tally(annotator)
        undoable = None if tally.undoable is None else Undoable(query=tally.undoable[0], round=tally.undoable[1])
        return Mine(answers=tally.answers, per_hour=tally.per_hour, undoable=undoable)


def create(room: Room, hosts: frozenset[str] | None) -> FastAPI:
    """The application that serves one run; `hosts`: the names it answers to, None: any."""
    app = FastAPI(title="rlhp", description="Compare clips of a run.", docs_url=None, redoc_url=None)
    app.state.room = room
    app.include_router(page)
    app.include_router(api)
    app.add_exception_handler(UserError, _unavailable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(Guard, token=room.token, hosts=hosts)  # pyright: ignore[reportArgumentType]
    return app


page = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api")


def room_of(request: Request) -> Room:
    """The run that the application serves."""
    return request.app.state.room


def static(request: Request, name: str) -> Response:
    """A file of the page; where it links to others, with the token that these ask for too."""
    text = (STATIC / name).read_text("utf-8")
    if name.endswith(".html"):
        return HTMLResponse(text.replace("{{token}}", room_of(request).token))
    return Response(text, media_type=KINDS[name.rpartition(".")[2]])


@page.get("/")
def index(request: Request) -> Response:
    """The page."""
    return static(request, "page.html")


@page.get("/page.css")
def style(request: Request) -> Response:
    """Its looks."""
    return static(request, "page.css")


@page.get("/page.js")
def script(request: Request) -> Response:
    """Its behaviour."""
    return static(request, "page.js")


@page.get("/icon.svg")
def icon(request: Request) -> Response:
    """Its mark."""
    return static(request, "icon.svg")


@api.get("/state")
def state(request: Request, annotator: Annotated[Annotator, Query()]) -> State:
    """Where the run and one person stand."""
    room = room_of(request)
    standing, settings = room.watcher(), room.settings
    return State(
        run=room.run.name,
        task=str(settings["task"]),
        instructions=str(settings.get("instructions") or ""),
        state=standing.state,
        error=standing.error,
        step=standing.step,
        total_steps=int(settings.get("total_steps") or 0),
        asked=standing.asked,
        answered=standing.answered,
        taken=standing.taken,
        first=first_labels(room.run),
        labels=int(settings.get("labels") or 0),
        per_hour=room.desk.rate(),
        problem=room.films.problem,
        minimum_view=room.minimum_view,
        mine=room.mine(annotator),
    )


@api.post("/next")
def next_pairs(request: Request, body: Ask) -> Dealt:
    """The pairs that a person holds, held for longer, and new ones up to `count`."""
    return room_of(request).deal(body.annotator, body.count)


@api.post("/answer")
def answer(request: Request, body: Say) -> Dealt:
    """Take down an answer; sent again, it counts once. The answer to this is sent when it is safe on disk."""
    room = room_of(request)
    if body.seen < room.minimum_view:
        raise HTTPException(422, f"a pair is to be looked at for at least {room.minimum_view:g} seconds")
    outcome = room.desk.answer(body.annotator, body.reply())
    return room.deal(body.annotator, body.count).model_copy(update={"outcome": outcome})


@api.post("/undo")
def undo(request: Request, body: Withdraw) -> Dealt:
    """Withdraw an answer, unless the learner has taken it; its pair comes first then."""
    room = room_of(request)
    undone = room.desk.undo(body.annotator, body.query, body.round)
    return room.deal(body.annotator, body.count).model_copy(update={"undone": undone})


@api.get("/clips/{segment}", response_class=FileResponse, responses={404: {"description": "not filmed"}})
def clip(request: Request, segment: ClipId) -> Response:
    """The film of a segment."""
    room = room_of(request)
    file = room.films.file(segment)
    if not file.is_file():
        raise HTTPException(404, "there is no such clip")
    kind = KINDS[CODECS[room.codec][1]]
    return FileResponse(file, media_type=kind, headers={"cache-control": "private, max-age=3600, immutable"})


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    """What the user can mend (a full disk, a lock), in the sentence that says how; the page sends again."""
    return JSONResponse({"detail": str(error)}, 503)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """What is wrong with a request, without repeating what it said."""
    assert isinstance(error, RequestValidationError)
    wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return JSONResponse({"detail": "; ".join(wrong)}, 422)
