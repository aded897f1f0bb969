"""What an application says of what goes wrong, and what it leaves out."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException as Refused

from rlhp.types import UserError
from rlhp.web.refusal import refusal

# no pages of others' making, which would load scripts from elsewhere, and no redirects, whose address a proxy may not know
PLAIN: dict[str, Any] = {"title": "rlhp", "docs_url": None, "redoc_url": None, "redirect_slashes": False}


def explain(app: FastAPI) -> None:
    """Have errors told in a sentence, to a program as JSON and to a person as a page."""
    app.add_exception_handler(UserError, _unavailable)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _unavailable(request: Request, error: Exception) -> Response:
    """What the user can mend (a full disk, a lock), in the sentence that says how; the page sends again."""
    return refusal(503, str(error), request.headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error.status_code, error.detail, request.headers, error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    """What is wrong with a request, without repeating what it said."""
    assert isinstance(error, RequestValidationError)
    wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return refusal(422, "; ".join(wrong), request.headers)
