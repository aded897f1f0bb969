"""`/labels`: what `rlhp answers` prints, over time, and for the owner of the run the links of those who answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from rlhp.answers import over_time, report
from rlhp.run import annotators_of, key_of
from rlhp.run.predictions import PREDICTIONS
from rlhp.store import people, ranked, times
from rlhp.web.app_state import AppState, app_state, bearer_of, owner_only, static
from rlhp.web.file_cache import changed
from rlhp.web.schemas import Annotator

router = APIRouter()


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Cells(_Read):
    """A table as it is shown; the first column is text, the others are numbers."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Line(_Read):
    """One annotator's points: seconds since 1970, and a number."""

    name: str
    points: list[tuple[float, float]]


class Curves(_Read):
    """Lines that are drawn together; `share`: their numbers are shares, from 0 to 1."""

    title: str
    share: bool
    lines: list[Line]


class Tables(_Read):
    """The answers so far in tables, and what is to be known to read them."""

    head: str
    tables: list[Cells]
    notes: list[str]


class Labels(Tables):
    """The same, over time. `whose`: the annotator whose figures these are; null: everybody's."""

    whose: str | None
    curves: list[Curves]


class Link(BaseModel):
    """An annotator's key; their link is that of the page with `?annotator=...&token=...`."""

    annotator: str
    key: str


@router.get("/labels", include_in_schema=False)
def index(request: Request) -> Response:
    """The page."""
    return static(request, "labels.html")


@router.get("/labels.css", include_in_schema=False)
def style(request: Request) -> Response:
    """What its looks have beyond the other page's."""
    return static(request, "labels.css")


@router.get("/labels.js", include_in_schema=False)
def script(request: Request) -> Response:
    """Its behaviour."""
    return static(request, "labels.js")


@router.get("/chart.js", include_in_schema=False)
def chart(request: Request) -> Response:
    """What draws its curves."""
    return static(request, "chart.js")


@router.get("/api/labels")
def tables(request: Request) -> Labels:
    """Counts, times and agreement of those who answered: everybody's for the owner of the run, else one's own."""
    room, whose = app_state(request), bearer_of(request).annotator
    version = changed(room.run / PREDICTIONS), room.store.database.version()
    return room.seen(("labels", whose), version, lambda: _labels(room, whose))


def _labels(room: AppState, whose: str | None) -> Labels:
    told, database = Tables.model_validate(report(room.run, whose)), room.store.database
    drawn = over_time(room.run, ranked(database, whose), times(database, whose))
    return Labels(**told.model_dump(), whose=whose, curves=[Curves.model_validate(curves) for curves in drawn])


@router.get("/api/links", dependencies=[Depends(owner_only)])
def links(request: Request, more: Annotated[list[Annotator], Query(max_length=20)] = []) -> list[Link]:  # noqa: B006
    """Keys of those whom the settings name and those who have answered, and of `more`."""
    room = app_state(request)
    names = dict.fromkeys([*annotators_of(room.settings, room.annotators), *people(room.store.database), *more])
    return [Link(annotator=name, key=key_of(room.token, name)) for name in names]
