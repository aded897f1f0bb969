"""The paper's figure 2: true reward, 1,400, 700 and 350 labels on all eight tasks.

    python experiments/figure2/analysis.py [FOLDER ...]    # default: runs/figure2 and runs/figure2_long, if they exist
    python experiments/figure2/analysis.py --random        # random.csv: returns of uniformly random actions

Draws figure2.png, figure2_long.png (the runs of 2,000,000 steps) and summary.png; writes summary.csv; prints the tables and the
targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

import numpy as np

from rlhp.analysis import read_published
from rlhp.analysis.experiment import EPISODES, Evidence, Experiment, script
from rlhp.analysis.numbers import average, interval
from rlhp.analysis.panels import Layout
from rlhp.analysis.report import cell, number, summary_figure, verdict
from rlhp.analysis.scores import TRUE, Score, Scores, share, summarise
from rlhp.analysis.style import BLUE, GREEN, ORANGE, PINK, Style, save
from rlhp.csv_records import write_records
from rlhp.envs import mujoco
from rlhp.types import Array

HERE = Path(__file__).parent
LONG = 2_000_000
MANY, SOME, FEW = (("preferences", labels) for labels in (1400, 700, 350))
ENOUGH = 0.9  # of the true reward's gain over the random policy, with 700 labels on each task
ON_AVERAGE = {MANY: 1.0, FEW: 0.75}  # the same, as a mean over all tasks
PAPERS_OWN = ("halfcheetah", "hopper", "walker", "reacher")  # 700 labels: the paper's value, in a tenth of its steps


@dataclass(frozen=True, slots=True)
class Target:
    """One target: description, value with 95 % interval (NaN: a run, or a second seed, is missing), and required minimum."""

    what: str
    measured: tuple[float, float, float]
    wanted: float

    def __str__(self) -> str:
        value, low, high = self.measured
        measured = "-" if isnan(value) else number(value, 3)
        between = "" if isnan(low) else f"({number(low, 3)} to {number(high, 3)})"
        return f"{verdict(value, self.wanted):<8}{measured:>6}  {between:<20}at least {self.wanted:<7,.10g}{self.what}"


def targets(found: Evidence, layouts: Mapping[int, Layout], scores: Mapping[int, Scores]) -> Iterator[Target]:
    """Yield all targets of the figure."""
    for steps, layout in layouts.items():
        for task in layout.tasks:
            what = f"{task}: share of the true reward with 700 labels, after {steps:,} steps"
            yield Target(what, share(scores[steps], SOME, [task]), ENOUGH)
    whole = found.layout
    for condition, wanted in ON_AVERAGE.items():
        what = f"mean share over the {len(whole.tasks)} tasks with {whole.styles[condition].name}, after {found.steps:,} steps"
        yield Target(what, share(scores[found.steps], condition, whole.tasks), wanted)
    for task in PAPERS_OWN:
        seeds = {steps: cell(found.study, {}, task, SOME, steps).seeds for steps in (found.steps, LONG)}
        best = max((steps for steps in seeds if seeds[steps]), key=lambda steps: np.mean(seeds[steps]), default=found.steps)
        what = f"{task}: return with 700 labels after {best:,} steps, compared with the paper's after 20,000,000"
        yield Target(what, _mean(np.array(seeds[best])), whole.published[task, SOME].value)


def _mean(values: Array) -> tuple[float, float, float]:
    """Return the mean and its interval; NaN if there are no values."""
    return (float(values.mean()), *interval([values], average)) if len(values) else (nan, nan, nan)


def report(found: Evidence) -> Iterator[str]:
    """Yield the tables of both lengths, then the targets; of the longer runs, only tasks and conditions that have runs."""
    layouts = {found.steps: found.layout}
    if (longer := found.present(found.layout, LONG)).tasks:
        layouts[LONG] = longer
    for (steps, layout), name in zip(layouts.items(), ("figure2", "figure2_long"), strict=False):
        yield f"{found.compared(layout, steps, name)}\n"
    scores = {steps: found.scores(steps) for steps in layouts}
    rows = {steps: summarise(scores[steps], steps) for steps in layouts}
    write_records(Score, found.here / "summary.csv", [row for each in rows.values() for row in each])
    save(summary_figure(rows[found.steps], found.layout), found.here / "summary.png")
    yield from map(str, targets(found, layouts, scores))
    yield ""


LAYOUT = Layout(
    tasks=("hopper", "walker", "swimmer", "halfcheetah", "ant", "reacher", "double_pendulum", "pendulum"),
    styles={
        TRUE: Style(ORANGE, "-", "True reward"),
        MANY: Style(PINK, "-", "1,400 labels"),
        SOME: Style(BLUE, "-", "700 labels"),
        FEW: Style(GREEN, "-", "350 labels"),
    },
    columns=4,
    # the pendulum's reward and horizon are not the paper's, which could not be recovered: its returns are on another scale
    published={key: value for key, value in read_published(HERE.parent / "paper.csv", "2").items() if key[0] != "pendulum"},
    source="On grey: Christiano et al. (2017), TRPO after 20M steps, read off their figure 2",
)
EXPERIMENT = Experiment(
    here=HERE,
    folders=("runs/figure2", "runs/figure2_long"),
    layout=LAYOUT,
    report=report,
    environments=lambda: ((task, mujoco.make(task, n_envs=EPISODES, seed=0)) for task in LAYOUT.tasks),
)

if __name__ == "__main__":
    script(EXPERIMENT)
