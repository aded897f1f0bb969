"""The paper's figure 2: true reward, 1,400, 700 and 350 labels on all eight tasks.

    python experiments/figure2/analysis.py [FOLDER ...]    # default: runs/figure2 and runs/figure2_long, if they exist
    python experiments/figure2/analysis.py --random        # random.csv: returns of uniformly random actions

Merges the finished runs below the folders into results.csv, curves.csv and provenance.csv next to this file, and failed ones
into failed.csv; draws figure2.png, figure2_long.png (the runs of 2,000,000 steps) and summary.png; writes summary.csv; prints the
tables and the targets. All but the merging is done from those files, so it works without run directories too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path

import numpy as np

from rlhp.analysis import baseline, read_published
from rlhp.analysis.numbers import average, interval
from rlhp.analysis.panels import Layout, draw
from rlhp.analysis.report import cell, number, summary_figure, table
from rlhp.analysis.scores import TRUE, Scores, normalised, share, summarise, write_scores
from rlhp.analysis.script import script
from rlhp.analysis.study import Study, gathered, provenance, read
from rlhp.analysis.style import BLUE, GREEN, ORANGE, PINK, Style, save
from rlhp.envs import mujoco
from rlhp.types import Array

HERE = Path(__file__).parent
FOLDERS = (Path("runs/figure2"), Path("runs/figure2_long"))
STEPS, LONG = 1_000_000, 2_000_000
MANY, SOME, FEW = (("preferences", labels) for labels in (1400, 700, 350))
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
        verdict = "missing" if isnan(value) else "PASS" if value >= self.wanted else "short"
        measured = "-" if isnan(value) else number(value, 3)
        between = "" if isnan(low) else f"({number(low, 3)} to {number(high, 3)})"
        return f"{verdict:<8}{measured:>6}  {between:<20}at least {self.wanted:<7,.10g}{self.what}"


def targets(study: Study, scores: Mapping[int, Scores]) -> Iterator[Target]:
    """Yield all targets of the figure."""
    for steps in scores:
        for task in layout(study, steps).tasks:
            what = f"{task}: share of the true reward with 700 labels, after {steps:,} steps"
            yield Target(what, share(scores[steps], SOME, [task]), ENOUGH)
    for condition, wanted in ON_AVERAGE.items():
        what = f"mean share over the {len(LAYOUT.tasks)} tasks with {LAYOUT.styles[condition].name}, after {STEPS:,} steps"
        yield Target(what, share(scores[STEPS], condition, LAYOUT.tasks), wanted)
    for task in PAPERS_OWN:
        seeds = {steps: cell(study, {}, task, SOME, steps).seeds for steps in (STEPS, LONG)}
        best = max((steps for steps in seeds if seeds[steps]), key=lambda steps: np.mean(seeds[steps]), default=STEPS)
        what = f"{task}: return with 700 labels after {best:,} steps, compared with the paper's after 20,000,000"
        yield Target(what, _mean(np.array(seeds[best])), LAYOUT.published[task, SOME].value)


def _mean(values: Array) -> tuple[float, float, float]:
    """Return the mean and its interval; NaN if there are no values."""
    return (float(values.mean()), *interval([values], average)) if len(values) else (nan, nan, nan)


def layout(study: Study, steps: int) -> Layout:
    """Return all tasks and conditions; for the longer runs, only those that have runs."""
    if steps == STEPS:
        return LAYOUT
    there = [row for row in study.results if row.total_steps == steps]
    tasks = tuple(task for task in LAYOUT.tasks if any(row.env == task for row in there))
    conditions = {(row.condition, row.labels) for row in there}
    styles = {condition: style for condition, style in LAYOUT.styles.items() if condition in conditions}
    return replace(LAYOUT, tasks=tasks, styles=styles, columns=min(4, max(1, len(tasks))))


def report() -> None:
    """Make figures, summary and tables from the files next to this one."""
    study, random = read(HERE), baseline.read_random(HERE / "random.csv")
    lengths = [steps for steps in (STEPS, LONG) if layout(study, steps).tasks]
    scores = {steps: normalised(study.results, random, steps) for steps in lengths}
    for steps, name in zip(lengths, ("figure2.png", "figure2_long.png"), strict=False):
        print(draw(study.curves, layout(study, steps), steps, HERE / name))
        print(table(study, scores[steps], layout(study, steps), steps), end="\n\n")
    rows = {steps: summarise(scores[steps], steps) for steps in lengths}
    write_scores([row for steps in lengths for row in rows[steps]], HERE / "summary.csv")
    save(summary_figure(rows[STEPS], LAYOUT), HERE / "summary.png")
    print(*targets(study, scores), "", provenance(study.provenance), sep="\n")


def main(arguments: Sequence[str]) -> None:
    """Merge the runs, then report."""
    if [*arguments] == ["--random"]:
        envs = ((task, mujoco.make(task, n_envs=baseline.EPISODES, seed=0)) for task in LAYOUT.tasks)
        baseline.write_random(envs, HERE / "random.csv")
        return
    print(gathered(arguments, FOLDERS, HERE))
    report()


if __name__ == "__main__":
    script(main)
