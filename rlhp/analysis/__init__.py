"""Run directories in, tables and pictures out. Nothing here trains, and nothing but run directories is read."""

from rlhp.analysis.pictures import curve_png, plot, reward_png
from rlhp.analysis.tables import (
    Result,
    RunData,
    band,
    correlation,
    curve,
    final_return,
    find,
    heldout,
    load,
    read_results,
    results,
    summary,
    write_results,
)

__all__ = [
    "Result",
    "RunData",
    "band",
    "correlation",
    "curve",
    "curve_png",
    "final_return",
    "find",
    "heldout",
    "load",
    "plot",
    "read_results",
    "results",
    "reward_png",
    "summary",
    "write_results",
]
