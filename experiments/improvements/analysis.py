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
from rlhp.analysis.style import variants


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
    reference=(("preferences", 700), TRUE),
    report=report,
    layout=Layout(
        tasks=("halfcheetah", "hopper", "swimmer", "reacher"),
        styles=variants(
            "As it is",
            700,
            ("cropped_clips", "mixed_queries", "smoothed_labels", "adaptive_scale", "warm_start", "value_refit"),
        ),
        columns=2,
    ),
)

if __name__ == "__main__":
    script(EXPERIMENT)
