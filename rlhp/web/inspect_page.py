"""`/inspect`: the newest report of `rlhp inspect` on the run, for its owner only."""

from __future__ import annotations

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import Response

from rlhp.web.app_state import State, owner_only
from rlhp.web.auth import HEADERS
from rlhp.web.file_cache import read_whole
from rlhp.web.inspection import Inspected
from rlhp.web.pages import html

POLICY = "content-security-policy"
# the page shows the report in a frame; the report may run its own script and play its own videos, and load nothing else
FRAMES = {POLICY: f"{HEADERS[POLICY]}; frame-src 'self'"}
ALONE = {
    POLICY: (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; media-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
    ),
    "x-frame-options": "SAMEORIGIN",
}

router = APIRouter(dependencies=[Depends(owner_only)])


@router.get("/inspect", include_in_schema=False)
def index() -> Response:
    """Return the page."""
    page = html("inspect")
    page.headers.update(FRAMES)
    return page


@router.get("/inspect/report", include_in_schema=False)
def report(state: State) -> Response:
    """Return the newest report. Raises HTTPException (404) if there is none."""
    found = read_whole(state.inspection.report)
    if found is None:
        raise HTTPException(404, "there is no report yet")
    return Response(found[1], media_type="text/html", headers=ALONE)


@router.get("/api/inspect")
def look(state: State) -> Inspected:
    """Return the status of the inspection. Starts one if there is a newer checkpoint."""
    return state.inspection()
