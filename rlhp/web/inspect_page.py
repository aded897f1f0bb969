"""`/inspect`: the newest report of `rlhp inspect` on the run, for its owner alone."""

from __future__ import annotations

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from rlhp.web.app_state import app_state, owner_only, static
from rlhp.web.auth import HEADERS

POLICY = "content-security-policy"
# the page shows the report in a frame, and the report may run its own script and play its own films, and ask for nothing
FRAMES = {POLICY: f"{HEADERS[POLICY]}; frame-src 'self'"}
ALONE = {
    POLICY: (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; media-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
    ),
    "x-frame-options": "SAMEORIGIN",
}

router = APIRouter(dependencies=[Depends(owner_only)])


class Inspected(BaseModel):
    """Where the inspection of the run stands."""

    model_config = ConfigDict(from_attributes=True)

    working: bool = Field(description="whether a report is being made")
    made_at: float | None = Field(description="when the newest report was, in seconds since 1970; null where there is none")
    problem: str | None = Field(description="why the last one was not made, in a sentence")


@router.get("/inspect", include_in_schema=False)
def index(request: Request) -> Response:
    """The page."""
    page = static(request, "inspect.html")
    page.headers.update(FRAMES)
    return page


@router.get("/inspect.css", include_in_schema=False)
def style(request: Request) -> Response:
    """What its looks have beyond the other page's."""
    return static(request, "inspect.css")


@router.get("/inspect.js", include_in_schema=False)
def script(request: Request) -> Response:
    """Its behaviour."""
    return static(request, "inspect.js")


@router.get("/inspect/report", include_in_schema=False)
def report(request: Request) -> Response:
    """The newest report."""
    file = app_state(request).inspection.report
    if not file.is_file():
        raise HTTPException(404, "there is no report yet")
    return FileResponse(file, media_type="text/html", headers=ALONE)


@router.get("/api/inspect")
def look(request: Request) -> Inspected:
    """Where the inspection stands; asking for it begins one where there is a newer checkpoint."""
    return Inspected.model_validate(app_state(request).inspection())
