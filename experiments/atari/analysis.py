"""The paper's figures 3 and 6 on Atari: true reward, 5,500 and 3,300 labels on seven games, and ablations on Pong.

    python experiments/atari/analysis.py [FOLDER ...]    # default: runs/figure3 and runs/ablation, if they exist
    python experiments/atari/analysis.py --random        # random.csv: scores of uniformly random actions

Draws a figure for each length of run, and prints the tables and the targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

from rlhp.analysis import read_published
from rlhp.analysis.experiment import Evidence, Experiment, script
from rlhp.analysis.panels import Layout
from rlhp.analysis.report import cell, number, verdict
from rlhp.analysis.scores import TRUE
from rlhp.analysis.style import BLUE, GREEN, ORANGE, Style, variants
from rlhp.envs import atari

HERE = Path(__file__).parent
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
    styles=variants("Whole method", 5500, ("random_queries", "no_ensemble", "no_online_queries", "no_regularisation", "target")),
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
        value = "-" if isnan(self.measured) else number(self.measured, 2)
        return f"{verdict(self.measured, self.wanted):<8}{value:>7}  at least {self.wanted:<6,.10g}{self.what}"


def targets(found: Evidence) -> Iterator[Target]:
    """Yield all targets of the figure, on the longest runs of each game."""
    for steps in lengths(found, FIGURE3):
        few = cell(found.study, {}, "pong", SOME, steps).seeds
        yield Target(f"pong: lowest score of a seed with 3,300 labels, after {steps:,} steps", min(few, default=nan), 0.0)
    shares = {game: best_share(found, game) for game in GAMES}
    yield Target("pong: share of the true reward's gain with labels", shares["pong"], ENOUGH["pong"])
    others = [share for game, share in shares.items() if game != "pong" and not isnan(share)]
    reached = float(sum(share >= OTHERS for share in others)) if others else nan
    yield Target(f"of the other games, how many reach {OTHERS} of the true reward's gain", reached, GAMES_WANTED)
    enduro = [row.final_return for row in found.study.results if (row.env, row.condition) == ("enduro", "preferences")]
    yield Target("enduro: score with labels (the paper's oracle: 0)", max(enduro, default=nan), 0.5)


def best_share(found: Evidence, game: str) -> float:
    """Mean share of the true reward's gain with labels, on the longest runs that have both; NaN if there are none."""
    for steps in reversed(lengths(found, FIGURE3)):
        scores = found.scores(steps)
        known = [scores[labels][game] for labels in (MANY, SOME) if game in scores.get(labels, {})]
        if known:
            return float(max(values.mean() for values in known))
    return nan


def lengths(found: Evidence, layout: Layout) -> list[int]:
    """Return the lengths of the runs in the tables, in steps, ascending."""
    return sorted({row.total_steps for row in found.study.results if row.method in layout.styles})


def report(found: Evidence) -> Iterator[str]:
    """Yield a table of each figure for each length of run, then the targets."""
    for layout, name in ((FIGURE3, "figure3"), (FIGURE6, "figure6")):
        for steps in lengths(found, layout):
            shown = found.present(layout, steps)
            if len(shown.styles) > 1 or layout is FIGURE3:
                yield f"{found.compared(shown, steps, f'{name}_{steps // 1000}k')}\n"
    yield from map(str, targets(found))
    yield ""


EXPERIMENT = Experiment(
    here=HERE,
    folders=("runs/figure3", "runs/ablation"),
    layout=FIGURE3,
    report=report,
    environments=lambda: ((game, atari.make(game, n_envs=16, seed=0)) for game in GAMES),
)

if __name__ == "__main__":
    script(EXPERIMENT)
