"""`rlhp inspect`: what a learned reward is worth, in one report."""

from rlhp.inspect.checks import Check, Outcome
from rlhp.inspect.report import Report, inspect

__all__ = ["Check", "Outcome", "Report", "inspect"]
