"""What a worker process runs."""

from __future__ import annotations

import os
import pickle
import select
import struct
import sys
import time
from contextlib import closing, suppress
from threading import Thread
from traceback import format_exc
from typing import IO, Any

from rlhp.types import UserError

DONE, TOLD, REFUSED, FAILED = b".", b"+", b"?", b"!"
LENGTH = struct.Struct("<Q")  # of what follows TOLD
PATIENCE = 5.0  # seconds to end by itself


def serve() -> None:
    """Read orders from standard input, and answer each on standard output, until the input ends."""
    orders, replies = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # nobody else reads an order,
    os.dup2(2, 1)  # and what else is printed does not get in between
    Thread(target=_leave, args=(orders.fileno(),), daemon=True).start()
    with suppress(EOFError, BrokenPipeError):  # whoever gave orders is gone
        try:
            work = pickle.load(orders)()
        except BaseException:
            return _fail(replies)
        with closing(work):
            _write(replies, DONE)
            _obey(work, orders, replies)


def _obey(work: Any, orders: IO[bytes], replies: int) -> None:
    while order := orders.read(1):
        argument = pickle.load(orders) if order.isupper() else None
        try:
            reply = _reply(work(order, argument))
        except BaseException:
            return _fail(replies)
        _write(replies, reply)


def _reply(told: Any) -> bytes:
    if told is None:
        return DONE
    content = pickle.dumps(told)
    return TOLD + LENGTH.pack(len(content)) + content


def _fail(replies: int) -> None:
    """Tell what was raised; closing the pipe says that it is all, though the process may take a while to end."""
    error = sys.exc_info()[1]
    try:
        _write(replies, REFUSED + str(error).encode() if isinstance(error, UserError) else FAILED + format_exc().encode())
    finally:
        os.close(replies)


def _write(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]


def _leave(orders: int) -> None:
    """End the process if whoever gave orders is gone, and it is still at work some seconds later."""
    poll = select.poll()
    poll.register(orders, 0)  # a hang-up alone is told
    poll.poll()
    time.sleep(PATIENCE)
    os._exit(1)
