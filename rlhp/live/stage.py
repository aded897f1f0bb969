"""The page at which a person watches and acts, served by a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from rlhp.live.wire import encoded, packed, write_message
from rlhp.run import Served, new_token
from rlhp.types import Array, UserError

SERVER = (sys.executable, "-m", "rlhp.web.live")
PATIENCE = 10.0  # seconds for the page to end
ENDED = "the process of the page has ended; run the command again."


@dataclass(frozen=True, slots=True)
class Order:
    """Something that the person asks for: start, pause, keep, discard, speed, ..."""

    name: str
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Pressed:
    """Keys that are held, the newest last, and the number of the message that said so."""

    held: tuple[str, ...]
    n: int


class Stage:
    """A page for one person, and what they do at it.

    `facts` are what the page is told once: task, instructions, legend of the keys, what it can be asked for. The page's process
    relays the newest picture alone, so that a slow browser holds up nothing. It ends with this one. Raises UserError where no
    page can be served at this address.
    """

    def __init__(self, facts: Mapping[str, Any], host: str, port: int, token: str | None = None) -> None:
        self._pressed, self._tapped = Pressed((), 0), ()
        self._picture, self._shown = b"", 0
        self._said: SimpleQueue[Order | Pressed | None] = SimpleQueue()
        # an interrupt at the keyboard goes to this process, which ends the page by closing it
        self._process = subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.page = self._greeted(facts, host, port, token or new_token())
        Thread(target=self._listen, name="stage", daemon=True).start()

    def _greeted(self, facts: Mapping[str, Any], host: str, port: int, token: str) -> Served:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        write_message(stdin, json.dumps({"facts": facts, "host": host, "port": port, "token": token}).encode())
        line = stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"problem": ENDED}
        if "problem" in answer:
            raise UserError(answer["problem"])
        return Served(host, answer["port"], token, self._process.pid, beside=True)

    def show(self, picture: Array | None, **status: Any) -> None:
        """Show a picture [H, W, 3] uint8 (None: the last one), and tell the page where things stand."""
        self._picture = self._picture if picture is None else encoded(picture)
        self._shown += 1
        assert self._process.stdin is not None
        try:
            write_message(self._process.stdin, packed({"n": self._shown, **status}, self._picture))
        except BrokenPipeError as error:
            raise UserError(ENDED) from error

    @property
    def pressed(self) -> Pressed:
        """Keys that are held now, or were pressed since `taken`: one that was let go again counts too."""
        now, tapped = self._pressed, self._tapped
        return Pressed((*(key for key in tapped if key not in now.held), *now.held), now.n)

    def taken(self) -> None:
        """What was pressed so far has had its effect."""
        self._tapped = ()

    def wait(self, seconds: float) -> list[Order]:
        """What is asked for within so many seconds; returns early when anything is, or when keys change."""
        orders: list[Order] = []
        with suppress(Empty):
            self._take(self._said.get(timeout=seconds) if seconds > 0 else self._said.get_nowait(), orders)
            while True:
                self._take(self._said.get_nowait(), orders)
        return orders

    def _take(self, said: Order | Pressed | None, orders: list[Order]) -> None:
        match said:
            case None:
                raise UserError(ENDED)
            case Pressed():
                new = tuple(key for key in said.held if key not in self._pressed.held)
                self._tapped = (*(key for key in self._tapped if key not in new), *new)
                self._pressed = said
            case Order():
                orders.append(said)

    def close(self) -> None:
        """End the page."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        """Take down what the page's process says, a line of JSON each."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                said = json.loads(line)
                pressed = "held" in said
                self._said.put(Pressed(tuple(said["held"]), said["n"]) if pressed else Order(said["order"], said["value"]))
        self._said.put(None)
