"""`/labels`: what `rlhp labels` prints, as a page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel

from rlhp.labels import report
from rlhp.web.room import room_of, static

router = APIRouter()


class Cells(BaseModel):
    """A table as it is shown; the first column is text, the others are numbers."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Labels(BaseModel):
    """The answers so far in tables, and what is to be known to read them."""

    head: str
    tables: list[Cells]
    notes: list[str]


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


@router.get("/api/labels")
def tables(request: Request) -> Labels:
    """Counts, times and agreement of those who answered."""
    return Labels.model_validate(report(room_of(request).run), from_attributes=True)
