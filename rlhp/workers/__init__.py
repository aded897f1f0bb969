"""Worker processes that step environments: orders through pipes, numbers in memory that the processes share."""

from rlhp.workers.memory import Layout, mapped, reserve
from rlhp.workers.processes import InProcess, Maker, Stepping, Work, Workers
from rlhp.workers.serve import serve

__all__ = ["InProcess", "Layout", "Maker", "Stepping", "Work", "Workers", "mapped", "reserve", "serve"]
