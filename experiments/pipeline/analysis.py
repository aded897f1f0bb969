"""Demonstrations, then comparisons, then PPO with a KL penalty, compared with each half alone; effect of leaving the clone.

    python experiments/pipeline/analysis.py [FOLDER ...]    # default: runs/pipeline, runs/overoptimisation

Adds the finished runs below the folders to results.csv (after evaluating their policies, some seconds each) and to divergence.csv
next to this file; draws pipeline.png and prints the table. Comparisons alone are the runs of 1,000,000 steps of ../figure2,
halfway. Everything except the adding reads only files, so it also works without run directories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rlhp import analysis, evaluate, train
from rlhp.analysis.experiment import run_folders, script
from rlhp.analysis.style import AMBER, BLUE, GREEN, INK, ORANGE, PINK, figure, save, tidy, title
from rlhp.analysis.tables import Keyed
from rlhp.csv_records import read_records, write_records
from rlhp.run import finished, last_checkpoint
from rlhp.types import Array, UserError

HERE = Path(__file__).parent
RESULTS, DIVERGENCE = HERE / "results.csv", HERE / "divergence.csv"
FIGURE2 = HERE.parent / "figure2" / "curves.csv"
STEPS = 500_000  # at which pipeline and comparisons alone are compared
FOLDERS = ("runs/pipeline", "runs/overoptimisation", "runs/overoptimisation15")
EPISODES, SEED = 20, 10_000  # of an evaluation
BINS = 30  # per run, of its rollouts, in divergence.csv
CONDITIONS = ("pipeline", "overoptimisation")
STRETCHES = 10  # per line in the figure
TASKS = ("hopper", "walker", "swimmer", "halfcheetah")
WANTED = 1.15  # required multiple of the better of the two halves
SHOWN = (("swimmer", 40), ("halfcheetah", 15))  # tasks and labels of the runs of overoptimisation that are drawn
COLOURS = (ORANGE, AMBER, GREEN, BLUE, PINK)


@dataclass(frozen=True, slots=True)
class Row(Keyed):
    """A run: its return in training, and mean returns of its final policy and of the clone that it started from.

    `episodes` are demonstrations. The returns are NaN for the runs of overoptimisation, which are not evaluated.
    """

    final_return: float
    wall_s: float
    episodes: int
    beta: float
    log_std: float
    deterministic: float
    stochastic: float
    clone_deterministic: float
    clone_stochastic: float

    @property
    def trained(self) -> tuple[Any, ...]:
        """Identifies the run: its key, and the settings that its runs vary."""
        return *self.key, self.episodes, self.beta, self.log_std


@dataclass(frozen=True, slots=True)
class Divergence:
    """Means over one bin of a run: divergence from the clone in nats per step, true and predicted reward per step."""

    env: str
    labels: int
    seed: int
    beta: float
    step: float
    kl: float
    true_reward: float
    predicted: float


def gather(folders: Sequence[Path]) -> tuple[list[Row], list[Divergence]]:
    """Return the rows of both tables, to which runs are added that are not there yet."""
    rows = {row.trained: row for row in (read_records(Row, RESULTS) if RESULTS.is_file() else [])}
    divergences = read_records(Divergence, DIVERGENCE) if DIVERGENCE.is_file() else []
    for path in (path for folder in folders for path in analysis.find([folder]) if finished(path)):
        run = analysis.load(path)
        if run.condition not in CONDITIONS:
            continue
        row = _row(run, (np.nan,) * 4)
        if row.trained in rows:
            continue
        rows[row.trained] = _row(run, _evaluated(path)) if run.condition == "pipeline" else row
        if run.condition == "overoptimisation":
            divergences += _divergences(run, row.beta)
        write_records(Row, RESULTS, [rows[trained] for trained in sorted(rows)])
        write_records(Divergence, DIVERGENCE, divergences)
    return [*rows.values()], divergences


def _row(run: analysis.RunData, returns: Sequence[float]) -> Row:
    names = ("episodes", "agent.kl_penalty.beta", "agent.start.log_std")
    episodes, beta, log_std = (float(run.settings[name]) for name in names)  # type: ignore[arg-type]
    return Row(*run.key, round(analysis.final_return(run), 3), round(run.wall_s, 1), int(episodes), beta, log_std, *returns)  # type: ignore[arg-type]


def _evaluated(path: Path) -> list[float]:
    """Measure mean returns of a run's policy without and with noise, then of the one that it started from."""
    trained = train.load(path)
    start = {k.removeprefix("start/"): v for k, v in last_checkpoint(path)["agent"].items() if k.startswith("start/")}
    trained.agent.start.restore(trained.agent, start)
    policies: list[Callable[..., Array]] = [trained.agent.act, trained.agent.start.policy.act]  # type: ignore[attr-defined]
    return [_mean(trained, partial(act, deterministic=how)) for act in policies for how in (True, False)]


def _mean(trained: train.Trained, act: Callable[[Array], Array]) -> float:
    env = trained.make_env(EPISODES, SEED)
    try:
        return round(float(evaluate.returns(act, env, EPISODES).mean()), 3)
    finally:
        env.close()


def _divergences(run: analysis.RunData, beta: float) -> Iterator[Divergence]:
    """Yield the means of each of BINS bins of the rollouts from which the policy learned."""
    columns = [run.metrics[name] for name in ("step", "kl_to_reference", "true_reward", "reward_mean")]
    known = np.isfinite(columns[1])
    for part in zip(*(np.array_split(column[known], BINS) for column in columns), strict=True):
        yield Divergence(run.task, run.labels, run.seed, beta, *(float(f"{np.mean(values):.6g}") for values in part))


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a line per run, without and with noise: both halves, the pipeline, and its ratio to the better half."""
    heads = ("clone", 7), ("labels alone", 14), ("pipeline", 10), ("of the better", 15)
    yield f"{'task':<13}{'labels':>7}{'beta':>6}{'log std':>9}  {'policy':<15}" + "".join(
        f"{head:>{width}}" for head, width in heads
    )
    for row in sorted((row for row in rows if row.condition == "pipeline"), key=lambda row: (TASKS.index(row.env), row.trained)):
        for how in ("deterministic", "stochastic"):
            clone, ours, ratio = getattr(row, f"clone_{how}"), getattr(row, how), _ratio(row, how)
            told = f"{ratio:.2f}{'' if ratio >= WANTED else ' (short)'}"
            head = f"{title(row.env):<13}{row.labels:>7}{row.beta:>6g}{row.log_std:>9g}  {how:<15}"
            yield f"{head}{clone:>7,.0f}{_alone(row):>14,.0f}{ours:>10,.0f}{told:>15}"


def _ratio(row: Row, how: str) -> float:
    """Return of a run's policy, divided by the better of the clone's return and that from as many labels alone."""
    return getattr(row, how) / max(getattr(row, f"clone_{how}"), _alone(row))


def _alone(row: Row) -> float:
    return float(np.mean([value for labels, value in alone(row.env) if labels == row.labels]))


def alone(task: str) -> list[tuple[int, float]]:
    """Return labels, and return with noise from comparisons alone after STEPS, for each seed of ../figure2."""
    runs = [run for run in _figure2() if (run.env, run.condition) == (task, "preferences")]
    return [(run.labels, float(np.interp(STEPS, run.step, run.true_return))) for run in runs if run.total_steps == 2 * STEPS]


@cache
def _figure2() -> list[analysis.Curve]:
    return analysis.read_curves(FIGURE2)


def draw(rows: Sequence[Row], divergences: Sequence[Divergence]) -> None:
    """Draw true reward and r-hat over the divergence, one row per task; returns over labels; the pipeline and its halves."""
    drawn = figure(12, 7)
    upper, lower = drawn.subplots(2, 3)
    for shown, (task, labels) in zip((upper, lower), SHOWN, strict=True):
        points = [point for point in divergences if (point.env, point.labels) == (task, labels)]
        _against_divergence(tidy(shown[0]), points, "true_reward", 1000, f"{title(task)}, {labels} labels: true return")
        _against_divergence(tidy(shown[1]), points, "predicted", 1, f"{title(task)}, {labels} labels: r-hat per step")
    _labels(tidy(upper[2]), [row for row in rows if row.env == "halfcheetah" and row.total_steps >= STEPS // 2])
    _halves(tidy(lower[2]), [row for row in rows if row.condition == "pipeline"])
    save(drawn, HERE / "pipeline.png")


def _against_divergence(axes: Axes, points: Sequence[Divergence], name: str, scale: float, head: str) -> None:
    """Draw a line per beta; its large dot is the end of the run."""
    for beta, colour in zip(sorted({point.beta for point in points}), COLOURS, strict=False):
        run = [point for point in points if point.beta == beta]
        stretches = np.array_split(np.array([(point.kl, scale * getattr(point, name)) for point in run]), STRETCHES)
        means = np.array([stretch.mean(axis=0) for stretch in stretches])
        axes.plot(*means.T, "-", lw=1, color=colour)
        axes.plot(*means.T, "o", ms=3, color=colour, label=f"{beta:g}")
        axes.plot(*means[-1], "o", ms=7, color=colour)
    axes.set_xlabel("KL from the clone, nats per step")
    axes.set_title(head, color=INK, fontsize=10)
    if points:
        axes.legend(title="beta", frameon=False, fontsize=8)


def _labels(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw return in training over labels: from the clone (at 0 labels the clone with noise), and from a random policy."""
    clones = [(0, row.clone_stochastic) for row in rows if row.clone_stochastic == row.clone_stochastic]
    ours = sorted([*clones, *((row.labels, row.final_return) for row in rows)])
    others = [
        (labels, float(np.mean([value for n, value in alone("halfcheetah") if n == labels]))) for labels in (350, 700, 1400)
    ]
    for shown, colour, name in ((ours, BLUE, "From the clone"), (others, ORANGE, "From a random policy")):
        axes.plot([x for x, _ in shown], [y for _, y in shown], "o", color=colour, label=name)
    axes.set_xlabel("Labels")
    axes.set_title("HalfCheetah: true return in training", color=INK, fontsize=10)
    axes.set_ylim(0, 8000)
    axes.legend(frameon=False, fontsize=8)


def _halves(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw the pipeline's return divided by that of its better half, without and with noise."""
    for how, colour, shift in (("deterministic", BLUE, -0.1), ("stochastic", AMBER, 0.1)):
        points = [(TASKS.index(row.env) + shift, _ratio(row, how)) for row in rows]
        axes.plot([x for x, _ in points], [y for _, y in points], "o", color=colour, label=how.capitalize())
    axes.axhline(1, color=INK, lw=0.7)
    axes.axhline(WANTED, color=GREEN, lw=0.7, ls="--")
    axes.set_xticks(range(len(TASKS)), [title(task) for task in TASKS])
    axes.set_title("350 labels and a clone: share of the better half", color=INK, fontsize=10)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)


def main(arguments: Sequence[str]) -> None:
    """Add the runs, then draw and print."""
    rows, divergences = gather(run_folders(arguments, FOLDERS))
    if not rows:
        raise UserError("there are no runs: train them first, see README.md.")
    draw(rows, divergences)
    print(*table(rows), sep="\n")


if __name__ == "__main__":
    script(main)
