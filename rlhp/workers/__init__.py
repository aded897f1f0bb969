"""Worker processes that step environments; they receive orders through pipes and exchange arrays through shared memory."""

from rlhp.workers.memory import Layout, mapped, reserve
from rlhp.workers.processes import InProcess, Maker, Stepping, Work, Workers
from rlhp.workers.serve import serve

__all__ = ["InProcess", "Layout", "Maker", "Stepping", "Work", "Workers", "mapped", "reserve", "serve"]
