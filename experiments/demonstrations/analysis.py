"""Results of learning from an expert's episodes, or from its answers: one row per run.

    python experiments/demonstrations/analysis.py [FOLDER ...]    # default: runs/demonstrations, if it exists

Adds the finished runs below the folders to results.csv next to this file: their policies act for 50 episodes, without noise, in
environments that were not used for any choice. Draws demonstrations.png; prints a table and the targets. Everything except the
adding reads only results.csv.

`expert` is the mean return of the expert: of all its demonstrations, even if a run learns from the first ones only, or of 50
episodes if it answers (DAgger, SMILe). `share` is the policy's return divided by the expert's, both measured from a random
policy's (experiments/figure2/random.csv). `failed` is the fraction of episodes with less than half of the expert's return.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlhp import analysis, demonstrations, evaluate, train
from rlhp.analysis.experiment import run_folders, script
from rlhp.analysis.numbers import interval
from rlhp.analysis.style import AMBER, BLUE, GREEN, INK, ORANGE, PINK, SKY, figure, save, tidy, title
from rlhp.analysis.tables import Keyed, read_random
from rlhp.csv_records import read_records, write_records
from rlhp.run import finished
from rlhp.types import Array, UserError

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
FOLDERS = ("runs/demonstrations",)
RANDOM = read_random(HERE.parent / "figure2" / "random.csv")
EPISODES, SEED = 50, 10_000  # of an evaluation
TASKS = ("halfcheetah", "hopper", "walker", "ant", "swimmer", "reacher")
COLOURS = {"cloning": BLUE, "dagger": GREEN, "smile": PINK, "gail": ORANGE, "airl": AMBER}
REST = SKY
FIVE = 5  # tasks of six on which a share is required


@dataclass(frozen=True, slots=True)
class Row(Keyed):
    """A run: its return in training, and 50 episodes of its final policy compared with the expert."""

    final_return: float
    wall_s: float
    episodes: int  # demonstrations; 0: none, the expert answered
    labelled: int  # steps demonstrated or labelled by the expert
    mean: float
    minimum: float
    expert: float
    share: float
    failed: float

    @property
    def trained(self) -> tuple[str, str, int, int, int]:
        """Identifies the training: task, condition, seed, steps, and number of demonstrations."""
        return self.env, self.condition, self.seed, self.total_steps, self.episodes


def gather(folders: Sequence[Path]) -> list[Row]:
    """Return the rows of the table, to which runs are added that are not there yet."""
    rows = {row.trained: row for row in (read_records(Row, RESULTS) if RESULTS.is_file() else [])}
    for path in filter(finished, analysis.find(folders)):
        run = analysis.load(path)
        episodes = int(run.settings.get("episodes") or 0)  # type: ignore[arg-type]
        trained = (run.task, run.condition, run.seed, run.total_steps, episodes)
        if trained not in rows:
            rows[trained] = _row(run, episodes)
            write_records(Row, RESULTS, [rows[trained] for trained in sorted(rows)])
    return [*rows.values()]


def _row(run: analysis.RunData, episodes: int) -> Row:
    returns, nothing = _returns(run.path), RANDOM[run.task]
    expert, labelled = _expert(run)
    counted = (returns - nothing) / (expert - nothing)
    measured = (returns.mean(), returns.min(), expert, counted.mean(), (counted < 0.5).mean())
    numbers = (float(f"{value:.5g}") for value in measured)
    return Row(*run.key, analysis.final_return(run), run.wall_s, episodes, labelled, *numbers)


@cache
def _returns(path: Path) -> Array:
    """Measure the true returns of a run's policy, without noise."""
    trained = train.load(path)
    env = trained.make_env(min(EPISODES, 25), SEED)
    torch.manual_seed(SEED)  # a mixture draws which policy acts
    try:
        return evaluate.returns(trained.policy, env, EPISODES)
    finally:
        env.close()


def _expert(run: analysis.RunData) -> tuple[float, int]:
    """Return the mean return of a run's expert, and the number of its labelled or demonstrated steps that the run used."""
    settings = train.load(run.path).settings
    mean, demonstrated = _demonstrated(run.path, settings) if settings["demos"] else (np.nan, 0)
    if settings["expert"]:
        mean = float(_returns(Path(settings["expert"])).mean())
    return mean, demonstrated + int(np.nan_to_num(run.last("labelled")))


def _demonstrated(path: Path, settings: Mapping[str, Any]) -> tuple[float, int]:
    """Return the mean return of all demonstrations of a run's expert, and the number of steps that the run used."""
    env = train.load(path).make_env(1, SEED)
    try:
        shown = demonstrations.load(settings["demos"], env)
        return float(shown.returns().mean()), sum(len(episode.act) for episode in shown.episodes[: settings["episodes"]])
    finally:
        env.close()


def cell(rows: Sequence[Row]) -> str:
    """Format mean share, 95 % interval over seeds, number of seeds, the worst episode's return and the failed fraction."""
    if not rows:
        return ""
    shares = np.array([row.share for row in rows])
    low, high = interval([shares], lambda strata: strata[0].mean(-1))
    spread = f" ({low:.2f} to {high:.2f})" if low == low else ""
    failed, worst = np.mean([row.failed for row in rows]), min(row.minimum for row in rows)
    return f"{shares.mean():.2f}{spread}, {len(rows)} seed{'s' if len(rows) > 1 else ''}; least {worst:,.5g}, failed {failed:.0%}"


def settings_of(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """Return the distinct pairs of condition and episodes in the table."""
    return sorted({(row.condition, row.episodes) for row in rows})


def table(rows: Sequence[Row]) -> list[str]:
    """Format a line for each condition, number of episodes and task."""
    lines = []
    for condition, episodes in settings_of(rows):
        for task in TASKS:
            told = cell([row for row in rows if (row.env, row.condition, row.episodes) == (task, condition, episodes)])
            lines += [f"{condition:<10}{episodes or '':>3} {title(task):<14}{told}"] if told else []
    return lines


def targets(rows: Sequence[Row]) -> list[str]:
    """Format the targets with the measured values; a target without runs says so."""
    counted = (("cloning", 16, 0.95), ("dagger", 0, 0.97))
    lines = [_on_five(rows, *each) for each in counted]
    for task, wanted in (("halfcheetah", 0.9), ("hopper", 0.9), ("walker", 0.8), ("ant", 0.8)):
        shares = [row.share for row in rows if (row.env, row.condition, row.episodes) == (task, "gail", 4)]
        told = f"least of {len(shares)} seeds {min(shares):.2f}" if shares else "no runs"
        lines.append(f"{_mark(bool(shares) and min(shares) >= wanted)} gail, 4 episodes, {title(task)}: {told}; wanted {wanted}")
    return lines


def _on_five(rows: Sequence[Row], condition: str, episodes: int, wanted: float) -> str:
    means = {}
    for task in TASKS:
        shares = [row.share for row in rows if (row.env, row.condition, row.episodes) == (task, condition, episodes)]
        means |= {task: float(np.mean(shares))} if shares else {}
    good = [task for task, mean in means.items() if mean >= wanted]
    what = f"{condition}, {episodes} episodes" if episodes else condition
    return f"{_mark(len(good) >= FIVE)} {what}: {wanted} on {len(good)} of {len(means)} tasks; wanted on {FIVE} of {len(TASKS)}"


def _mark(met: bool) -> str:
    return "met   " if met else "missed"


def draw(rows: Sequence[Row]) -> None:
    """Draw a panel per task: share of the expert over the number of its steps; dots are runs, the line is the mean."""
    drawn = figure(11, 5.6)
    panels = drawn.subplots(2, 3, sharey=True)
    for axes, task in zip(panels.flat, TASKS, strict=True):
        tidy(axes).set_title(title(task), color=INK, fontsize=10)
        for condition in sorted({row.condition for row in rows}):
            shown = [row for row in rows if (row.env, row.condition) == (task, condition)]
            colour = COLOURS.get(condition, REST)
            axes.plot([r.labelled for r in shown], [r.share for r in shown], ".", color=colour, alpha=0.4, ms=5)
            at = sorted({r.labelled for r in shown})
            means = [np.mean([r.share for r in shown if r.labelled == n]) for n in at]
            axes.plot(at, means, "o-", color=colour, ms=4, lw=1.5, label=condition)
        axes.axhline(1, color="#BBBBBB", lw=1)
        axes.set_xscale("log")
        axes.set_xlim(30, 30_000)
        axes.set_ylim(0, 1.25)
    for axes in panels[1]:
        axes.set_xlabel("Steps of the expert", color=INK)
    for axes in panels[:, 0]:
        axes.set_ylabel("Share of the expert's return", color=INK)
    handles = {label: handle for axes in panels.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    drawn.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    save(drawn, HERE / "demonstrations.png")


def main(arguments: Sequence[str]) -> None:
    """Add the runs, then draw and print."""
    rows = gather(run_folders(arguments, FOLDERS))
    if not rows:
        raise UserError("there are no runs: train them first, see README.md.")
    draw(rows)
    print(*table(rows), "", *targets(rows), sep="\n")


if __name__ == "__main__":
    script(main)
