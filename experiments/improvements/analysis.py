"""Six published improvements, each switched on alone, compared with the unchanged method, with 700 labels.

    python experiments/improvements/analysis.py [FOLDER ...]    # default: runs/improvement

Draws improvements.png and summary.png, writes summary.csv and prints the table. The unchanged method and the true reward come
from the tables of ../figure2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rlhp.analysis.experiment import Evidence, Experiment, script
from rlhp.analysis.panels import Layout
from rlhp.analysis.report import write_summary
from rlhp.analysis.scores import TRUE, restricted, summarise
from rlhp.analysis.style import AMBER, BLACK, BLUE, GREEN, PINK, QUIET, SKY, Style

AS_IT_IS = ("preferences", 700)


def report(found: Evidence) -> Iterator[str]:
    """Yield the table of the tasks on which any switch was tried."""
    tried = {row.env for row in found.study.results if row.method not in EXPERIMENT.reference}
    shown = replace(found.layout, tasks=tuple(task for task in found.layout.tasks if task in tried))
    rows = summarise(restricted(found.scores(found.steps), shown.styles, shown.tasks), found.steps)
    write_summary(rows, {"summary": shown}, found.here)
    yield found.compared(shown, found.steps, "improvements")
    yield ""


EXPERIMENT = Experiment(
    here=Path(__file__).parent,
    folders=("runs/improvement",),
    reference=(AS_IT_IS, TRUE),
    report=report,
    layout=Layout(
        tasks=("halfcheetah", "hopper", "swimmer", "reacher"),
        styles={
            AS_IT_IS: Style(BLUE, "-", "As it is"),
            ("cropped_clips", 700): Style(GREEN, "-", "Cropped clips"),
            ("mixed_queries", 700): Style(AMBER, "-", "Mixed queries"),
            ("smoothed_labels", 700): Style(SKY, "-", "Smoothed labels"),
            ("adaptive_scale", 700): Style(PINK, "-", "Adaptive scale"),
            ("warm_start", 700): Style(BLACK, "--", "Warm start"),
            ("value_refit", 700): Style(QUIET, "--", "Value refit"),
        },
        columns=2,
    ),
)

if __name__ == "__main__":
    script(EXPERIMENT)
