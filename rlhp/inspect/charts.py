"""Small SVG charts. Colours come from the report's style sheet, so that they fit light and dark mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from rlhp.inspect.accuracy import Group
from rlhp.inspect.estimate import percent
from rlhp.types import Array

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 12, 40
TICKS = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """The coordinate system of a chart."""

    x: tuple[float, float]
    y: tuple[float, float]
    height: int = HEIGHT

    def across(self, x: float) -> float:
        """Return the horizontal position of x in pixels from the left."""
        return LEFT + (x - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)

    def up(self, y: float) -> float:
        """Return the vertical position of y in pixels from the top."""
        return self.height - BOTTOM - (y - self.y[0]) / (self.y[1] - self.y[0]) * (self.height - TOP - BOTTOM)

    def path(self, x: Array, y: Array) -> str:
        """Return points [n] as the `points` attribute of a polyline."""
        return " ".join(f"{self.across(a):.1f},{self.up(b):.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def around(values: Array, margin: float = 0.06) -> tuple[float, float]:
    """Return a non-empty range that contains values [n]."""
    low, high = float(np.min(values)), float(np.max(values))
    gap = (high - low) * margin or max(abs(low), 1.0) * margin
    return low - gap, high + gap


def number(value: float) -> str:
    """Format the label of a tick."""
    value = round(value, 9) + 0.0  # + 0.0 turns -0.0 into 0.0
    return f"{value / 1e6:g}M" if abs(value) >= 1e6 else f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{value:.3g}"


def ticks(low: float, high: float) -> list[float]:
    """Return about TICKS round numbers in a range."""
    raw = (high - low) / TICKS
    size = 10 ** np.floor(np.log10(raw))
    step = size * min((1, 2, 2.5, 5, 10), key=lambda k: abs(k * size - raw))
    return [float(v) for v in np.arange(np.ceil(low / step) * step, high + 1e-9 * step, step)]


def svg(frame: Frame, label: str, x: str, y: str, inside: Sequence[str], shares: bool = False) -> str:
    """Return a chart with axes. `label`: text for screen readers; `x`, `y`: names of the axes."""
    words = percent if shares else number
    across = [(frame.across(v), words(v)) for v in ticks(*frame.x)]
    up = [(frame.up(v), words(v)) for v in ticks(*frame.y)]
    base = frame.height - BOTTOM
    grid = [f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>' for at, _ in up]
    marks = [f'<text x="{at:.1f}" y="{base + 15}" text-anchor="middle">{word}</text>' for at, word in across]
    marks += [f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{word}</text>' for at, word in up]
    names = [
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{frame.height - 6}" text-anchor="middle">{escape(x)}</text>',
        f'<text class="axis" transform="translate(12 {(TOP + base) / 2}) rotate(-90)" text-anchor="middle">{escape(y)}</text>',
    ]
    return _wrapped(label, frame.height, [*grid, *marks, *names, *inside])


def _wrapped(label: str, height: float, inside: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">{"".join(inside)}</svg>'


def reliability(groups: Sequence[Group]) -> str:
    """Plot r-hat's accuracy against its confidence."""
    low = min([0.4, *(group.accuracy.low for group in groups)])
    frame = Frame((0.48, 1.02), (low - 0.02, 1.02))
    line = f'<polyline class="ideal" points="{frame.path(np.array([0.5, 1.0]), np.array([0.5, 1.0]))}"/>'
    points = [_point(frame, group.predicted, group.accuracy.value, group.accuracy.low, group.accuracy.high) for group in groups]
    return svg(frame, "Reliability diagram", "confidence of r-hat", "accuracy", [line, *points], shares=True)


def _point(frame: Frame, x: float, y: float, low: float, high: float) -> str:
    at = frame.across(x)
    whisker = f'<line class="whisker" x1="{at:.1f}" x2="{at:.1f}" y1="{frame.up(low):.1f}" y2="{frame.up(high):.1f}"/>'
    return f'{whisker}<circle class="dot" cx="{at:.1f}" cy="{frame.up(y):.1f}" r="4"/>'


def scatter(x: Array, y: Array, label: str, names: tuple[str, str]) -> str:
    """Plot points [n] with their least-squares line."""
    frame = Frame(around(x), around(y))
    points = [
        f'<circle class="dot faint" cx="{frame.across(a):.1f}" cy="{frame.up(b):.1f}" r="3.5"/>'
        for a, b in zip(x, y, strict=True)
    ]
    if len(x) > 2 and np.ptp(x) > 0:
        ends = np.array([x.min(), x.max()])
        points.append(f'<polyline class="ideal" points="{frame.path(ends, np.polyval(np.polyfit(x, y, 1), ends))}"/>')
    return svg(frame, label, *names, points)


def lines(x: Array, curves: Sequence[tuple[str, Array]], label: str, names: tuple[str, str], since: float | None = None) -> str:
    """Plot curves over x [n], each with its CSS class. `since`: where the highlighted background starts."""
    frame = Frame(around(x, 0.0), around(np.concatenate([y for _, y in curves])), height=170)
    inside = []
    if since is not None:
        at = frame.across(since)
        width, height = WIDTH - RIGHT - at, frame.height - TOP - BOTTOM
        inside.append(f'<rect class="alarm" x="{at:.1f}" y="{TOP}" width="{width:.1f}" height="{height}"/>')
    inside += [f'<polyline class="curve {name}" points="{frame.path(x, y)}"/>' for name, y in curves]
    return svg(frame, label, *names, inside)


def bars(rows: Sequence[tuple[str, float, float, float]], label: str) -> str:
    """Plot horizontal bars with whiskers; rows are (name, value, low, high), as shares."""
    low, high = min(0.0, *(row[2] for row in rows)), max(0.02, *(row[3] for row in rows))
    frame = Frame((low, high), (0, 1), height=22 * len(rows) + 34)
    inside = []
    for k, (name, value, least, most) in enumerate(rows):
        y = 8 + 22 * k
        zero, end = sorted((_along(frame, 0.0), _along(frame, value)))
        ends = _along(frame, least), _along(frame, most)
        inside += [
            f'<text x="{NAMES - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="bar" x="{zero:.1f}" y="{y + 2}" width="{max(end - zero, 0.5):.1f}" height="13" rx="2"/>',
            f'<line class="whisker" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y + 8.5}" y2="{y + 8.5}"/>',
        ]
    base = 22 * len(rows) + 24
    for tick in ticks(low, high):
        inside.append(f'<text x="{_along(frame, tick):.1f}" y="{base}" text-anchor="middle">{number(100 * tick)}</text>')
    return _wrapped(label, frame.height, inside)


NAMES = 84  # width of the bars' names in pixels


def _along(frame: Frame, value: float) -> float:
    return NAMES + (value - frame.x[0]) / (frame.x[1] - frame.x[0]) * (WIDTH - NAMES - RIGHT - 8)


def patches(values: Array, label: str) -> str:
    """Plot shares [rows, columns] as squares, with larger shares darker."""
    rows, columns = values.shape
    size = 44
    most = max(float(values.max()), 1e-9)
    inside = []
    for i in range(rows):
        for j in range(columns):
            x, y = 8 + j * (size + 3), 8 + i * (size + 3)
            opacity = 0.08 + 0.82 * max(float(values[i, j]), 0.0) / most
            inside.append(f'<rect class="bar" x="{x}" y="{y}" width="{size}" height="{size}" rx="4" opacity="{opacity:.2f}"/>')
            inside.append(
                f'<text x="{x + size / 2}" y="{y + size / 2 + 4}" text-anchor="middle">{number(round(100 * values[i, j]))}</text>'
            )
    return _wrapped(label, 16 + rows * (size + 3), inside)


def members(curves: Array, true: Array | None) -> str:
    """Plot the members of r-hat [M, L] and the true reward [L] along a clip, with a cursor that follows the video."""
    high, width = 96, 320
    low_y, high_y = around(curves)

    def points(y: Array) -> str:
        across = (np.arange(len(y)) + 0.5) / len(y) * width
        up = 4 + (high_y - y) / (high_y - low_y) * (high - 8)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))

    drawn = [f'<polyline class="member m{k % 6}" points="{points(curve)}"/>' for k, curve in enumerate(curves)]
    drawn.append(f'<polyline class="mean" points="{points(curves.mean(axis=0))}"/>')
    if true is not None and np.ptp(true) > 0:
        scaled = (true - true.mean()) / true.std() * max(float(curves.mean(axis=0).std()), 1e-9) + curves.mean()
        drawn.append(f'<polyline class="true" points="{points(np.clip(scaled, low_y, high_y))}"/>')
    cursor = f'<line class="cursor" x1="0" x2="0" y1="0" y2="{high}"/>'
    attributes = 'preserveAspectRatio="none" role="img" aria-label="r-hat of each member along the clip"'
    return f'<svg viewBox="0 0 {width} {high}" {attributes}>{"".join(drawn)}{cursor}</svg>'
