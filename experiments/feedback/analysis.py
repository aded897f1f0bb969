"""Types of feedback at equal numbers of answers, and at equal seconds of a person's time.

    python experiments/feedback/analysis.py [FOLDER ...]    # default: runs/feedback

Merges the finished runs below the folders into results.csv, curves.csv and provenance.csv next to this file, and failed ones
into failed.csv; draws answers.png and seconds.png, writes summary.csv and prints the tables. The true reward comes from
the tables of ../figure2. Everything except the merging reads only files, so it also works without run directories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rlhp.analysis import baseline
from rlhp.analysis.panels import Layout, draw
from rlhp.analysis.report import summary_figure, table
from rlhp.analysis.scores import TRUE, normalised, summarise, write_scores
from rlhp.analysis.script import script
from rlhp.analysis.study import gathered, provenance, read, with_reference
from rlhp.analysis.style import AMBER, BLUE, GREEN, PINK, SKY, Condition, Style, save

HERE = Path(__file__).parent
FIGURE2 = HERE.parent / "figure2"
FOLDER = Path("runs/feedback")
STEPS = 1_000_000
TASKS = ("halfcheetah", "walker")
KINDS = {
    "preferences": (BLUE, "Comparisons"),
    "graded_comparison": (SKY, "Graded comparisons"),
    "ranking": (GREEN, "Rankings of 4"),
    "rating": (AMBER, "Ratings"),
    "good_bad": (PINK, "Good or bad"),
}
ANSWERS = dict.fromkeys(KINDS, 700)
SECONDS = {"preferences": 350, "graded_comparison": 280, "ranking": 127, "rating": 400, "good_bad": 560}  # in 1,400 seconds
BUDGETS = {"answers": ANSWERS, "seconds": SECONDS}


def styles(labels: Mapping[str, int]) -> dict[Condition, Style]:
    """Return a style for each type of feedback with this number of answers."""
    return {(kind, labels[kind]): Style(colour, "-", f"{name}, {labels[kind]}") for kind, (colour, name) in KINDS.items()}


def main(arguments: Sequence[str]) -> None:
    """Merge the runs, then draw and print."""
    print(gathered(arguments, (FOLDER,), HERE))
    study = with_reference(read(HERE), read(FIGURE2), (TRUE,))
    scores = normalised(study.results, baseline.read_random(FIGURE2 / "random.csv"), STEPS)
    kept = {key: {task: each for task, each in of.items() if task in TASKS} for key, of in scores.items() if key[0] in KINDS}
    rows = summarise(kept, STEPS)
    write_scores(rows, HERE / "summary.csv")
    for budget, labels in BUDGETS.items():
        layout = Layout(tasks=TASKS, styles=styles(labels), columns=2)
        print("", f"Equal {budget}:", draw(study.curves, layout, STEPS, HERE / f"{budget}.png"), sep="\n")
        print(table(study, scores, layout, STEPS))
        save(summary_figure(rows, layout), HERE / f"{budget}_summary.png")
    print("", provenance(study.provenance), sep="\n")


if __name__ == "__main__":
    script(main)
