"""`/labels`: the tables of `rlhp answers`, their figures over time, and, for the run's owner, the annotators' links."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from rlhp.answers import over_time, report
from rlhp.run import annotators_of, key_of
from rlhp.run.predictions import PREDICTIONS
from rlhp.store import judged, people, times
from rlhp.web.app_state import AppState, app_state, bearer_of, owner_only
from rlhp.web.file_cache import changed
from rlhp.web.pages import html
from rlhp.web.schemas import Annotator

router = APIRouter()


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Cells(_Read):
    """A formatted table; the first column is text, the others are numbers."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Line(_Read):
    """One annotator's points: (seconds since 1970, value)."""

    name: str
    points: list[tuple[float, float]]


class Curves(_Read):
    """Lines that share a chart. `share`: their values are shares from 0 to 1."""

    title: str
    share: bool
    lines: list[Line]


class Tables(_Read):
    """Tables on the answers so far, and notes on how to read them."""

    head: str
    tables: list[Cells]
    notes: list[str]


class Labels(Tables):
    """The tables and their figures over time. `whose`: the annotator whose figures these are; null: everybody's."""

    whose: str | None
    curves: list[Curves]


class Link(BaseModel):
    """An annotator's key. Their link is the page's URL with `?annotator=...&token=...`."""

    annotator: str
    key: str


@router.get("/labels", include_in_schema=False)
def index() -> Response:
    """Return the page."""
    return html("labels")


@router.get("/api/labels")
def tables(request: Request) -> Labels:
    """Return counts, times and agreement of all annotators to the owner of the run, and their own to an annotator."""
    state, whose = app_state(request), bearer_of(request).annotator
    version = changed(state.run / PREDICTIONS), state.store.database.version()
    return state.cache(("labels", whose), version, lambda: _labels(state, whose))


def _labels(state: AppState, whose: str | None) -> Labels:
    tables, database = Tables.model_validate(report(state.run, whose)), state.store.database
    curves = over_time(state.run, judged(database, whose), times(database, whose))
    return Labels(**tables.model_dump(), whose=whose, curves=[Curves.model_validate(each) for each in curves])


@router.get("/api/links", dependencies=[Depends(owner_only)])
def links(request: Request, more: Annotated[list[Annotator], Query(max_length=20)] = []) -> list[Link]:  # noqa: B006
    """Return the keys of the annotators named in the settings, of everybody who has answered, and of `more`."""
    state = app_state(request)
    names = dict.fromkeys([*annotators_of(state.settings, state.annotators), *people(state.store.database), *more])
    return [Link(annotator=name, key=key_of(state.token, name)) for name in names]
