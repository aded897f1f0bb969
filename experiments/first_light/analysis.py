"""First light: do 700 labels train as good a policy as the true reward does?

    python experiments/first_light/analysis.py [FOLDER ...]    # default: runs/first_light

Draws first_light.png; prints the table, and for each task whether the claim holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rlhp.analysis import read_published
from rlhp.analysis.experiment import Evidence, Experiment, script
from rlhp.analysis.panels import Layout
from rlhp.analysis.scores import TRUE
from rlhp.analysis.style import BLUE, ORANGE, Style

HERE = Path(__file__).parent
LABELS = ("preferences", 700)
ENOUGH = 0.9  # the claim: this share of the true reward's gain over the random policy


def report(found: Evidence) -> Iterator[str]:
    """Yield the table, and for each task whether the claim holds."""
    yield found.compared(found.layout, found.steps, "first_light")
    yield from (found.reached(task, LABELS, ENOUGH, found.steps) for task in found.layout.tasks)


EXPERIMENT = Experiment(
    here=HERE,
    folders=("runs/first_light",),
    report=report,
    layout=Layout(
        tasks=("halfcheetah", "hopper", "reacher"),
        styles={TRUE: Style(ORANGE, "-", "True reward"), LABELS: Style(BLUE, "-", "700 labels")},
        columns=3,
        published=read_published(HERE.parent / "paper.csv", "2"),
        source="On grey: Christiano et al. (2017), TRPO after 20M steps, read off their figure 2",
    ),
)

if __name__ == "__main__":
    script(EXPERIMENT)
