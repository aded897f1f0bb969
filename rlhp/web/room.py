"""What every request finds: the run that is served, and the page's files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
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


class Visits:
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
class Room:
    """What every request finds: one run, its store and clips."""

    run: Path
    settings: Mapping[str, Any]
    store: Store
    desk: Desk
    films: Films
    watcher: Watcher
    visits: Visits
    minimum_view: float  # seconds
    codec: str
    token: str

    def deal(self, annotator: str, count: int) -> Dealt:
        """The next pairs that can be shown; what a person holds may have lost its clips, and then others take its place."""
        there: dict[frozenset[str], bool] = {}  # by the two clips: whether they are filmed, looked up once

        def ready(clips: Sequence[str]) -> bool:
            pair = frozenset(clips)
            return there[pair] if pair in there else there.setdefault(pair, self.films.ready(clips))

        pairs = self.desk.deal(annotator, count, ready)
        if lost := sum(not ready(pair.clips) for pair in pairs):
            pairs = self.desk.deal(annotator, count + lost, ready)
        return Dealt(pairs=[Shown.of(pair) for pair in pairs if ready(pair.clips)][:count], mine=self.mine(annotator))

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
    text = (STATIC / name).read_text("utf-8").replace("{{token}}", room_of(request).token)
    if name.endswith(".html"):
        return HTMLResponse(text)
    return Response(text, media_type=KINDS[name.rpartition(".")[2]])
