"""`/labels`: the tables of `rlhp answers`, their figures over time, and, for the run's owner, the annotators' links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from rlhp.answers import Report, over_time, report
from rlhp.answers.over_time import Curves
from rlhp.run import annotators_of, key_of
from rlhp.store import judged, people, times
from rlhp.web.app_state import AppState, Sender, State, owner_only
from rlhp.web.pages import html
from rlhp.web.schemas import Annotator

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Labels(Report):
    """The tables and their figures over time. `whose`: the annotator whose figures these are; null: everybody's."""

    whose: str | None
    curves: tuple[Curves, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """An annotator's key. Their link is the page's URL with `?annotator=...&token=...`."""

    annotator: str
    key: str


@router.get("/labels", include_in_schema=False)
def index() -> Response:
    """Return the page."""
    return html("labels")


@router.get("/api/labels")
def tables(state: State, sender: Sender) -> Labels:
    """Return counts, times and agreement of all annotators to the owner of the run, and their own to an annotator."""
    whose = sender.annotator
    return state.cache(("labels", whose), state.answers_version(), lambda: _labels(state, whose))


def _labels(state: AppState, whose: str | None) -> Labels:
    found, database = report(state.run, whose), state.store.database
    curves = over_time(state.run, judged(database, whose), times(database, whose))
    return Labels(found.head, found.tables, found.notes, whose, curves)


@router.get("/api/links", dependencies=[Depends(owner_only)])
def links(state: State, more: Annotated[list[Annotator], Query(max_length=20)] = []) -> list[Link]:  # noqa: B006
    """Return the keys of the annotators named in the settings, of everybody who has answered, and of `more`."""
    names = dict.fromkeys([*annotators_of(state.settings, state.annotators), *people(state.store.database), *more])
    return [Link(name, key_of(state.token, name)) for name in names]
