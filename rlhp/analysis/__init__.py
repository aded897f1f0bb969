"""Tables and figures from run directories. Reads only run directories and their tables, and trains nothing."""

from rlhp.analysis.compare import plot
from rlhp.analysis.fitted import fit_png, fit_summary, heldout_accuracy
from rlhp.analysis.numbers import average, band, correlation, curve, final_return, interval, iqm, late_returns
from rlhp.analysis.panels import Layout, lines, panels
from rlhp.analysis.single import curve_png, reward_png, summary
from rlhp.analysis.tables import Curve, Result, read_curves, read_published, read_random, results
from rlhp.run import RunData, find, heldout, load

__all__ = [
    "Curve",
    "Layout",
    "Result",
    "RunData",
    "average",
    "band",
    "correlation",
    "curve",
    "curve_png",
    "final_return",
    "find",
    "fit_png",
    "fit_summary",
    "heldout",
    "heldout_accuracy",
    "interval",
    "iqm",
    "late_returns",
    "lines",
    "load",
    "panels",
    "plot",
    "read_curves",
    "read_published",
    "read_random",
    "results",
    "reward_png",
    "summary",
]
