"""The paper's figure 5 on three tasks: what each part of the method is worth, with 700 labels.

    python experiments/ablations/analysis.py [FOLDER ...]    # default: runs/ablation

Merges the finished runs below the folders into results.csv, curves.csv and provenance.csv beside this file, and those that failed
into failed.csv; draws ablations.png and prints the table. The whole method and the true reward are those of ../figure2, from its
tables. All but the merging is done from files, so it works without run directories too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlhp.analysis import baseline, read_published
from rlhp.analysis.panels import Layout, draw
from rlhp.analysis.report import table
from rlhp.analysis.scores import TRUE, normalised
from rlhp.analysis.script import script
from rlhp.analysis.study import gathered, provenance, read, with_reference
from rlhp.analysis.style import AMBER, BLACK, BLUE, GREEN, PINK, QUIET, SKY, Style

HERE = Path(__file__).parent
FIGURE2 = HERE.parent / "figure2"
FOLDER = Path("runs/ablation")
STEPS = 1_000_000
WHOLE = ("preferences", 700)
LAYOUT = Layout(
    tasks=("halfcheetah", "hopper", "swimmer"),
    styles={
        WHOLE: Style(BLUE, "-", "Whole method"),
        ("random_queries", 700): Style(GREEN, "-", "Random queries"),
        ("no_ensemble", 700): Style(AMBER, "-", "No ensemble"),
        ("no_online_queries", 700): Style(SKY, "-", "No online queries"),
        ("no_regularisation", 700): Style(PINK, "-", "No regularisation"),
        ("no_segments", 700): Style(BLACK, "--", "No segments"),
        ("target", 700): Style(QUIET, "--", "Target"),
    },
    columns=3,
    published=read_published(HERE.parent / "paper.csv", "5"),
    source="On grey: Christiano et al. (2017), TRPO after 20M steps, read off their figure 5",
)


def main(arguments: Sequence[str]) -> None:
    """Merge what there is, then draw and print."""
    print(gathered(arguments, (FOLDER,), HERE))
    study = with_reference(read(HERE), read(FIGURE2), (WHOLE, TRUE))
    scores = normalised(study.results, baseline.read_random(FIGURE2 / "random.csv"), STEPS)
    print(draw(study.curves, LAYOUT, STEPS, HERE / "ablations.png"))
    print(table(study, scores, LAYOUT, STEPS), "", provenance(study.provenance), sep="\n")


if __name__ == "__main__":
    script(main)
