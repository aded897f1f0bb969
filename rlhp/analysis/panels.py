"""Figures of learning curves: one panel per task, one line per condition, bands over seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rlhp.analysis.numbers import band
from rlhp.analysis.style import INK, QUIET, Style, figure, rank, save, steps, tidy, title
from rlhp.analysis.tables import Condition, Curve, Published
from rlhp.types import Array

GAP, COLUMN = 0.06, 0.045  # gap before the strip of published values, and width per condition, in lengths of the step axis
STRIP = 0.16  # minimum width of the strip: its tick label must not overlap the last one of the step axis
ALONE: dict[str, Any] = {"linestyle": ":", "linewidth": 1.1}  # a single seed, where other seeds have no value
HANDLE, LETTER, LINE = 0.6, 0.072, 0.2  # size of a legend's handle, of a letter and of a line, in inches
ROOM = 4  # lines of a legend that fit without enlarging the figure
LEGEND: dict[str, Any] = {"frameon": False, "labelcolor": INK, "fontsize": 9}


@dataclass(frozen=True, slots=True)
class Line:
    """One condition on one task over seeds, [P] each.

    Mean and band are over all seeds: NaN where a seed has no return, since the mean would jump when a seed drops out. There,
    `rest` [S, P] contains the returns of the other seeds; it is NaN elsewhere.
    """

    step: Array
    mean: Array
    low: Array
    high: Array
    there: Array  # number of runs with a return
    rest: Array
    runs: int
    seeds: int  # number of different seeds
    unfinished: int  # runs that have not reached their last step

    @property
    def span(self) -> float:
        """Length of the grid, whose steps are the centres of equal bins."""
        return float(self.step[0] + self.step[-1])


Lines = Mapping[str, Mapping[Condition, Line]]  # task -> condition -> line


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of a figure: a panel per task, a style per condition, and published values for comparison."""

    tasks: Sequence[str]
    styles: Mapping[Condition, Style]
    columns: int
    published: Mapping[tuple[str, Condition], Published] = field(default_factory=dict)
    source: str = ""  # source of the published values, for the legend


def lines(curves: Iterable[Curve]) -> dict[str, dict[Condition, Line]]:
    """Compute means and bands over seeds of curves with one grid per task, in the order in which they are drawn."""
    groups: dict[str, dict[Condition, list[Curve]]] = defaultdict(lambda: defaultdict(list))
    for run in curves:
        groups[run.env][run.method].append(run)
    return {task: {key: _line(groups[task][key]) for key in sorted(groups[task], key=rank)} for task in sorted(groups)}


def _line(curves: Sequence[Curve]) -> Line:
    values = np.stack([run.true_return for run in curves])
    there = np.isfinite(values).sum(0)
    whole = there == len(curves)
    mean, low, high = np.where(whole, band(values), np.nan)
    return Line(
        step=curves[0].step,
        mean=mean,
        low=low,
        high=high,
        there=there,
        rest=np.where(whole, np.nan, values),
        runs=len(curves),
        seeds=len({run.seed for run in curves}),
        unfinished=sum(not run.finished for run in curves),
    )


def panels(drawn: Lines, layout: Layout) -> Figure:
    """Draw the lines of the layout's tasks and conditions; a panel without lines says so."""
    rows, width = -(-len(layout.tasks) // layout.columns), max(4.8, 3.0 * layout.columns)
    legend, text = _legend(drawn, layout, width)
    source = _wrap(layout.source, width) if layout.published else ""
    below = 0.1 + LINE * (source.count("\n") + 1) if source else 0.0
    page = figure(width, 0.55 + 2.5 * rows + below + LINE * max(text - ROOM, 0))
    for i, task in enumerate(layout.tasks):
        axes = tidy(page.add_subplot(rows, layout.columns, i + 1))
        _panel(axes, task, drawn.get(task, {}), layout)
        if i % layout.columns == 0:
            axes.set_ylabel("True return", color=INK)
        if i + layout.columns >= len(layout.tasks):
            axes.set_xlabel("Environment steps", color=INK)
    page.legend(**legend, loc="outside upper center", **LEGEND)
    if source:
        mark = Line2D([], [], color=QUIET, marker="D", markersize=4, linestyle="none")
        page.legend([mark], [source], loc="outside lower center", **LEGEND)
    return page


def draw(curves: Iterable[Curve], layout: Layout, out: Path) -> Path:
    """Draw the figure of curves with one grid per task. Raises UserError if it cannot be written."""
    return save(panels(lines(curves), layout), out)


def _panel(axes: Axes, task: str, conditions: Mapping[Condition, Line], layout: Layout) -> None:
    axes.set_title(title(task), fontsize=10, color=INK)
    there = {key: line for key, line in conditions.items() if key in layout.styles}
    for key, look in layout.styles.items():
        if key in there:
            _draw(axes, there[key], look)
    span = max((line.span for line in there.values()), default=1.0)
    steps(axes, span, 4)
    marks = {key: layout.published[task, key] for key in layout.styles if (task, key) in layout.published}
    if marks:
        _strip(axes, span, marks, layout)
    if missing := [layout.styles[key].name.lower() for key in marks if key not in there]:
        names = "\n".join(missing) if len(missing) <= 2 else f"{len(missing)} of {len(marks)}"
        words = f"no run yet: {names}" if there else "no run yet"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axes.text(0.76, 0.03, words, transform=axes.transAxes, ha="right", color=QUIET, fontsize=7.5, bbox=box)


def _draw(axes: Axes, line: Line, look: Style) -> None:
    axes.fill_between(line.step, line.low, line.high, color=look.colour, alpha=0.15, linewidth=0)
    axes.plot(line.step, line.mean, color=look.colour, linestyle=look.line, linewidth=1.7, solid_capstyle="round")
    for one in line.rest[np.isfinite(line.rest).any(axis=1)]:
        axes.plot(line.step, one, color=look.colour, **ALONE)


def _strip(axes: Axes, span: float, marks: Mapping[Condition, Published], layout: Layout) -> None:
    """Draw published values to the right of the step axis, one column each, so that they do not overlap."""
    column = span * max(COLUMN, STRIP / len(layout.styles))
    left, right = span * (1 + GAP), span * (1 + GAP) + column * len(layout.styles)
    axes.axvspan(left, right, color="#F2F2F2", linewidth=0, zorder=0)
    for i, (key, look) in enumerate(layout.styles.items()):
        if key in marks:
            place = left + column * (i + 0.5)
            axes.plot(place, marks[key].value, marker="D", color=look.colour, markersize=3.8, markeredgewidth=0)
    written = axes.xaxis.get_major_formatter()
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= span]
    after = f"{next(iter(marks.values())).steps / 1e6:g}M"
    axes.set_xticks([*ticks, (left + right) / 2], [*map(written, ticks), after])
    axes.set_xlim(0, right)
    axes.spines["bottom"].set_bounds(0, span)


def _legend(drawn: Lines, layout: Layout, width: float) -> tuple[dict[str, Any], int]:
    """Return the arguments of the legend, with the number of seeds of each line, and its number of lines of text.

    It has as many columns as fit `width` inches; long names are wrapped.
    """
    names = [f"{look.name} ({_counts(drawn, layout.tasks, key)})" for key, look in layout.styles.items()]
    handles = [Line2D([], [], color=look.colour, linestyle=look.line, linewidth=1.7) for look in layout.styles.values()]
    if any(np.isfinite(line.rest).any() for line in _lines(drawn, layout.tasks, layout.styles)):
        names.append("single seeds, where some have no return")
        handles.append(Line2D([], [], color=QUIET, **ALONE))
    fit = max(1, int(width / (HANDLE + LETTER * max(map(len, names)))))
    rows = -(-len(names) // fit)
    names = [_wrap(name, width) for name in names]
    legend = {"handles": handles, "labels": names, "ncols": -(-len(names) // rows)}
    return legend, rows * max(name.count("\n") + 1 for name in names)


def _wrap(text: str, width: float) -> str:
    """Break a legend's text into lines that fit a figure of `width` inches."""
    return fill(text, int((width - HANDLE) / LETTER), break_on_hyphens=False)


def _lines(drawn: Lines, tasks: Iterable[str], keys: Iterable[Condition]) -> list[Line]:
    return [drawn[task][key] for task in tasks for key in keys if key in drawn.get(task, {})]


def _counts(drawn: Lines, tasks: Iterable[str], key: Condition) -> str:
    """Describe how many seeds a condition's lines have, and how many runs are not finished."""
    there = _lines(drawn, tasks, [key])
    if not there:
        return "no run"
    runs, seeds = number_range(line.runs for line in there), number_range(line.seeds for line in there)
    counts = f"{seeds} {'seed' if seeds == '1' else 'seeds'}" if runs == seeds else f"{runs} runs of {seeds} seeds"
    unfinished = sum(line.unfinished for line in there)
    return f"{counts}, {unfinished} not finished" if unfinished else counts


def number_range(counts: Iterable[int]) -> str:
    """Format the range of numbers, such as 3-5, or the number if all are equal."""
    known = sorted(set(counts))
    return "-".join(str(count) for count in {known[0]: 0, known[-1]: 0})
