"""Demonstrations, then comparisons, then PPO with a KL penalty, beside each half alone; and what leaving the clone is worth.

    python experiments/pipeline/analysis.py [FOLDER ...]    # default: runs/pipeline, runs/overoptimisation

Adds the finished runs below the folders to results.csv (their policies are evaluated: some seconds each) and to divergence.csv
beside this file; draws pipeline.png and prints the table. Comparisons alone are the runs of 1,000,000 steps of
../figure2, half way. All but the
adding is done from files, so it works without run directories too.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rlhp import analysis, evaluate, train
from rlhp.analysis.look import AMBER, BLUE, GREEN, INK, ORANGE, PINK, figure, save, tidy, title
from rlhp.analysis.script import script
from rlhp.run import finished, last_checkpoint
from rlhp.types import Array, UserError

HERE = Path(__file__).parent
FIGURE2 = HERE.parent / "figure2" / "curves.csv"
STEPS = 500_000  # at which the pipeline and comparisons alone are compared
FOLDERS = (Path("runs/pipeline"), Path("runs/overoptimisation"))
EPISODES, SEED = 20, 10_000  # of an evaluation
BINS = 30  # of a run's rollouts in divergence.csv
TASKS = ("hopper", "walker", "swimmer", "halfcheetah")
WANTED = 1.15  # times the better of the two halves
COLOURS = (ORANGE, AMBER, GREEN, BLUE, PINK)


@dataclass(frozen=True, slots=True)
class Row:
    """A run: its key, what it came to in training, and mean returns of its last policy and of the clone that it started from.

    `episodes` are demonstrations, 0 where there are none; then `beta` is 0, and the clone's returns are NaN.
    """

    env: str
    condition: str
    labels: int
    seed: int
    total_steps: int
    final_return: float
    wall_s: float
    episodes: int
    beta: float
    deterministic: float
    stochastic: float
    clone_deterministic: float
    clone_stochastic: float

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells a run from the others."""
        return self.env, self.condition, self.labels, self.seed, self.total_steps, self.episodes, self.beta


@dataclass(frozen=True, slots=True)
class Divergence:
    """Means over a stretch of a run: divergence from the clone in nats per step, true and predicted reward per step."""

    env: str
    labels: int
    seed: int
    beta: float
    step: float
    kl: float
    true_reward: float
    predicted: float


def gather(folders: Sequence[Path]) -> None:
    """Add what the tables do not have yet."""
    rows, divergences = {row.key: row for row in read(Row, "results.csv")}, read(Divergence, "divergence.csv")
    for path in (path for folder in folders for path in analysis.find([folder]) if finished(path)):
        run = analysis.load(path)
        row = _row(run, (np.nan,) * 4)
        if row.key in rows:
            continue
        rows[row.key] = _row(run, _evaluated(path, row.episodes > 0))
        if run.condition == "overoptimisation":
            divergences += _divergences(run, row.beta)
        write("results.csv", Row, sorted(rows.values(), key=lambda row: row.key))
        write("divergence.csv", Divergence, divergences)


def _row(run: analysis.RunData, returns: Sequence[float]) -> Row:
    episodes, beta = run.settings.get("episodes") or 0, run.settings.get("agent.kl_penalty.beta") or 0.0
    key = (run.task, run.condition, run.labels, run.seed, run.total_steps)
    return Row(*key, round(analysis.final_return(run), 3), round(run.wall_s, 1), int(episodes), float(beta), *returns)  # type: ignore[arg-type]


def _evaluated(path: Path, cloned: bool) -> list[float]:
    """Mean returns of a run's policy without and with noise, then of the one that it started from; NaN where there is none."""
    trained = train.load(path)
    policies: list[Callable[..., Array]] = [trained.agent.act]
    if cloned:
        start = {k.removeprefix("start/"): v for k, v in last_checkpoint(path)["agent"].items() if k.startswith("start/")}
        trained.agent.start.restore(trained.agent, start)
        policies.append(trained.agent.start.policy.act)  # type: ignore[attr-defined]
    found = [_mean(trained, partial(act, deterministic=how)) for act in policies for how in (True, False)]
    return [*found, *(np.nan,) * (4 - len(found))]


def _mean(trained: train.Trained, act: Callable[[Array], Array]) -> float:
    env = trained.make_env(EPISODES, SEED)
    try:
        return round(float(evaluate.returns(act, env, EPISODES).mean()), 3)
    finally:
        env.close()


def _divergences(run: analysis.RunData, beta: float) -> Iterator[Divergence]:
    """One for each of BINS stretches of the rollouts from which the policy learned."""
    columns = [run.metrics[name] for name in ("step", "kl_to_reference", "true_reward", "reward_mean")]
    known = np.isfinite(columns[1])
    for part in zip(*(np.array_split(column[known], BINS) for column in columns), strict=True):
        yield Divergence(run.task, run.labels, run.seed, beta, *(float(f"{np.mean(values):.6g}") for values in part))


def read(kind: type, name: str) -> list[Any]:
    """The rows of a table; none where it is not there."""
    if not (HERE / name).is_file():
        return []
    casts = [{"str": str, "int": int, "float": float}[str(field.type)] for field in fields(kind)]
    with (HERE / name).open(newline="") as file:
        return [kind(*(cast(cell or "nan") for cast, cell in zip(casts, row, strict=True))) for row in list(csv.reader(file))[1:]]


def write(name: str, kind: type, rows: Sequence[Any]) -> None:
    """Write a table; a number that is not there is blank."""
    with (HERE / name).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(kind)])
        writer.writerows([["" if value != value else value for value in astuple(row)] for row in rows])


def table(rows: Sequence[Row]) -> Iterator[str]:
    """A line per run of the pipeline and way of acting: the two halves, the whole, and how it compares with the better half."""
    heads = ("clone", 7), ("labels alone", 14), ("pipeline", 10), ("of the better", 15)
    yield f"{'task':<13}{'labels':>7}{'beta':>6}  {'policy':<15}" + "".join(f"{head:>{width}}" for head, width in heads)
    for row in sorted((row for row in rows if row.condition == "pipeline"), key=lambda row: (TASKS.index(row.env), row.key)):
        half = float(np.mean([value for labels, value in alone(row.env) if labels == 350]))
        for how in ("deterministic", "stochastic"):
            clone, ours = getattr(row, f"clone_{how}"), getattr(row, how)
            ratio = ours / max(clone, half)
            told = f"{ratio:.2f}{'' if ratio >= WANTED else ' (short)'}"
            head = f"{title(row.env):<13}{row.labels:>7}{row.beta:>6g}  {how:<15}"
            yield f"{head}{clone:>7,.0f}{half:>14,.0f}{ours:>10,.0f}{told:>15}"


def alone(task: str) -> list[tuple[int, float]]:
    """Labels wanted, and the return with noise from comparisons alone after STEPS, of each seed of ../figure2."""
    runs = [run for run in analysis.read_curves(FIGURE2) if (run.key.env, run.key.condition) == (task, "preferences")]
    return [
        (run.key.labels, float(np.interp(STEPS, run.step, run.true_return))) for run in runs if run.key.total_steps == 2 * STEPS
    ]


def draw(rows: Sequence[Row], divergences: Sequence[Divergence]) -> None:
    """True and predicted reward against the divergence, and what labels are worth with and without the clone."""
    drawn = figure(12, 3.8)
    left, middle, right = (tidy(axes) for axes in drawn.subplots(1, 3))
    for axes, name, label in ((left, "true_reward", "True return of 1,000 steps"), (middle, "predicted", "r-hat per step")):
        for beta, colour in zip(sorted({point.beta for point in divergences}), COLOURS, strict=False):
            points = [point for point in divergences if point.beta == beta]
            values = [getattr(point, name) * (1000 if name == "true_reward" else 1) for point in points]
            axes.plot([point.kl for point in points], values, "o-", ms=3, lw=1, color=colour, label=f"{beta:g}")
        axes.set_xlabel("KL from the clone, nats per step")
        axes.set_title(label, color=INK, fontsize=10)
    if divergences:
        left.legend(title="beta", frameon=False, fontsize=8)
    _labels(right, [row for row in rows if row.env == "halfcheetah" and row.condition == "pipeline"])
    save(drawn, HERE / "pipeline.png")


def _labels(axes: Axes, rows: Sequence[Row]) -> None:
    """Return with noise against labels: from the clone, whose own is that of 0 labels, and from a random policy."""
    ours = sorted((row.labels, row.stochastic) for row in rows)
    ours = [(0, float(np.mean([row.clone_stochastic for row in rows]))), *ours] if rows else []
    others = [
        (labels, float(np.mean([value for n, value in alone("halfcheetah") if n == labels]))) for labels in (350, 700, 1400)
    ]
    for shown, colour, name in ((ours, BLUE, "From the clone"), (others, ORANGE, "From a random policy")):
        axes.plot([x for x, _ in shown], [y for _, y in shown], "o-", color=colour, label=name)
    axes.set_xlabel("Labels")
    axes.set_title("HalfCheetah: true return after 500,000 steps", color=INK, fontsize=10)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)


def main(arguments: Sequence[str]) -> None:
    """Add what there is, then draw and print."""
    gather([Path(folder) for folder in arguments] or [folder for folder in FOLDERS if folder.is_dir()])
    rows, divergences = read(Row, "results.csv"), read(Divergence, "divergence.csv")
    if not rows:
        raise UserError("there are no runs: train them first, as README.md says.")
    draw(rows, divergences)
    print(*table(rows), sep="\n")


if __name__ == "__main__":
    script(main)
