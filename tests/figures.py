"""What figures show: panels, lines, texts and legends, read from matplotlib instead of from a written picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

Points = list[tuple[float, float]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """The figures that are saved, by file name; no file is written."""
    found: dict[str, Figure] = {}
    monkeypatch.setattr(Figure, "savefig", lambda page, out, **_: found.__setitem__(Path(out).name, page))
    return found


def panels(page: Figure) -> dict[str, Axes]:
    """The panels by their titles."""
    return {axes.get_title(): axes for axes in page.axes}


def points(line: Line2D) -> Points:
    """The points of a line, without those that are not drawn."""
    data = np.asarray(line.get_xydata(), float)
    return [(x, y) for x, y in data.tolist() if np.isfinite(y)]


def curves(axes: Axes, colour: str) -> list[Points]:
    """The lines of a colour, each as its points."""
    return [points(line) for line in axes.lines if to_hex(line.get_color()) == colour.lower()]


def texts(axes: Axes) -> list[str]:
    """The texts in a panel."""
    return [text.get_text() for text in axes.texts]


def legend(owner: Figure | Axes) -> list[str]:
    """The entries of a figure's legends, or of a panel's."""
    found = owner.legends if isinstance(owner, Figure) else [owner.get_legend()]
    return [text.get_text().replace("\n", " ") for each in found if each for text in each.get_texts()]


def described(page: Figure) -> list[Any]:
    """All that a figure shows, to compare it with another."""
    return [legend(page), *((axes.get_title(), [points(line) for line in axes.lines], texts(axes)) for axes in page.axes)]
