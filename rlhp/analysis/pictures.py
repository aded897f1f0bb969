"""What run directories say, in pictures. Every figure is its own object: no global plotting state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rlhp.analysis.tables import RunData, band, correlation, curve, find, heldout, load, write_csv
from rlhp.types import Array, UserError

# Okabe and Ito's colours, which the colour-blind tell apart; without the yellow, which is faint on white.
BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"
INK, QUIET = "#333333", "#8A8A8A"
TITLES = {
    "hopper": "Hopper",
    "walker": "Walker",
    "halfcheetah": "HalfCheetah",
    "ant": "Ant",
    "swimmer": "Swimmer",
    "reacher": "Reacher",
    "pendulum": "Pendulum",
    "double_pendulum": "Double pendulum",
}
DPI = 160
MANY = 60  # above so many rows, single ones are dots and their mean is the line

Condition = tuple[str, int]  # name and labels


@dataclass(frozen=True, slots=True)
class Line:
    """One condition on one task over seeds, [P] each: NaN where there is no mean or no band."""

    step: Array
    mean: Array
    low: Array
    high: Array
    seeds: Array

    @property
    def span(self) -> float:
        """Length of the grid: its steps are the centres of equal bins."""
        return float(self.step[0] + self.step[-1])


# The picture of many runs


def plot(runs: Sequence[Path], out: Path) -> tuple[Path, Path]:
    """Learning curves over seeds, one panel per task and one line per condition; returns the picture and its CSV.

    `runs` are run directories or folders of them. The band is the 95 % bootstrap of the mean over seeds. The CSV lies
    beside the picture and has the same name. Raises UserError if there is nothing to draw or it cannot be written.
    """
    picture = out if out.suffix else out.with_suffix(".png")
    lines = _lines([load(run) for run in find(runs)])
    figure = _panels(lines)
    _save(figure, picture)
    return picture, _write_lines(lines, picture.with_suffix(".csv"))


def _lines(runs: Iterable[RunData]) -> dict[str, dict[Condition, Line]]:
    """Task -> condition -> line, in the order in which they are drawn; runs without an ended episode are left out."""
    groups: dict[str, dict[Condition, list[RunData]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        if len(run.ended()[0]):
            groups[run.task][run.condition, run.labels].append(run)
    if not groups:
        raise UserError("No episode has ended in any of these runs, so there is nothing to draw: train for more steps.")
    return {task: {key: _line(groups[task], key) for key in sorted(groups[task], key=_rank)} for task in sorted(groups)}


def _line(conditions: dict[Condition, list[RunData]], key: Condition) -> Line:
    span = max(run.total_steps for run in chain(*conditions.values()))  # one grid for all lines of a panel
    steps, values = zip(*(curve(run, span=span) for run in conditions[key]), strict=True)
    curves = np.stack(values)
    return Line(steps[0], *band(curves), np.isfinite(curves).sum(0))


def _write_lines(lines: dict[str, dict[Condition, Line]], path: Path) -> Path:
    rows = [
        (task, *key, f"{step:.0f}", *("" if np.isnan(v) else f"{v:.3f}" for v in values), seeds)
        for task, conditions in lines.items()
        for key, line in conditions.items()
        for step, *values, seeds in zip(line.step, line.mean, line.low, line.high, line.seeds, strict=True)
        if seeds
    ]
    write_csv(path, ("env", "condition", "labels", "step", "mean", "low", "high", "seeds"), rows)
    return path


def _panels(lines: dict[str, dict[Condition, Line]]) -> Figure:
    columns = len(lines) if len(lines) <= 3 else 4 if len(lines) > 6 else 3
    rows = -(-len(lines) // columns)
    figure = _figure(max(4.8, 3.0 * columns), 0.55 + 2.5 * rows)
    keys = sorted({key for conditions in lines.values() for key in conditions}, key=_rank)
    looks = _looks(keys)
    for i, (task, conditions) in enumerate(lines.items()):
        axes = _tidy(figure.add_subplot(rows, columns, i + 1))
        axes.set_title(TITLES.get(task, task), fontsize=10, color=INK)
        for key, line in conditions.items():
            _draw(axes, line, *looks[key])
        _steps(axes, next(iter(conditions.values())).span, 4)
        if i % columns == 0:
            axes.set_ylabel("True return", color=INK)
        if i + columns >= len(lines):
            axes.set_xlabel("Environment steps", color=INK)
    _legend(figure, keys, lines)
    return figure


def _draw(axes: Axes, line: Line, colour: str, style: str, name: str) -> None:
    axes.fill_between(line.step, line.low, line.high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(line.step, line.mean, color=colour, linestyle=style, linewidth=1.7, label=name, solid_capstyle="round")


def _legend(figure: Figure, keys: Sequence[Condition], lines: dict[str, dict[Condition, Line]]) -> None:
    """One legend for all panels, above them, saying how many seeds are behind each line."""
    drawn = {entry.get_label(): entry for axes in figure.axes for entry in axes.get_lines()}
    names = [f"{_name(key)} ({_seeds([lines[task][key] for task in lines if key in lines[task]])})" for key in keys]
    figure.legend(
        [drawn[_name(key)] for key in keys],
        names,
        loc="outside upper center",
        ncols=min(len(keys), max(1, int(figure.get_figwidth() / 2.6))),
        frameon=False,
        labelcolor=INK,
        fontsize=9,
    )


def _seeds(lines: Sequence[Line]) -> str:
    counts = sorted({int(line.seeds.max()) for line in lines})
    return "1 seed" if counts == [1] else f"{'-'.join(str(n) for n in {counts[0]: 0, counts[-1]: 0})} seeds"


def _rank(key: Condition) -> tuple[bool, bool, str, int]:
    """Order of the conditions: the true reward, the paper's method, everything else by name; more labels later."""
    name, labels = key
    return name != "true_reward", name != "preferences", name, labels


def _name(key: Condition) -> str:
    name, labels = key
    words = name.replace("_", " ").capitalize()
    return f"{words}, {labels:,} labels" if labels else words


def _looks(keys: Sequence[Condition]) -> dict[Condition, tuple[str, str, str]]:
    """Colour, line style and name of each condition: the two that every picture has keep theirs in all pictures."""
    fixed = {("true_reward", 0): ORANGE, ("preferences", 700): BLUE}
    free = [(c, s) for s in ("-", "--", ":") for c in (GREEN, PINK, AMBER, SKY, BLACK)]
    others = [key for key in keys if key not in fixed]
    drawn = {key: free[i % len(free)] for i, key in enumerate(others)}
    return {key: (*drawn.get(key, (fixed.get(key, BLACK), "-")), _name(key)) for key in keys}


# The pictures of one run


def curve_png(run: Path, out: Path) -> Path:
    """True return against steps, above the reward model's validation accuracy and the labels used, as far as there are any.

    Raises UserError where the run cannot be read or the picture cannot be written.
    """
    data = load(run)
    small = [(name, draw) for name, draw in _SMALL.items() if np.nan_to_num(data.metrics.get(name, np.zeros(1))).any()]
    heights = [2.4] + [1.0] * len(small)
    figure = _figure(7.0, 0.9 + 1.05 * sum(heights))
    grid = figure.add_gridspec(len(heights), height_ratios=heights)
    top = _tidy(figure.add_subplot(grid[0]))
    _draw_return(top, data)
    for i, (_, draw) in enumerate(small):
        draw(_tidy(figure.add_subplot(grid[i + 1], sharex=top)), data)
    _steps(top, max(data.total_steps, data.step), 6)
    for axes in figure.axes:
        axes.tick_params(labelbottom=axes is figure.axes[-1])
    figure.align_ylabels()
    figure.axes[-1].set_xlabel("Environment steps", color=INK)
    _save(figure, out)
    return out


def _draw_return(axes: Axes, run: RunData) -> None:
    step, value, _ = run.ended()
    key = run.condition, run.labels
    colour, _, name = _looks([key])[key]
    axes.set_ylabel("True return", color=INK)
    axes.set_title(f"{TITLES.get(run.task, run.task)}: {name.lower()}", fontsize=11, color=INK)
    if not len(step):
        axes.text(0.5, 0.5, "no episode has ended", transform=axes.transAxes, ha="center", color=QUIET)
        axes.set_yticks([])
    elif len(step) <= MANY:
        axes.plot(step, value, "o-", color=colour, linewidth=1.7, markersize=3.5, solid_capstyle="round")
    else:
        axes.plot(step, value, "o", color=colour, alpha=0.3, markersize=3, markeredgewidth=0, label="episodes of one rollout")
        axes.plot(*curve(run, points=40), color=colour, linewidth=1.9, label="mean", solid_capstyle="round")
        axes.legend(loc="lower right", frameon=False, labelcolor=INK, fontsize=8)


def _draw_accuracy(axes: Axes, run: RunData) -> None:
    there = np.isfinite(run.metrics["valid_accuracy"])
    step, accuracy = run.metrics["step"][there], 100 * run.metrics["valid_accuracy"][there]
    axes.axhline(50, color=QUIET, linewidth=1, linestyle="--")
    axes.text(0.995, 51.5, "chance", transform=axes.get_yaxis_transform(), ha="right", va="bottom", color=QUIET, fontsize=8)
    axes.plot(step, accuracy, color=GREEN, linewidth=1.5)
    axes.set_ylim(min(45, accuracy.min() - 3), 101)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
    axes.set_ylabel("Validation\naccuracy", color=INK)


def _draw_labels(axes: Axes, run: RunData) -> None:
    there = np.isfinite(run.metrics["labels"])
    step, labels = run.metrics["step"][there], run.metrics["labels"][there]
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
    """Predicted against true return of the held-out segments, with Pearson's r and the least-squares line.

    Raises UserError where the run has no held-out segments or the picture cannot be written.
    """
    data, (true, predicted) = load(run), heldout(run)
    there = np.isfinite(true) & np.isfinite(predicted)
    true, predicted = true[there], predicted[there]
    if len(true) < 2:
        raise UserError(f"{run} holds fewer than two held-out segments, too few to compare predictions with true returns.")
    figure = _figure(5.0, 4.6)
    axes = _tidy(figure.add_subplot())
    r = correlation(true, predicted)
    axes.plot(true, predicted, "o", color=BLUE, alpha=0.35, markersize=4, markeredgewidth=0)
    if np.isfinite(r):
        slope, offset = np.polyfit(true, predicted, 1)
        ends = np.array([true.min(), true.max()])
        axes.plot(ends, slope * ends + offset, color=ORANGE, linewidth=1.9, label=f"least squares, r = {r:.3f}")
        axes.legend(loc="upper left", frameon=False, labelcolor=INK, fontsize=9)
    axes.set_title(f"{TITLES.get(data.task, data.task)}: {len(true):,} held-out segments", fontsize=11, color=INK)
    axes.set_xlabel("True return of the segment", color=INK)
    axes.set_ylabel("Predicted return of the segment", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    _save(figure, out)
    return out


# What all pictures share


def _figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, drawn by Agg, so that no screen is needed."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _tidy(axes: Axes) -> Axes:
    """Two spines, a light grid, small grey ticks, thousands in groups."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#BBBBBB")
    axes.grid(color="#E6E6E6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color="#BBBBBB", labelcolor=INK, labelsize=8.5, length=3)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")))
    return axes


def _steps(axes: Axes, span: float, ticks: int) -> None:
    """A step axis from 0 to `span`, labelled 0, 50k, 0.5M, at most so many intervals."""
    axes.set_xlim(0, span)
    axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))
    unit, letter = (1e6, "M") if span >= 1e6 else (1e3, "k") if span >= 1e3 else (1, "")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit:g}{letter}" if value else "0"))


def _save(figure: Figure, out: Path) -> None:
    """Write the figure; its folder is made. Raises UserError for an unknown format or a place that cannot be written."""
    known = figure.canvas.get_supported_filetypes()
    if out.suffix[1:].lower() not in known:
        raise UserError(f"{out} has no known picture format: use .png, .pdf or .svg.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}.") from error
