"""`rlhp inspect`: a report on the quality of a learned reward."""

from rlhp.inspect.checks import Check, Outcome
from rlhp.inspect.report import Report, inspect

__all__ = ["Check", "Outcome", "Report", "inspect"]
