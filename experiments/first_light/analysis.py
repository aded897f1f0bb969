"""First light: do 700 labels train as good a policy as the true reward does?

    python experiments/first_light/analysis.py [FOLDER ...]    # default: runs/first_light

Merges the finished runs below the folders into results.csv, curves.csv and provenance.csv beside this file, and those that failed
into failed.csv; draws first_light.png; prints the table, and for each task whether the claim holds. All but the merging is done
from those files, so it works without run directories too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlhp.analysis import baseline, read_published
from rlhp.analysis.panels import Layout, draw
from rlhp.analysis.report import cell, table
from rlhp.analysis.scores import TRUE, normalised
from rlhp.analysis.script import script
from rlhp.analysis.study import gathered, provenance, read
from rlhp.analysis.style import BLUE, ORANGE, Style

HERE = Path(__file__).parent
FIGURE2 = HERE.parent / "figure2"
FOLDER = Path("runs/first_light")
STEPS = 1_000_000
LABELS = ("preferences", 700)
LAYOUT = Layout(
    tasks=("halfcheetah", "hopper", "reacher"),
    styles={TRUE: Style(ORANGE, "-", "True reward"), LABELS: Style(BLUE, "-", "700 labels")},
    columns=3,
    published=read_published(HERE.parent / "paper.csv", "2"),
    source="On grey: Christiano et al. (2017), TRPO after 20M steps, read off their figure 2",
)
ENOUGH = 0.9  # the claim: this share of the true reward's gain over the random policy


def verdict(task: str, share: float) -> str:
    """Whether the claim holds on a task; a share that is not there is NaN."""
    return f"{'PASS' if share >= ENOUGH else 'short'}  {task}: {share:.2f} of the true reward's gain, target at least {ENOUGH}"


def main(arguments: Sequence[str]) -> None:
    """Merge what there is, then draw and print."""
    print(gathered(arguments, (FOLDER,), HERE))
    study = read(HERE)
    scores = normalised(study.results, baseline.read_random(FIGURE2 / "random.csv"), STEPS)
    print(draw(study.curves, LAYOUT, STEPS, HERE / "first_light.png"))
    print(table(study, scores, LAYOUT, STEPS))
    print(*(verdict(task, cell(study, scores, task, LABELS, STEPS).share) for task in LAYOUT.tasks), sep="\n")
    print(provenance(study.provenance))


if __name__ == "__main__":
    script(main)
