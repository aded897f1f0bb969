"""Six published improvements, each switched on alone, beside the method as it is, with 700 labels.

    python experiments/improvements/analysis.py [FOLDER ...]    # default: runs/improvement

Merges the finished runs below the folders into results.csv, curves.csv and provenance.csv beside this file, and those that failed
into failed.csv; draws improvements.png and summary.png, writes summary.csv and prints the table. The method as it is and the true
reward are those of ../figure2, from its tables. All but the merging is done from files, so it works without run directories too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rlhp.analysis import baseline
from rlhp.analysis.panels import Layout, draw
from rlhp.analysis.report import summary_figure, table
from rlhp.analysis.scores import TRUE, normalised, summarise, write_scores
from rlhp.analysis.script import script
from rlhp.analysis.study import Study, gathered, provenance, read, with_reference
from rlhp.analysis.style import AMBER, BLACK, BLUE, GREEN, PINK, QUIET, SKY, Style, save

HERE = Path(__file__).parent
FIGURE2 = HERE.parent / "figure2"
FOLDER = Path("runs/improvement")
STEPS = 1_000_000
AS_IT_IS = ("preferences", 700)
LAYOUT = Layout(
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
)


def layout(own: Study) -> Layout:
    """The tasks on which any switch was tried."""
    tried = {row.env for row in own.results}
    return replace(LAYOUT, tasks=tuple(task for task in LAYOUT.tasks if task in tried))


def main(arguments: Sequence[str]) -> None:
    """Merge what there is, then draw and print."""
    print(gathered(arguments, (FOLDER,), HERE))
    own = read(HERE)
    study, shown = with_reference(own, read(FIGURE2), (AS_IT_IS, TRUE)), layout(own)
    scores = normalised(study.results, baseline.read_random(FIGURE2 / "random.csv"), STEPS)
    kept = {
        key: {task: values for task, values in scores[key].items() if task in shown.tasks}
        for key in shown.styles
        if key in scores
    }
    rows = summarise(kept, STEPS)
    write_scores(rows, HERE / "summary.csv")
    save(summary_figure(rows, shown), HERE / "summary.png")
    print(draw(study.curves, shown, STEPS, HERE / "improvements.png"))
    print(table(study, scores, shown, STEPS), "", provenance(study.provenance), sep="\n")


if __name__ == "__main__":
    script(main)
