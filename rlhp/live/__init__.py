"""A person who watches and acts while an environment runs: the clock, the pictures, and the page in a process of its own."""

from rlhp.live.clock import Clock, seconds
from rlhp.live.look import Look
from rlhp.live.pacer import IDLE, PAUSE, REFRESH, Pacer
from rlhp.live.stage import Order, Pressed, Stage
from rlhp.live.wire import packed, read_message, write_message

__all__ = [
    "IDLE",
    "PAUSE",
    "REFRESH",
    "Clock",
    "Look",
    "Order",
    "Pacer",
    "Pressed",
    "Stage",
    "packed",
    "read_message",
    "seconds",
    "write_message",
]
