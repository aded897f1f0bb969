"""The page on which a person watches and acts, served by a separate process."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rlhp.live.wire import encoded, packed, write_message
from rlhp.run import Served, new_token
from rlhp.types import Array, UserError

SERVER = (sys.executable, "-m", "rlhp.web.live")
PATIENCE = 10.0  # seconds for the page to end
ENDED = "the process of the page has ended; run the command again."


@dataclass(frozen=True, slots=True)
class Order:
    """A command from the person: start, pause, keep, discard, speed, ..."""

    name: str
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Pressed:
    """The keys held, the newest last, and the number of the message that reported them.

    A key that was pressed and released since the last step counts as held. `tapped`: keys newly pressed since then.
    """

    held: tuple[str, ...]
    n: int
    tapped: tuple[str, ...] = ()


class Stage:
    """A page for one person, and the person's input.

    `facts` describe the session: task, instructions, legend of the keys, available commands. The page's process forwards only
    the newest picture, so that a slow browser delays nothing, and ends with this process. Raises UserError if the page cannot be
    served at this address.
    """

    def __init__(self, facts: Mapping[str, Any], host: str, port: int, token: str | None = None) -> None:
        self._pressed, self._tapped = Pressed((), 0), ()
        self._picture, self._shown = b"", 0
        self._rest = b""  # start of a line that has not arrived completely
        # Ctrl-C reaches only this process, which ends the page by closing it
        self._process = subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.page = self._connect(facts, host, port, token or new_token())

    def _connect(self, facts: Mapping[str, Any], host: str, port: int, token: str) -> Served:
        write_message(self._stdin, json.dumps({"facts": facts, "host": host, "port": port, "token": token}).encode())
        while not (messages := self._read_messages(PATIENCE)):
            continue
        if "problem" in messages[0]:
            raise UserError(messages[0]["problem"])
        return Served(host, messages[0]["port"], token, self._process.pid, beside=True)

    def _read_messages(self, seconds: float) -> list[dict[str, Any]]:
        """Return the messages of the page's process: as soon as there are any, or none after `seconds`."""
        if not select.select([self._stdout], [], [], max(seconds, 0.0))[0]:
            return []
        read = os.read(self._stdout.fileno(), 65536)
        if not read:
            raise UserError(ENDED)
        *lines, self._rest = (self._rest + read).split(b"\n")
        return [json.loads(line) for line in lines]

    def show(self, picture: Array | None, **status: Any) -> None:
        """Show a picture [H, W, 3] uint8 (None: the last one) with a status."""
        self._picture = self._picture if picture is None else encoded(picture)
        self._shown += 1
        try:
            write_message(self._stdin, packed({"n": self._shown, **status}, self._picture))
        except BrokenPipeError as error:
            raise UserError(ENDED) from error

    @property
    def pressed(self) -> Pressed:
        """The keys for the next step."""
        now, tapped = self._pressed, self._tapped
        return Pressed((*(key for key in tapped if key not in now.held), *now.held), now.n, tapped)

    def taken(self) -> Pressed:
        """Return the keys for the step that is taken now; later taps count for the step after it."""
        pressed, self._tapped = self.pressed, ()
        return pressed

    def wait(self, seconds: float) -> list[Order]:
        """Return the commands that arrive within `seconds`; return early when one arrives or keys change."""
        orders: list[Order] = []
        for message in self._read_messages(seconds):
            if "held" in message:
                self._press(tuple(message["held"]), message["n"])
            else:
                orders.append(Order(message["order"], message["value"]))
        return orders

    def _press(self, held: tuple[str, ...], n: int) -> None:
        new = tuple(key for key in held if key not in self._pressed.held)
        self._tapped = (*(key for key in self._tapped if key not in new), *new)
        self._pressed = Pressed(held, n)

    def close(self) -> None:
        """End the page's process."""
        with suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()
