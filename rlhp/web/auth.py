"""What stands before the page: who may ask, from where, and how much.

One rule for every address: without a key nothing is answered, and an annotator's key acts for that annotator alone. Reading
takes the key from the link; whatever changes something takes it from a header alone, which no other site's page can make a
browser send, and there are no cookies. So no cross-site request can answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rlhp.run import Bearer, bearer
from rlhp.web.refusal import refusal

LIMIT = 16_384  # bytes of a body: ten times the largest that is valid
BEARER = "rlhp.bearer"  # where the scope of a request that was let through says whose it is
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
    """Lets through what bears a key, is about nobody else, comes from the page itself, names one of `hosts` and is small.

    `token` is the owner's key, from which annotators' are made; `hosts` None: any. `public` is the host, with its port, by which
    a proxy in front of the page is known, if there is one. `visited` is called for each request that is let through. HEAD is
    answered wherever GET is.
    """

    def __init__(
        self, app: ASGIApp, token: str, hosts: frozenset[str] | None, visited: Callable[[], None], public: str = ""
    ) -> None:
        self._app, self._token, self._hosts, self._visited, self._public = app, token, hosts, visited, public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 401, 403 or 413 and a sentence, or pass on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the page speaks HTTP alone, not {scope['type']}")
        send = _with_headers(send)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # a copy: the server keeps its own, and by that leaves out the body
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        reads = scope["method"] == "GET"
        who = self._who(scope, headers, reads)
        refused = self._refused(who, headers, reads)
        if refused is None and not reads:
            body = await _whole(receive)
            refused = (413, f"a body may have {LIMIT} bytes") if body is None else _not_theirs(who, _named(body))
            receive = _again(body or b"")
        if refused is None and (refused := _not_theirs(who, _asked(scope, "annotator"))) is None:
            self._visited()
            await self._app({**scope, BEARER: who}, receive, send)
        else:
            more = {"www-authenticate": "Bearer"} if refused[0] == 401 else None
            await refusal(*refused, headers, more)(scope, receive, send)

    def _refused(self, who: Bearer | None, headers: dict[str, str], reads: bool) -> tuple[int, str] | None:
        """Status and reason, if this request is not let through, whatever it says."""
        host = headers.get("host", "")
        if self._hosts is not None and host.rpartition(":")[0] not in self._hosts and host not in self._hosts:
            return 403, "this page is served to this machine alone"
        if who is None:
            return 401, "the token is missing or wrong: open the page by the address that rlhp printed"
        foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        origin = headers.get("origin", f"http://{host}").partition("://")[2]
        if not reads and (foreign or origin not in {host, self._public or host}):
            return 403, "only the page itself may answer"
        if int(headers["content-length"] if headers.get("content-length", "").isdigit() else 0) > LIMIT:
            return 413, f"a body may have {LIMIT} bytes"
        return None

    def _who(self, scope: Scope, headers: dict[str, str], reads: bool) -> Bearer | None:
        """Whose key the request bears."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        offered = [given] if kind.lower() == "bearer" else []
        return bearer(self._token, offered + (_asked(scope, "token") if reads else []))


def _asked(scope: Scope, name: str) -> list[str]:
    """The values of a parameter of the address."""
    return parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get(name, [])


def _named(body: bytes) -> list[object]:
    """The annotator whom a body names, as the application reads it; nothing where it will refuse the body."""
    try:
        said = json.loads(body or b"null")
    except (ValueError, RecursionError):
        return []
    return [said["annotator"]] if isinstance(said, dict) and "annotator" in said else []


def _not_theirs(who: Bearer | None, named: Sequence[object]) -> tuple[int, str] | None:
    """Status and reason, if an annotator's key comes with somebody else's name."""
    if who is None or who.owns or all(name == who.annotator for name in named):
        return None
    return 403, f"this link is for {who.annotator} alone: open your own"


async def _whole(receive: Receive) -> bytes | None:
    """The body; None if it is too large, whatever its header said."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LIMIT:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return body


def _again(body: bytes) -> Receive:
    """A body that was read already, to be read once more."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _with_headers(send: Send) -> Send:
    began = time.perf_counter()

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message["headers"]}
            took = {"server-timing": f"app;dur={1000 * (time.perf_counter() - began):.1f}"}  # ms, for a browser's developer tools
            extra = [(k.encode(), v.encode()) for k, v in (HEADERS | took).items() if k.encode() not in there]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return sending
