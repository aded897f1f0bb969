"""The page on which a person watches an environment and acts in it, as a process: `python -m rlhp.web.live`.

Standard input delivers the settings of the page and then the pictures with their metadata (`rlhp.live.wire`). Standard output
reports the port and then the person's actions, one line of JSON each. The environment never waits for a browser: browsers
request the newest picture by long polling. The process ends when its standard input closes, that is, when its parent ends.
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
from fastapi import FastAPI
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from rlhp.live import read_message
from rlhp.types import UserError
from rlhp.web.listen import bound, http_server
from rlhp.web.options import Options
from rlhp.web.pages import application, html

HOLD = 2.0  # seconds for which a request waits for the next picture; the browser then repeats it
LIMIT = 2**22  # bytes of the input buffer
GONE = 1.5 * HOLD  # seconds without a request after which a browser is considered closed and its keys are released


class HeldKeys(BaseModel):
    """The keys held in one browser, the newest last. `n` numbers its messages, since they may arrive out of order."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    client: str = Field(pattern=r"^[\w-]{1,40}$")
    n: int = Field(ge=1, le=2**53)
    held: list[str] = Field(max_length=20)


class Order(BaseModel):
    """A command for the process that runs the environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    order: str = Field(pattern=r"^[a-z]{1,20}$")
    value: float = Field(0.0, allow_inf_nan=False)


@dataclass
class Relay:
    """The newest picture and the keys held, shared by all requests."""

    facts: Mapping[str, Any]
    token: str
    newest: tuple[int, bytes] = (0, b"")  # its number and the encoded picture
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    player: str = ""  # the browser that sent keys last
    counts: dict[str, int] = field(default_factory=dict)  # by browser: number of its newest message about keys
    last_seen: dict[str, float] = field(default_factory=dict)  # by browser: time of its last request
    holding: bool = False
    over: bool = False  # no more pictures will come

    def put(self, message: bytes) -> None:
        """Publish a newer picture."""
        self.newest = (self.newest[0] + 1, message)
        self.changed.set()
        self.changed = asyncio.Event()

    async def after(self, n: int, client: str) -> tuple[int, bytes] | None:
        """Return the newest picture if it is newer than number `n`; otherwise wait for the next one, up to HOLD seconds.

        Returns None if no newer picture comes.
        """
        self.last_seen[client] = time.monotonic()
        if self.newest[0] in (0, n) and not self.over:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), HOLD)
        return None if self.newest[0] in (0, n) else self.newest

    def end(self) -> None:
        """End all requests that wait for a picture."""
        self.over = True
        self.changed.set()

    def press(self, keys: HeldKeys) -> None:
        """Report the keys that a person holds."""
        if keys.n <= self.counts.get(keys.client, 0):
            return  # a newer message has arrived first
        self.counts[keys.client], self.player, self.holding = keys.n, keys.client, bool(keys.held)
        self.last_seen[keys.client] = time.monotonic()
        report(held=keys.held, n=keys.n)

    def release_idle(self) -> None:
        """Release the keys of a browser that has stopped sending requests."""
        if self.holding and time.monotonic() - self.last_seen.get(self.player, 0.0) > GONE:
            self.holding = False
            report(held=[], n=self.counts.get(self.player, 0))


def report(**content: Any) -> None:
    """Report to the process that runs the environment."""
    with suppress(BrokenPipeError):  # the parent has ended, and this process is about to
        print(json.dumps(content), flush=True)


def create(relay: Relay, options: Options) -> FastAPI:
    """Create the application."""
    app = application("Watch an environment and act in it.", relay.token, options)

    @app.get("/")
    def index() -> Response:
        return html("live")

    @app.get("/api/facts")
    def facts() -> dict[str, Any]:
        return dict(relay.facts)

    @app.get("/api/picture")
    async def picture(after: int = 0, client: str = "") -> Response:
        found = await relay.after(after, client)
        return Response(status_code=204) if found is None else Response(found[1], headers={"x-number": str(found[0])})

    @app.post("/api/keys", status_code=204)
    async def keys(body: HeldKeys) -> None:
        relay.press(body)

    @app.post("/api/order", status_code=204)
    async def order(body: Order) -> None:
        report(order=body.order, value=body.value)

    return app


async def _serve() -> None:
    """Serve the page until standard input closes."""
    messages = asyncio.StreamReader(limit=LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(messages), sys.stdin)
    first = await read_message(messages)
    if first is None:
        return
    given: Mapping[str, Any] = json.loads(first)
    try:
        socket = bound(given["host"], given["port"])
    except UserError as error:
        report(problem=str(error))
        return
    relay = Relay(given["facts"], given["token"])
    server = http_server(create(relay, Options(host=given["host"])), patience=1)
    tasks = [asyncio.create_task(_relay(messages, relay, server)), asyncio.create_task(_release(relay))]
    report(port=socket.getsockname()[1])
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
        relay.release_idle()


def main() -> None:
    """Serve the page."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its parent process
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
