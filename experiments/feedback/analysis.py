"""Types of feedback at equal numbers of answers, and at equal seconds of a person's time.

    python experiments/feedback/analysis.py [FOLDER ...]    # default: runs/feedback

Draws answers.png and seconds.png, writes summary.csv and prints the tables. The true reward comes from the tables of ../figure2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from rlhp.analysis.experiment import Evidence, Experiment, script
from rlhp.analysis.panels import Layout
from rlhp.analysis.report import write_summary
from rlhp.analysis.scores import TRUE, restricted, summarise
from rlhp.analysis.style import AMBER, BLUE, GREEN, PINK, SKY, Style
from rlhp.analysis.tables import Condition

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


def report(found: Evidence) -> Iterator[str]:
    """Yield a table for each budget."""
    layouts = {budget: replace(found.layout, styles=styles(labels)) for budget, labels in BUDGETS.items()}
    scores = found.scores(found.steps)
    rows = summarise(restricted(scores, [key for key in scores if key[0] in KINDS], found.layout.tasks), found.steps)
    write_summary(rows, {f"{budget}_summary": layout for budget, layout in layouts.items()}, found.here)
    for budget, layout in layouts.items():
        yield f"\nEqual {budget}:\n{found.compared(layout, found.steps, budget)}"
    yield ""


EXPERIMENT = Experiment(
    here=Path(__file__).parent,
    folders=("runs/feedback",),
    reference=(TRUE,),
    report=report,
    layout=Layout(tasks=("halfcheetah", "walker"), styles=styles(ANSWERS), columns=2),
)

if __name__ == "__main__":
    script(EXPERIMENT)
