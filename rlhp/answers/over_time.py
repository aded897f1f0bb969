"""People's answers over time: their number, and how well r-hat predicts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rlhp.answers.predicted import prediction_scores
from rlhp.store import Judged
from rlhp.types import escaped

WINDOW = 20  # answers per moving average
POINTS = 200  # maximum number of points of a line
Point = tuple[float, float]  # seconds since 1970, value
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One annotator's points, oldest first."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Lines that share a chart. `share`: values are shares from 0 to 1."""

    title: str
    share: bool
    lines: tuple[Line, ...]


def over_time(run: Path, answers: Sequence[Judged], times: Mapping[str, Sequence[float]]) -> tuple[Curves, ...]:
    """Return curves per annotator: the number of answers by their `times`, and how well r-hat predicted `answers`.

    Curves without a line of at least two points are left out.
    """
    given = [(name, [(at, float(count)) for count, at in enumerate(sorted(times[name]), 1)]) for name in sorted(times)]
    right = [(name, moving(prediction_scores(run, [one for one in answers if one.annotator == name]))) for name in sorted(times)]
    both = (_curves("Answers", False, given), _curves(f"Predicted by the reward model (last {WINDOW} answers)", True, right))
    return tuple(curves for curves in both if curves.lines)


def moving(points: Sequence[Point], window: int = WINDOW) -> list[Point]:
    """Return the moving average over `window` values, at the time of the last of them."""
    values = [value for _, value in points]
    return [(points[end - 1][0], sum(values[end - window : end]) / window) for end in range(window, len(points) + 1)]


def thinned(points: Sequence[T], most: int = POINTS) -> tuple[T, ...]:
    """Return at most `most` of the points, evenly spaced, including the first and the last."""
    if len(points) <= most:
        return tuple(points)
    return tuple(points[round(i * (len(points) - 1) / (most - 1))] for i in range(most))


def _curves(title: str, share: bool, points: Sequence[tuple[str, Sequence[Point]]]) -> Curves:
    lines = (Line(escaped(name), thinned(these)) for name, these in points if len(these) > 1)
    return Curves(title, share, tuple(lines))
