"""Your own tasks: do 700 labels train as good a policy as the task's own reward does?

    python experiments/your_own/analysis.py [FOLDER ...]    # default: runs/your_own
    python experiments/your_own/analysis.py --random        # random.csv: returns of uniformly random actions

Draws your_own.png; prints the tables, and for each task whether the claim holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.utils import instantiate

from rlhp.analysis.experiment import Evidence, Experiment, script
from rlhp.analysis.panels import Layout, draw
from rlhp.analysis.report import table
from rlhp.analysis.scores import TRUE
from rlhp.analysis.style import BLUE, ORANGE, Style

STEPS = {  # training steps per task, as in its yaml
    "walker_walk": 1_000_000,
    "quadruped_walk": 1_000_000,
    "cheetah_run": 1_000_000,
    "button_press": 300_000,
    "minigrid": 100_000,
    "car_racing": 60_000,
}
LABELS = ("preferences", 700)
ENOUGH = 0.9  # the claim: this share of the true reward's gain over the random policy


def environments() -> Iterator[tuple[str, Any]]:
    """Yield each task's environments, as in a run."""
    for task in STEPS:
        with initialize_config_module("rlhp.conf", version_base="1.3"):
            node = compose("config", [f"env={task}", "n_envs=8", "threads=1"]).env
        yield task, instantiate(node, _convert_="all")


def report(found: Evidence) -> Iterator[str]:
    """Draw all tasks; yield a table for each number of steps, and a verdict for each task."""
    whole = (run for run in found.study.curves if run.total_steps == STEPS.get(run.env))
    draw(whole, found.layout, found.here / "your_own.png")
    for steps in dict.fromkeys(STEPS.values()):
        tasks = tuple(task for task in STEPS if STEPS[task] == steps)
        yield table(found.study, found.scores(steps), replace(found.layout, tasks=tasks), steps)
    yield from (found.reached(task, LABELS, ENOUGH, steps) for task, steps in STEPS.items())


EXPERIMENT = Experiment(
    here=Path(__file__).parent,
    folders=("runs/your_own",),
    layout=Layout(
        tasks=tuple(STEPS),
        styles={TRUE: Style(ORANGE, "-", "True reward"), LABELS: Style(BLUE, "-", "700 labels")},
        columns=3,
    ),
    report=report,
    environments=environments,
)

if __name__ == "__main__":
    script(EXPERIMENT)
