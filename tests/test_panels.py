"""Figures of learning curves, whatever their width: every word lies within the figure."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from rlhp.analysis.panels import Layout, lines, panels
from rlhp.analysis.style import Style
from rlhp.analysis.tables import Curve, Published

KEY = ("preferences", 5500)
SOURCE = "On grey: the authors (2017), another agent after 50M steps, read off the third of their many figures"


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_the_source_of_published_values_fits_the_figure(columns: int) -> None:
    tasks = [f"task {i}" for i in range(columns)]
    grid = np.linspace(5.0, 95.0, 10)
    runs = [Curve(task, *KEY, 1, 100, grid, grid) for task in tasks]
    marks = {(task, KEY): Published("3", task, *KEY, 50_000_000, 20.0) for task in tasks}
    page = panels(lines(runs), Layout(tasks, {KEY: Style("#1f77b4", "-", "5,500 labels")}, columns, marks, SOURCE))
    canvas = FigureCanvasAgg(page)
    canvas.draw()
    written = page.legends[1].get_window_extent(canvas.get_renderer())
    assert written.x0 >= 0 and written.x1 <= page.bbox.x1 and written.y0 >= 0
    assert page.legends[1].get_texts()[0].get_text().replace("\n", " ") == SOURCE
