"""Authentication and request limits of the page.

The same rules hold for every route: each request needs a key, and an annotator's key acts only for that annotator. A GET
request may carry the key in its URL; a request that changes something must carry it in a header, which no page of another
site can make a browser send. There are no cookies. Therefore no cross-site request can answer. Only the static files, which
are the same for everybody and hold no secrets, are read without a key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rlhp.run import Bearer, bearer
from rlhp.web.refusal import refusal

LIMIT = 16_384  # bytes of a request body: ten times the largest valid one
PUBLIC = "/static"  # path of the static files, which need no key
BEARER = "rlhp.bearer"  # key of an accepted request's scope: the owner or annotator who sent it
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class AuthMiddleware:
    """Accepts small requests that carry a key, name no other annotator, come from the page itself and name one of `hosts`.

    GET requests for static files only have to name one of `hosts`.

    `token` is the owner's key, from which the annotators' keys are derived. `hosts`: accepted host names, None for any.
    `public`: host and port of the proxy in front of the page, if there is one. HEAD is supported wherever GET is.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: frozenset[str] | None, public: str = "") -> None:
        self._app, self._token, self._hosts, self._public = app, token, hosts, public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject a request with 401, 403 or 413 and a sentence, or pass it to the application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the page supports only HTTP, not {scope['type']}")
        send = _with_headers(send)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # a copy: the server's own scope still says HEAD, so it sends no body
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._accepts_host(headers.get("host", "")):
            await refusal(403, "this page is served only on this machine", headers)(scope, receive, send)
        elif scope["method"] == "GET" and is_static(scope):
            await self._app(scope, receive, send)
        else:
            await self._guarded(scope, receive, send, headers)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        """Reject a request that is not for a static file, or pass it to the application."""
        reads = scope["method"] == "GET"
        who = self._bearer(scope, headers, reads)
        refused = self._refusal(who, headers, reads)
        if refused is None and not reads:
            body = await _read_body(receive)
            refused = (413, f"the body exceeds {LIMIT} bytes") if body is None else _wrong_annotator(who, _named_annotators(body))
            receive = _replayed(body or b"")
        if refused is None and (refused := _wrong_annotator(who, _parameter(scope, "annotator"))) is None:
            await self._app({**scope, BEARER: who}, receive, send)
        else:
            more = {"www-authenticate": "Bearer"} if refused[0] == 401 else None
            await refusal(*refused, headers, more)(scope, receive, send)

    def _accepts_host(self, host: str) -> bool:
        """Return whether a request may name this host, with or without a port."""
        return self._hosts is None or host.rpartition(":")[0] in self._hosts or host in self._hosts

    def _refusal(self, who: Bearer | None, headers: dict[str, str], reads: bool) -> tuple[int, str] | None:
        """Return status and reason if the request is rejected for its headers or key, whatever its body says."""
        if who is None:
            return 401, "the token is missing or wrong: open the page with the link that rlhp printed"
        host = headers.get("host", "")
        foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        origin = headers.get("origin", f"http://{host}").partition("://")[2]
        if not reads and (foreign or origin not in {host, self._public or host}):
            return 403, "only the page itself may send answers"
        if int(headers["content-length"] if headers.get("content-length", "").isdigit() else 0) > LIMIT:
            return 413, f"the body exceeds {LIMIT} bytes"
        return None

    def _bearer(self, scope: Scope, headers: dict[str, str], reads: bool) -> Bearer | None:
        """Return the owner or annotator whose key the request carries; None if it carries no valid key."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        offered = [given] if kind.lower() == "bearer" else []
        return bearer(self._token, offered + (_parameter(scope, "token") if reads else []))


def route_path(scope: Scope) -> str:
    """Return the path of a request relative to the application's root; empty if the scope is not a request."""
    return scope.get("path", "").removeprefix(scope.get("root_path", ""))


def is_static(scope: Scope) -> bool:
    """Return whether a request is for a static file."""
    return route_path(scope).startswith(f"{PUBLIC}/")


def _parameter(scope: Scope, name: str) -> list[str]:
    """Return the values of a query parameter."""
    return parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get(name, [])


def _named_annotators(body: bytes) -> list[object]:
    """Return the annotator named in a body, parsed as the application does; empty if the application will reject the body."""
    try:
        content = json.loads(body or b"null")
    except (ValueError, RecursionError):
        return []
    return [content["annotator"]] if isinstance(content, dict) and "annotator" in content else []


def _wrong_annotator(who: Bearer | None, named: Sequence[object]) -> tuple[int, str] | None:
    """Return status and reason if an annotator's key comes with another annotator's name."""
    if who is None or who.owns or all(name == who.annotator for name in named):
        return None
    return 403, f"this link is for {who.annotator} only: open your own link"


async def _read_body(receive: Receive) -> bytes | None:
    """Read the whole body; None if it exceeds LIMIT, whatever its header said."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LIMIT:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return body


def _replayed(body: bytes) -> Receive:
    """Return a `receive` that delivers a body that has already been read."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _with_headers(send: Send) -> Send:
    start = time.perf_counter()

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            timing = {"server-timing": f"app;dur={1000 * (time.perf_counter() - start):.1f}"}  # ms; for developer tools
            extra = [(k.encode(), v.encode()) for k, v in (HEADERS | timing).items() if k.encode() not in present]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return sending
