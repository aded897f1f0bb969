"""Tasks that people bring: do 700 labels train as good a policy as the task's own reward does?

    python experiments/your_own/analysis.py [FOLDER ...]    # default: runs/your_own
    python experiments/your_own/analysis.py --random        # random.csv: what uniformly random actions return

Merges the finished runs below the folders into results.csv, curves.csv and provenance.csv beside this file, and those that failed
into failed.csv; draws your_own.png; prints the tables, and for each task whether the claim holds. All but the merging is done
from those files, so it works without run directories too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from rlhp.analysis import baseline
from rlhp.analysis.panels import Layout, lines, panels
from rlhp.analysis.report import cell, table
from rlhp.analysis.scores import TRUE, normalised
from rlhp.analysis.script import script
from rlhp.analysis.study import Study, gathered, provenance, read
from rlhp.analysis.style import BLUE, ORANGE, Style, save

HERE = Path(__file__).parent
FOLDER = Path("runs/your_own")
RANDOM = HERE / "random.csv"
STEPS = {  # that each task is trained for, as its yaml says
    "walker_walk": 1_000_000,
    "quadruped_walk": 1_000_000,
    "cheetah_run": 1_000_000,
    "button_press": 300_000,
    "minigrid": 100_000,
    "car_racing": 60_000,
}
LABELS = ("preferences", 700)
LAYOUT = Layout(
    tasks=tuple(STEPS),
    styles={TRUE: Style(ORANGE, "-", "True reward"), LABELS: Style(BLUE, "-", "700 labels")},
    columns=3,
)
ENOUGH = 0.9  # the claim: this share of the true reward's gain over the random policy


def environments() -> Iterator[tuple[str, Any]]:
    """Each task's environments, as a run has them."""
    for task in STEPS:
        with initialize_config_module("rlhp.conf", version_base="1.3"):
            node = compose("config", [f"env={task}", "n_envs=8", "threads=1"]).env
        yield task, instantiate(node, _convert_="all")


def told(study: Study) -> Iterator[str]:
    """A table for each number of steps, and a verdict for each task."""
    random, verdicts = baseline.read_random(RANDOM), []
    for steps in dict.fromkeys(STEPS.values()):
        tasks = tuple(task for task in STEPS if STEPS[task] == steps)
        scores = normalised(study.results, random, steps)
        yield table(study, scores, replace(LAYOUT, tasks=tasks), steps)
        verdicts += [(task, cell(study, scores, task, LABELS, steps).share) for task in tasks]
    for task, share in verdicts:
        word = "PASS" if share >= ENOUGH else "short"  # a share that is not there is NaN
        yield f"{word}  {task}: {share:.2f} of the true reward's gain, at least {ENOUGH} wanted"


def main(arguments: Sequence[str]) -> None:
    """Merge what there is, then draw and print."""
    if "--random" in arguments:
        return baseline.write_random(environments(), RANDOM)
    print(gathered(arguments, (FOLDER,), HERE))
    study = read(HERE)
    whole = [run for run in study.curves if run.key.total_steps == STEPS.get(run.key.env)]
    save(panels(lines(whole), LAYOUT), HERE / "your_own.png")
    print(*told(study), provenance(study.provenance), sep="\n")


if __name__ == "__main__":
    script(main)
