"""Error responses: JSON for programs, a page for a person's browser."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from rlhp.types import UserError

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>This page cannot be shown · rlhp</title>
</head>
<body>
<main>
<h1>This page cannot be shown</h1>
<p role="alert">{reason}.</p>
</main>
</body>
</html>
"""


def refusal(status: int, reason: str, asked: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Response:
    """Return an error response with one sentence, `reason`. `asked`: the request's headers, keyed by lower-case names."""
    if "text/html" in asked.get("accept", ""):
        sentence = reason[:1].upper() + reason[1:].rstrip(".")
        return HTMLResponse(PAGE.format(reason=escape(sentence)), status, headers)
    return JSONResponse({"detail": reason}, status, headers)


async def explained(request: Request, error: Exception) -> Response:
    """Return the response to an error: a sentence that echoes no content of the request."""
    match error:
        case UserError():  # that the user can fix (a full disk, a lock); the page sends the request again
            return refusal(503, str(error), request.headers)
        case HTTPException():
            return refusal(error.status_code, error.detail, request.headers, error.headers)
        case RequestValidationError():
            wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
            return refusal(422, "; ".join(wrong), request.headers)
    raise error


EXPLAINED = (UserError, HTTPException, RequestValidationError)
