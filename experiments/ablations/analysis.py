"""The paper's figure 5 on three tasks: the effect of each part of the method, with 700 labels.

    python experiments/ablations/analysis.py [FOLDER ...]    # default: runs/ablation

Draws ablations.png and prints the table. The whole method and the true reward come from the tables of ../figure2.
"""

from __future__ import annotations

from pathlib import Path

from rlhp.analysis import read_published
from rlhp.analysis.experiment import Experiment, script
from rlhp.analysis.panels import Layout
from rlhp.analysis.scores import TRUE
from rlhp.analysis.style import variants

HERE = Path(__file__).parent
EXPERIMENT = Experiment(
    here=HERE,
    folders=("runs/ablation",),
    reference=(("preferences", 700), TRUE),
    layout=Layout(
        tasks=("halfcheetah", "hopper", "swimmer"),
        styles=variants(
            "Whole method",
            700,
            ("random_queries", "no_ensemble", "no_online_queries", "no_regularisation", "no_segments", "target"),
        ),
        columns=3,
        published=read_published(HERE.parent / "paper.csv", "5"),
        source="On grey: Christiano et al. (2017), TRPO after 20M steps, read off their figure 5",
    ),
)

if __name__ == "__main__":
    script(EXPERIMENT)
