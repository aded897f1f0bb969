"""Summary and figures of a single run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rlhp.analysis.numbers import correlation, curve, final
from rlhp.analysis.style import BLUE, GREEN, INK, ORANGE, PINK, QUIET, figure, save, steps, styles, tidy, title
from rlhp.durations import duration
from rlhp.run import HELDOUT, RunData, heldout, load
from rlhp.types import UserError

MANY = 60  # with more rows than this, rows are drawn as dots and their mean as a line


def summary(run: RunData) -> str:
    """Summarise a run in a few aligned lines; missing values are dashes."""
    predicted = correlation(*heldout(run.path)) if (run.path / HELDOUT).is_file() else float("nan")
    rows = {
        "task": run.task,
        "labels": str(run.taken),
        "steps": f"{run.step:,}",
        "wall time": duration(run.wall_s),
        "steps per second": or_dash(run.step / run.wall_s if run.wall_s > 0 else float("nan")),
        "final true return": _final(run),
        "validation accuracy": or_dash(100 * run.last("valid_accuracy"), ".1f", " %"),
        "held-out correlation": or_dash(predicted, ".3f"),
    }
    return aligned(rows)


def aligned(rows: Mapping[str, str]) -> str:
    """Format a line per row: its name, and its value in a second column."""
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def _final(run: RunData) -> str:
    """Format the final return, with its step if it is not from the end of the training."""
    if not len(run.ended()[0]):
        return "-"
    found = final(run)
    value = "not a number" if np.isnan(found.value) else or_dash(found.value, ".1f")
    return value if found.late else f"{value} at step {found.first:,}, where the last episode ended"


def or_dash(value: float, form: str = ".0f", unit: str = "") -> str:
    """Format a number with thousands separators, as a dash if it is not finite."""
    return f"{value:,{form}}{unit}" if np.isfinite(value) else "-"


def curve_png(run: Path, out: Path) -> Path:
    """Plot true return over steps, and below it the reward model's validation accuracy and the labels used, if there are any.

    Raises UserError if the run cannot be read or the figure cannot be written.
    """
    data = load(run)
    small = [draw for name, draw in _SMALL.items() if data.known(name)[1].any()]
    heights = [2.4] + [1.0] * len(small)
    page = figure(7.0, 0.9 + 1.05 * sum(heights))
    grid = page.add_gridspec(len(heights), height_ratios=heights)
    top = tidy(page.add_subplot(grid[0]))
    _draw_return(top, data)
    for place, draw in enumerate(small, 1):
        draw(tidy(page.add_subplot(grid[place], sharex=top)), data)
    steps(top, max(data.total_steps, data.step), 6)
    for axes in page.axes:
        axes.tick_params(labelbottom=axes is page.axes[-1])
    page.align_ylabels()
    page.axes[-1].set_xlabel("Environment steps", color=INK)
    return save(page, out)


def _draw_return(axes: Axes, run: RunData) -> None:
    step, value, _ = run.ended()
    look = styles([run.method])[run.method]
    axes.set_ylabel("True return", color=INK)
    words = f"{look.name.lower()}: {run.taken.used:,} used" if run.taken.short else look.name.lower()
    axes.set_title(f"{title(run.task)}: {words}", fontsize=11, color=INK)
    if not len(step):
        axes.text(0.5, 0.5, "no episode has ended", transform=axes.transAxes, ha="center", color=QUIET)
        axes.set_yticks([])
    elif len(step) <= MANY:
        axes.plot(step, value, "o-", color=look.colour, linewidth=1.7, markersize=3.5, solid_capstyle="round")
    else:
        dots = {"alpha": 0.3, "markersize": 3, "markeredgewidth": 0, "label": "episodes of one rollout"}
        axes.plot(step, value, "o", color=look.colour, **dots)
        axes.plot(*curve(run, points=40), color=look.colour, linewidth=1.9, label="mean", solid_capstyle="round")
        axes.legend(loc="lower right", frameon=False, labelcolor=INK, fontsize=8)


def _draw_accuracy(axes: Axes, run: RunData) -> None:
    step, accuracy = run.known("valid_accuracy")
    accuracy = 100 * accuracy
    axes.axhline(50, color=QUIET, linewidth=1, linestyle="--")
    axes.text(0.995, 51.5, "chance", transform=axes.get_yaxis_transform(), ha="right", va="bottom", color=QUIET, fontsize=8)
    axes.plot(step, accuracy, color=GREEN, linewidth=1.5)
    axes.set_ylim(min(45, accuracy.min() - 3), 101)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
    axes.set_ylabel("Validation\naccuracy", color=INK)


def _draw_labels(axes: Axes, run: RunData) -> None:
    step, labels = run.known("labels")
    axes.step(step, labels, where="post", color=PINK, linewidth=1.7)
    axes.fill_between(step, 0, labels, step="post", color=PINK, alpha=0.15, linewidth=0)
    axes.annotate(
        f"{labels[-1]:,.0f}", (step[-1], labels[-1]), (-2, 3), textcoords="offset points", ha="right", color=INK, fontsize=8
    )
    axes.set_ylim(0, 1.3 * labels.max())
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.set_ylabel("Labels\nused", color=INK)


_SMALL = {"valid_accuracy": _draw_accuracy, "labels": _draw_labels}


def reward_png(run: Path, out: Path) -> Path:
    """Plot predicted over true return of the held-out segments, with Pearson's r and the least-squares line.

    Raises UserError if the run has no held-out segments or the figure cannot be written.
    """
    data, (true, predicted) = load(run), heldout(run)
    there = np.isfinite(true) & np.isfinite(predicted)
    true, predicted = true[there], predicted[there]
    if len(true) < 2:
        raise UserError(f"{run} has fewer than two held-out segments, too few to compare predictions with true returns.")
    page = figure(5.0, 4.6)
    axes = tidy(page.add_subplot())
    r = correlation(true, predicted)
    axes.plot(true, predicted, "o", color=BLUE, alpha=0.35, markersize=4, markeredgewidth=0)
    if np.isfinite(r):
        slope, offset = np.polyfit(true, predicted, 1)
        ends = np.array([true.min(), true.max()])
        axes.plot(ends, slope * ends + offset, color=ORANGE, linewidth=1.9, label=f"least squares, r = {r:.3f}")
        axes.legend(loc="upper left", frameon=False, labelcolor=INK, fontsize=9)
    count = f"{len(true):,}" if there.all() else f"{len(true):,} of {len(there):,}"
    axes.set_title(f"{title(data.task)}: {count} held-out segments", fontsize=11, color=INK)
    axes.set_xlabel("True return of the segment", color=INK)
    axes.set_ylabel("Predicted return of the segment", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    return save(page, out)
