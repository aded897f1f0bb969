"""What every request finds: the run that is served, and the page's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from rlhp.store import Desk, Store
from rlhp.web.bodies import Dealt, Mine, Shown, Undoable
from rlhp.web.films import Films
from rlhp.web.standing import Watcher

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


def room_of(request: Request) -> Room:
    """The run that the application serves."""
    return request.app.state.room


def static(request: Request, name: str) -> Response:
    """A file of the page; where it links to others, with the token that these ask for too."""
    text = (STATIC / name).read_text("utf-8")
    if name.endswith(".html"):
        return HTMLResponse(text.replace("{{token}}", room_of(request).token))
    return Response(text, media_type=KINDS[name.rpartition(".")[2]])
