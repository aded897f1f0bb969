"""Error responses of the applications, and the FastAPI features that they disable."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException as Refused

from rlhp.types import UserError
from rlhp.web.refusal import refusal

# no documentation pages, which would load scripts from other hosts, and no redirects, whose address a proxy may not know
PLAIN: dict[str, Any] = {"title": "rlhp", "docs_url": None, "redoc_url": None, "redirect_slashes": False}


def explain(app: FastAPI) -> None:
    """Register handlers that answer an error with a sentence, as JSON to a program and as a page to a person."""
    app.add_exception_handler(UserError, _unavailable)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _unavailable(request: Request, error: Exception) -> Response:
    """Report an error that the user can fix (a full disk, a lock); the page sends the request again."""
    return refusal(503, str(error), request.headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error.status_code, error.detail, request.headers, error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    """Report what is wrong with a request without echoing its content."""
    assert isinstance(error, RequestValidationError)
    wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return refusal(422, "; ".join(wrong), request.headers)
