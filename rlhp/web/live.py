"""The page at which a person watches and acts, as a process: `python -m rlhp.web.live`.

Its standard input brings what to serve, and then the pictures, each with what goes with it (`rlhp.live.wire`). On standard output
it says where it listens, and then what the person does, a line of JSON each. Nobody waits for a browser: each asks for the
newest picture, and is told as soon as there is one. It ends when its standard input closes, that is, with whoever started it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from rlhp.live import read_message
from rlhp.types import UserError
from rlhp.web.app_state import KINDS, STATIC
from rlhp.web.auth import AuthMiddleware
from rlhp.web.listen import bound
from rlhp.web.options import Options
from rlhp.web.refusal import refusal

HOLD = 2.0  # seconds that a browser waits for the next picture, then it asks again
LIMIT = 2**22  # bytes that are read ahead
GONE = 1.5 * HOLD  # seconds without a question after which whoever held keys has left
FILES = ("live.css", "live.js", "icon.svg")
Client = Field(pattern=r"^[\w-]{1,40}$")


class HeldKeys(BaseModel):
    """The keys that a browser's person holds, the newest last; `n` counts its messages, for they may overtake each other."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    client: str = Client
    n: int = Field(ge=1, le=2**53)
    held: list[str] = Field(max_length=20)


class Order(BaseModel):
    """Something to be done by whoever runs the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    order: str = Field(pattern=r"^[a-z]{1,20}$")
    value: float = Field(0.0, allow_inf_nan=False)


@dataclass
class Relay:
    """The newest message, and who holds keys."""

    facts: Mapping[str, Any]
    token: str
    newest: tuple[int, bytes] = (0, b"")  # its number, and the message
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    player: str = ""  # the browser that said last what is held
    counts: dict[str, int] = field(default_factory=dict)  # by browser: the newest message on keys
    seen: dict[str, float] = field(default_factory=dict)  # by browser: when it asked last
    holding: bool = False
    over: bool = False  # there will be no other message

    def put(self, message: bytes) -> None:
        """There is a newer picture."""
        self.newest = (self.newest[0] + 1, message)
        self.changed.set()
        self.changed = asyncio.Event()

    async def after(self, n: int, client: str) -> tuple[int, bytes] | None:
        """The newest message, unless it is number n: then the next; None where there is none for a while."""
        self.seen[client] = time.monotonic()
        if self.newest[0] in (0, n) and not self.over:
            try:
                await asyncio.wait_for(self.changed.wait(), HOLD)
            except TimeoutError:
                return None
        return None if self.newest[0] == n else self.newest

    def end(self) -> None:
        """Let those go who wait for a picture."""
        self.over = True
        self.changed.set()

    def press(self, keys: HeldKeys) -> None:
        """A person holds these keys now."""
        if keys.n <= self.counts.get(keys.client, 0):
            return  # overtaken by a newer one
        self.counts[keys.client], self.player, self.holding = keys.n, keys.client, bool(keys.held)
        self.seen[keys.client] = time.monotonic()
        say(held=keys.held, n=keys.n)

    def let_go(self) -> None:
        """Release the keys of a browser that is not there any more."""
        if self.holding and time.monotonic() - self.seen.get(self.player, 0.0) > GONE:
            self.holding = False
            say(held=[], n=self.counts.get(self.player, 0))


def say(**content: Any) -> None:
    """Tell whoever runs the environment."""
    with suppress(BrokenPipeError):  # who has gone, and this process with them in a moment
        print(json.dumps(content), flush=True)


def create(relay: Relay, hosts: frozenset[str] | None) -> FastAPI:
    """The application; `hosts`: the names it answers to, None: any."""
    app = FastAPI(title="rlhp", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(HTTPException, _refused)
    app.add_middleware(AuthMiddleware, token=relay.token, hosts=hosts, visited=lambda: None)  # pyright: ignore[reportArgumentType]

    @app.get("/")
    def index() -> Response:
        return HTMLResponse((STATIC / "live.html").read_text("utf-8").replace("{{token}}", relay.token))

    @app.get("/{name}")
    def file(name: str) -> Response:
        if name not in FILES:
            raise HTTPException(404, "there is no such page")
        return Response((STATIC / name).read_text("utf-8"), media_type=KINDS[name.rpartition(".")[2]])

    @app.get("/api/facts")
    def facts() -> JSONResponse:
        return JSONResponse(dict(relay.facts))

    @app.get("/api/picture")
    async def picture(after: int = 0, client: str = "") -> Response:
        found = await relay.after(after, client)
        return Response(status_code=204) if found is None else Response(found[1], headers={"x-number": str(found[0])})

    @app.post("/api/keys", status_code=204)
    async def keys(body: HeldKeys) -> None:
        relay.press(body)

    @app.post("/api/order", status_code=204)
    async def order(body: Order) -> None:
        say(order=body.order, value=body.value)

    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, error.detail, request.headers, error.headers)


async def _serve() -> None:
    """Serve what standard input says, until it closes."""
    messages = asyncio.StreamReader(limit=LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(messages), sys.stdin)
    first = await read_message(messages)
    if first is None:
        return
    given: Mapping[str, Any] = json.loads(first)
    try:
        socket = bound(given["host"], given["port"])
    except UserError as error:
        say(problem=str(error))
        return
    relay = Relay(given["facts"], given["token"])
    hosts = Options(host=given["host"]).hosts
    # no log of accesses: addresses hold the token
    config = uvicorn.Config(create(relay, hosts), ws="none", access_log=False, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    tasks = [asyncio.create_task(_relay(messages, relay, server)), asyncio.create_task(_release(relay))]
    say(port=socket.getsockname()[1])
    await server.serve(sockets=[socket])
    for task in tasks:
        task.cancel()


async def _relay(messages: asyncio.StreamReader, relay: Relay, server: uvicorn.Server) -> None:
    while (message := await read_message(messages)) is not None:
        relay.put(message)
    relay.end()
    server.should_exit = True


async def _release(relay: Relay) -> None:
    while True:
        await asyncio.sleep(HOLD / 4)
        relay.let_go()


def main() -> None:
    """Serve the page."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with whoever started it
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
