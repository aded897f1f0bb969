"""Let a person watch an environment and act in it: the clock, the pictures, and the page in a separate process."""

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
