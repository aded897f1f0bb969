"""The paper's figures 3 and 6 on Atari: true reward, 5,500 and 3,300 labels on seven games, and ablations on Pong.

    python experiments/atari/analysis.py [FOLDER ...]    # default: runs/figure3 and runs/ablation, if they exist
    python experiments/atari/analysis.py --random        # random.csv: scores of uniformly random actions

Merges the finished runs below the folders into results.csv, curves.csv and provenance.csv next to this file, and failed ones
into failed.csv; draws a figure for each length of run, and prints the tables and the targets. Everything except the merging reads
only these files, so it also works without run directories.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path

from rlhp.analysis import baseline, read_published
from rlhp.analysis.panels import Layout, draw
from rlhp.analysis.report import cell, number, table
from rlhp.analysis.scores import TRUE, normalised
from rlhp.analysis.script import script
from rlhp.analysis.study import Study, gathered, provenance, read
from rlhp.analysis.style import AMBER, BLUE, GREEN, ORANGE, PINK, QUIET, SKY, Style
from rlhp.envs import atari

HERE = Path(__file__).parent
FOLDERS = (Path("runs/figure3"), Path("runs/ablation"))
PAPER = HERE.parent / "paper.csv"
MANY, SOME = ("preferences", 5500), ("preferences", 3300)
GAMES = ("pong", "breakout", "beamrider", "enduro", "qbert", "seaquest", "spaceinvaders")
FIGURE3 = Layout(
    tasks=GAMES,
    styles={
        TRUE: Style(ORANGE, "-", "True reward"),
        MANY: Style(BLUE, "-", "5,500 labels"),
        SOME: Style(GREEN, "-", "3,300 labels"),
    },
    columns=4,
    published=read_published(PAPER, "3"),
    source="On grey: Christiano et al. (2017), A2C after 50M steps, read off their figure 3",
)
FIGURE6 = Layout(
    tasks=("pong",),
    styles={
        MANY: Style(BLUE, "-", "Whole method"),
        ("random_queries", 5500): Style(GREEN, "-", "Random queries"),
        ("no_ensemble", 5500): Style(AMBER, "-", "No ensemble"),
        ("no_online_queries", 5500): Style(SKY, "-", "No online queries"),
        ("no_regularisation", 5500): Style(PINK, "-", "No regularisation"),
        ("target", 5500): Style(QUIET, "--", "Target"),
    },
    columns=1,
    published=read_published(PAPER, "6"),
    source="On grey: Christiano et al. (2017), A2C after 50M steps, read off their figure 6",
)
ENOUGH = {"pong": 0.9}  # of the true reward's gain over the random policy, with labels
OTHERS, GAMES_WANTED = 0.8, 4  # the same for the other games, and the required number of these games


@dataclass(frozen=True, slots=True)
class Target:
    """One target: description, measured value (NaN: a run is missing), and required minimum."""

    what: str
    measured: float
    wanted: float

    def __str__(self) -> str:
        verdict = "missing" if isnan(self.measured) else "PASS" if self.measured >= self.wanted else "short"
        value = "-" if isnan(self.measured) else number(self.measured, 2)
        return f"{verdict:<8}{value:>7}  at least {self.wanted:<6,.10g}{self.what}"


def targets(study: Study, random: dict[str, float]) -> Iterator[Target]:
    """Yield all targets of the figure, on the longest runs of each game."""
    nan = float("nan")
    for steps in lengths(study, FIGURE3):
        few = cell(study, {}, "pong", SOME, steps).seeds
        yield Target(f"pong: lowest score of a seed with 3,300 labels, after {steps:,} steps", min(few, default=nan), 0.0)
    shares = {game: best_share(study, random, game) for game in GAMES}
    yield Target("pong: share of the true reward's gain with labels", shares["pong"], ENOUGH["pong"])
    others = [share for game, share in shares.items() if game != "pong" and not isnan(share)]
    reached = float(sum(share >= OTHERS for share in others)) if others else nan
    yield Target(f"of the other games, how many reach {OTHERS} of the true reward's gain", reached, GAMES_WANTED)
    enduro = [row.final_return for row in study.results if (row.env, row.condition) == ("enduro", "preferences")]
    yield Target("enduro: score with labels (the paper's oracle: 0)", max(enduro, default=nan), 0.5)


def best_share(study: Study, random: dict[str, float], game: str) -> float:
    """Mean share of the true reward's gain with labels, on the longest runs that have both; NaN if there are none."""
    for steps in reversed(lengths(study, FIGURE3)):
        scores = normalised(study.results, random, steps)
        found = [scores[labels][game] for labels in (MANY, SOME) if game in scores.get(labels, {})]
        if found:
            return float(max(values.mean() for values in found))
    return float("nan")


def lengths(study: Study, layout: Layout) -> list[int]:
    """Return the lengths of the runs in the tables, in steps, ascending."""
    return sorted({row.total_steps for row in study.results if (row.condition, row.labels) in layout.styles})


def part(study: Study, layout: Layout, steps: int) -> Layout:
    """Return the tasks and conditions that have runs of that length."""
    there = [row for row in study.results if row.total_steps == steps]
    tasks = tuple(task for task in layout.tasks if any(row.env == task for row in there))
    conditions = {(row.condition, row.labels) for row in there}
    styles = {condition: style for condition, style in layout.styles.items() if condition in conditions}
    return replace(layout, tasks=tasks, styles=styles, columns=min(layout.columns, max(1, len(tasks))))


def report() -> None:
    """Make figures, tables and targets from the files next to this one."""
    study, random = read(HERE), baseline.read_random(HERE / "random.csv")
    for layout, name in ((FIGURE3, "figure3"), (FIGURE6, "figure6")):
        for steps in lengths(study, layout):
            shown, scores = part(study, layout, steps), normalised(study.results, random, steps)
            if len(shown.styles) > 1 or layout is FIGURE3:
                print(draw(study.curves, shown, steps, HERE / f"{name}_{steps // 1000}k.png"))
                print(table(study, scores, shown, steps), end="\n\n")
    print(*targets(study, random), "", provenance(study.provenance), sep="\n")


def main(arguments: Sequence[str]) -> None:
    """Merge the runs, then report."""
    if [*arguments] == ["--random"]:
        envs = ((game, atari.make(game, n_envs=16, seed=0)) for game in GAMES)
        baseline.write_random(envs, HERE / "random.csv")
        return
    print(gathered(arguments, FOLDERS, HERE))
    report()


if __name__ == "__main__":
    script(main)
