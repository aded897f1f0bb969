"""Common style of all figures: colours, names, and functions to create, format and save them. No global plotting state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rlhp.analysis.tables import Condition
from rlhp.types import UserError

# Okabe and Ito's palette, distinguishable for colour-blind readers; without yellow, which is faint on white.
BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"
INK, QUIET = "#333333", "#8A8A8A"
ROBOTS = ("hopper", "walker", "ant", "swimmer", "reacher", "pendulum", "double_pendulum")
TITLES = {"halfcheetah": "HalfCheetah", **{task: task.replace("_", " ").capitalize() for task in ROBOTS}}
DPI = 160
MINUS = "\N{MINUS SIGN}"

LineStyle = Literal["-", "--", ":", "-."]


@dataclass(frozen=True, slots=True)
class Style:
    """Colour, line style and name of a condition."""

    colour: str
    line: LineStyle
    name: str


def rank(key: Condition) -> tuple[bool, bool, str, int]:
    """Sort key of conditions: the true reward, the paper's method, everything else by name; more labels later."""
    name, labels = key
    return name != "true_reward", name != "preferences", name, labels


def styles(keys: Sequence[Condition]) -> dict[Condition, Style]:
    """Return a style for each condition; the two conditions that every figure has keep theirs in all figures."""
    fixed = {("true_reward", 0): ORANGE, ("preferences", 700): BLUE}
    lines: tuple[LineStyle, ...] = ("-", "--", ":")
    free: list[tuple[str, LineStyle]] = [(c, s) for s in lines for c in (GREEN, PINK, AMBER, SKY, BLACK)]
    others = [key for key in keys if key not in fixed]
    drawn = {key: Style(*free[i % len(free)], condition_name(key)) for i, key in enumerate(others)}
    return {key: drawn.get(key) or Style(fixed[key], "-", condition_name(key)) for key in keys}


def variants(method: str, labels: int, others: Sequence[str]) -> dict[Condition, Style]:
    """Return styles that compare the paper's method, named `method`, with conditions that each change a part of it."""
    solid: list[tuple[str, LineStyle]] = [(colour, "-") for colour in (BLUE, GREEN, AMBER, SKY, PINK)]
    dashed: list[tuple[str, LineStyle]] = [(BLACK, "--"), (QUIET, "--")]
    names = {"preferences": method, **{other: condition_name((other, 0)) for other in others}}
    drawn = zip(names.items(), [*[*solid, dashed[0]][: len(others)], dashed[1]], strict=True)
    return {(condition, labels): Style(colour, line, name) for (condition, name), (colour, line) in drawn}


def condition_name(key: Condition) -> str:
    """Return the name of a condition for legends."""
    condition, labels = key
    words = condition.replace("_", " ").capitalize()
    return f"{words}, {labels:,} labels" if labels else words


def title(task: str) -> str:
    """Return the title of a task's panel."""
    return TITLES.get(task, task)


def figure(width: float, height: float) -> Figure:
    """Create an empty figure, sizes in inches, with the Agg backend, which needs no screen."""
    empty = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(empty)
    return empty


def tidy(axes: Axes) -> Axes:
    """Format axes: two spines, a light grid, small grey ticks, thousands separators."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#BBBBBB")
    axes.grid(color="#E6E6E6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color="#BBBBBB", labelcolor=INK, labelsize=8.5, length=3)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}".replace("-", MINUS)))
    return axes


def steps(axes: Axes, span: float, ticks: int) -> None:
    """Set up a step axis from 0 to `span`, with labels such as 0, 50k, 0.5M and at most `ticks` intervals."""
    axes.set_xlim(0, span)
    axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))
    unit, letter = (1e6, "M") if span >= 1e6 else (1e3, "k") if span >= 1e3 else (1, "")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit:g}{letter}" if value else "0"))


def save(drawn: Figure, out: Path) -> Path:
    """Write the figure, and create its folder; return the path.

    Raises UserError for an unknown format or a path that cannot be written.
    """
    known = drawn.canvas.get_supported_filetypes()
    if out.suffix[1:].lower() not in known:
        raise UserError(f"{out} has no known image format: use .png, .pdf or .svg.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        drawn.savefig(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}.") from error
    return out
