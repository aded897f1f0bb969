"""A person who watches and acts while an environment runs: the clock, the pictures, and the page in a process of its own."""

from rlhp.live.clock import Clock
from rlhp.live.look import Look
from rlhp.live.stage import Order, Stage
from rlhp.live.wire import packed, read_message, write_message

__all__ = ["Clock", "Look", "Order", "Stage", "packed", "read_message", "write_message"]
