"""Worker processes that step environments: orders through pipes, numbers in memory that the processes share."""

from rlhp.workers.memory import Layout, mapped, reserve
from rlhp.workers.processes import Here, Maker, Stepping, Work, Workers
from rlhp.workers.serve import serve

__all__ = ["Here", "Layout", "Maker", "Stepping", "Work", "Workers", "mapped", "reserve", "serve"]
