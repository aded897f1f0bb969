"""Table and summary figure of an experiment: returns next to published ones, and scores over all tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rlhp.analysis.panels import Layout
from rlhp.analysis.scores import ALL, Score, Scores
from rlhp.analysis.study import Study
from rlhp.analysis.style import INK, MINUS, Style, figure, save, tidy, title
from rlhp.analysis.tables import Condition
from rlhp.csv_records import write_records

SMALL: dict[str, Any] = {"fontsize": 7.5}
EDGES = (-0.25, 1.5)  # values beyond are drawn at the edge, with their number


@dataclass(frozen=True, slots=True)
class Cell:
    """One condition on one task, for runs of one length."""

    seeds: list[float]  # final returns; empty: missing
    failed: int  # seeds that ended in an error
    share: float  # mean score; NaN if there is none

    def __str__(self) -> str:
        """Format the mean over the seeds."""
        return number(float(np.mean(self.seeds))) if self.seeds else "missing"

    def each(self) -> str:
        """Format the return of each seed."""
        return "  ".join([*map(number, self.seeds), *["failed"] * self.failed])


def number(value: float, digits: int = 1) -> str:
    """Format a number; with `digits` decimals if it is below 100."""
    return f"{value:z,.0f}" if abs(value) >= 100 else f"{value:z,.{digits}f}"


def verdict(measured: float, wanted: float) -> str:
    """Say whether a target is reached: PASS, short, or missing if nothing was measured."""
    return "missing" if np.isnan(measured) else "PASS" if measured >= wanted else "short"


def cell(study: Study, scores: Scores, task: str, condition: Condition, total_steps: int) -> Cell:
    """Collect the results of one condition on one task."""
    here = task, condition, total_steps
    rows = [row for row in study.results if (row.env, row.method, row.total_steps) == here]
    lost = [row for row in study.failed if (row.env, row.method, row.total_steps) == here]
    values = scores.get(condition, {}).get(task)
    return Cell([row.final_return for row in rows], len(lost), float("nan") if values is None else float(values.mean()))


def table(study: Study, scores: Scores, layout: Layout, total_steps: int) -> str:
    """Format one line per task and condition of the layout: mean, published value, mean score, and each seed."""
    wide = max(len(look.name) for look in layout.styles.values()) + 2
    lines = [f"{'task':<17}{'':<{wide}}{'mean':>8}{'paper':>9}{'share':>8}   each seed, after {total_steps:,} steps"]
    for task in layout.tasks:
        names = [task, *[""] * (len(layout.styles) - 1)]
        for name, (condition, look) in zip(names, layout.styles.items(), strict=True):
            here = cell(study, scores, task, condition, total_steps)
            there = layout.published.get((task, condition))
            paper = f"{there.value:>9,.10g}" if there else f"{'-':>9}"
            share = f"{here.share:>z8.2f}" if np.isfinite(here.share) else f"{'-':>8}"
            lines.append(f"{name:<17}{look.name:<{wide}}{here!s:>8}{paper}{share}   {here.each()}".rstrip())
    return "\n".join(lines)


def write_summary(rows: Sequence[Score], layouts: Mapping[str, Layout], here: Path) -> None:
    """Write summary.csv, and a summary figure for each layout, by its name."""
    write_records(Score, here / "summary.csv", rows)
    for name, layout in layouts.items():
        save(summary_figure(rows, layout), here / f"{name}.png")


def summary_figure(rows: Sequence[Score], layout: Layout) -> Figure:
    """Draw interquartile means over all tasks with their intervals, and next to them the means of each task."""
    page = figure(9.6, 4.6)
    grid = page.add_gridspec(1, 2, width_ratios=[1, 1.35])
    whole, each = (tidy(page.add_subplot(grid[i])) for i in range(2))
    _whole(whole, [row for row in rows if row.statistic == "iqm"], layout)
    _each(each, [row for row in rows if row.env != ALL], layout)
    return page


def _whole(axes: Axes, rows: Iterable[Score], layout: Layout) -> None:
    known = {row.method: row for row in rows}
    for y, (condition, look) in enumerate(layout.styles.items()):
        if condition in known:
            row = known[condition]
            axes.hlines(y, row.low, row.high, color=look.colour, linewidth=9, alpha=0.35)
            axes.plot(row.value, y, "|", color=look.colour, markersize=16, markeredgewidth=2.5)
            said = f"{row.value:.2f}" + (f"  ({row.low:.2f} to {row.high:.2f})" if np.isfinite(row.low) else "")
            axes.annotate(
                said, (np.clip(row.value, 0, 1), y), (0, 13), textcoords="offset points", ha="center", color=INK, **SMALL
            )
    axes.set_yticks(range(len(layout.styles)), [_counts(look, known.get(key), layout) for key, look in layout.styles.items()])
    axes.set_ylim(len(layout.styles) - 0.5, -0.6)
    _scale(axes)
    axes.set_title("Interquartile mean, each task with the same\nweight; 95 % bootstrap within tasks", fontsize=10, color=INK)


def _counts(look: Style, row: Score | None, layout: Layout) -> str:
    return f"{look.name}\n" + (f"{row.tasks} of {len(layout.tasks)} tasks, {row.runs} runs" if row else "missing")


def _each(axes: Axes, rows: Iterable[Score], layout: Layout) -> None:
    places = dict(zip(layout.styles, np.linspace(-0.27, 0.27, len(layout.styles)), strict=True))
    for row in rows:
        if row.method in layout.styles and row.env in layout.tasks:
            _dot(axes, row, layout.tasks.index(row.env) + places[row.method], layout.styles[row.method])
    for y in range(len(layout.tasks) - 1):
        axes.axhline(y + 0.5, color="#E6E6E6", linewidth=0.7)
    axes.set_yticks(range(len(layout.tasks)), [title(task) for task in layout.tasks])
    axes.set_ylim(len(layout.tasks) - 0.5, -0.5)
    _scale(axes)
    axes.set_title("Each task: mean over seeds,\n95 % bootstrap", fontsize=10, color=INK)


def _dot(axes: Axes, row: Score, y: float, look: Style) -> None:
    low, high = EDGES
    if low <= row.value <= high:
        axes.hlines(y, max(row.low, low), min(row.high, high), color=look.colour, linewidth=1.5, alpha=0.6)
        axes.plot(row.value, y, "o", color=look.colour, markersize=4.5, markeredgewidth=0)
        return
    edge, marker, side = (low, "<", "left") if row.value < low else (high, ">", "right")
    axes.plot(edge, y, marker, color=look.colour, markersize=5, markeredgewidth=0, clip_on=False)
    text = f"{row.value:.1f}".replace("-", MINUS)
    away = 6 if side == "left" else -6
    axes.annotate(text, (edge, y), (away, 0), textcoords="offset points", ha=side, va="center", color=look.colour, **SMALL)


def _scale(axes: Axes) -> None:
    axes.set_xlim(*EDGES)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))
    for x in (0, 1):
        axes.axvline(x, color="#999999", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Normalised return: 0 random policy, 1 true reward", color=INK)
