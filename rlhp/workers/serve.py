"""The main function of a worker process."""

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

DONE, RESULT, REFUSED, FAILED = b".", b"+", b"?", b"!"
LENGTH = struct.Struct("<Q")  # of the content after RESULT
PATIENCE = 5.0  # seconds that a process gets to end by itself


def serve() -> None:
    """Read orders from standard input and reply to each on standard output, until the input ends."""
    orders, replies = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # other code cannot read orders,
    os.dup2(2, 1)  # and its prints do not mix with replies
    Thread(target=_exit_if_orphaned, args=(orders.fileno(),), daemon=True).start()
    with suppress(EOFError, BrokenPipeError):  # the parent process has ended
        try:
            work = pickle.load(orders)()
        except BaseException:
            return _fail(replies)
        with closing(work):
            _write(replies, DONE)
            _run_orders(work, orders, replies)


def _run_orders(work: Any, orders: IO[bytes], replies: int) -> None:
    while order := orders.read(1):
        argument = pickle.load(orders) if order.isupper() else None
        try:
            reply = _reply(work(order, argument))
        except BaseException:
            return _fail(replies)
        _write(replies, reply)


def _reply(result: Any) -> bytes:
    if result is None:
        return DONE
    content = pickle.dumps(result)
    return RESULT + LENGTH.pack(len(content)) + content


def _fail(replies: int) -> None:
    """Report the current exception; closing the pipe marks the end of the text, before the process ends."""
    error = sys.exc_info()[1]
    try:
        _write(replies, REFUSED + str(error).encode() if isinstance(error, UserError) else FAILED + format_exc().encode())
    finally:
        os.close(replies)


def _write(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]


def _exit_if_orphaned(orders: int) -> None:
    """Exit if the parent process has ended and this process is still busy some seconds later."""
    poll = select.poll()
    poll.register(orders, 0)  # reports only a hang-up
    poll.poll()
    time.sleep(PATIENCE)
    os._exit(1)
