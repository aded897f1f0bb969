"""What a run directory says, in numbers: final returns, curves on a common grid, bootstrap bands.

Shapes: E rows in which episodes ended, S seeds, P points of a curve. Steps are environment steps, times are seconds.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rlhp.types import Array, UserError

FINAL = 0.05  # the last share of the steps, over which a final return is taken
DRAWS = 2000  # bootstrap draws behind a band
CONFIG, METRICS, CLOCK, HELDOUT, FINISHED = "config.yaml", "metrics.csv", "clock.csv", "heldout.csv", "finished.json"


@dataclass(frozen=True, slots=True)
class RunData:
    """One run, as its directory tells it. `labels` is the budget; 0 where the agent sees the true reward."""

    path: Path
    task: str
    condition: str
    labels: int
    seed: int
    total_steps: int
    metrics: dict[str, Array]  # column -> [rows], one row per rollout; NaN where a cell is blank
    wall_s: float  # NaN where the clock has no row yet
    finished: bool

    @property
    def step(self) -> int:
        """The step reached so far; 0 before the first rollout is recorded."""
        return int(self.metrics["step"].max(initial=0))

    def ended(self) -> tuple[Array, Array, Array]:
        """Step, mean true return and number of episodes [E] of the rows in which episodes ended."""
        step, value, episodes = (self.metrics[name] for name in ("step", "true_return", "episodes"))
        rows = (episodes > 0) & np.isfinite(value)
        return step[rows], value[rows], episodes[rows]

    def last(self, column: str) -> float:
        """The last value written in a column; NaN if there is none."""
        values = self.metrics.get(column, np.array([]))
        values = values[np.isfinite(values)]
        return float(values[-1]) if len(values) else float("nan")


@dataclass(frozen=True, slots=True)
class Result:
    """A row of results.csv. The fields are its columns."""

    env: str
    condition: str
    labels: int
    seed: int
    total_steps: int
    final_return: float
    wall_s: float


COLUMNS = tuple(field.name for field in fields(Result))


# Reading


def find(paths: Iterable[Path]) -> list[Path]:
    """The run directories among and below `paths`, sorted, each once. Raises UserError if a path leads to none."""
    return sorted({run for path in paths for run in _below(Path(path))})


def _below(path: Path) -> list[Path]:
    """The run directories at or below one path; hidden folders (Hydra's own records) are not looked into."""
    if not path.is_dir():
        raise UserError(f"{path} is not a directory: give run directories, or folders of them.")
    rows = (file for file in path.rglob(METRICS) if not any(part.startswith(".") for part in file.relative_to(path).parts))
    runs = [file.parent.resolve() for file in rows if (file.parent / CONFIG).is_file()]
    if not runs:
        raise UserError(f"There is no run in {path}: a run directory holds {CONFIG} and {METRICS}.")
    return runs


def load(run: Path) -> RunData:
    """One run directory, finished or not. Raises UserError where a file is missing or damaged."""
    config = _config(run / CONFIG)
    metrics = _columns(run / METRICS)
    # A column is there from its first number on: none but the step before the first rollout, no return before one ended.
    for name in ("true_return", "episodes"):
        metrics.setdefault(name, np.full_like(metrics["step"], np.nan))
    _, wall = clock(run)
    return RunData(
        path=run,
        **config,
        metrics=metrics,
        wall_s=float(wall[-1]) if len(wall) else float("nan"),
        finished=(run / FINISHED).is_file(),
    )


def clock(run: Path) -> tuple[Array, Array]:
    """Steps and seconds of training [rows] at each rollout's end; a resumed run's seconds go on from its checkpoint's."""
    columns = _columns(run / CLOCK)
    return columns["step"], columns.get("wall_s", columns["step"] * np.nan)


def _config(path: Path) -> dict[str, Any]:
    """The five root keys of config.yaml that name a run."""
    text = _text(path)
    try:
        config = yaml.safe_load(text)
        condition = str(config["condition"])
        labels = 0 if condition == "true_reward" else int(config["labels"] or 0)
        numbers = {key: int(config[key]) for key in ("seed", "total_steps")}
        return {"task": str(config["task"]), "condition": condition, "labels": labels, **numbers}
    except KeyError as error:
        raise UserError(f"{path} has no key {error}, so it is not the record of a run.") from error
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: it cannot be read as the configuration of a run.") from error


def _columns(path: Path, needed: Sequence[str] = ("step",)) -> dict[str, Array]:
    """A CSV of numbers as column -> [rows], NaN for a blank cell. Raises UserError where it is damaged."""
    # A line without its end was cut by a kill: even where it parses, its last number may have lost digits.
    lines = [line for line in _text(path).splitlines(keepends=True) if line.endswith("\n")]
    header, *rows = [*csv.reader(lines)] or [[]]
    if missing := [name for name in needed if name not in header]:
        raise UserError(f"{path} has no column {missing[0]!r}: the file is damaged, or it is not the record of a run.")
    return dict(zip(header, _table(path, rows, len(header)).T, strict=True))


def _table(path: Path, rows: list[list[str]], width: int) -> Array:
    """Cells as numbers [rows, width]."""
    table = np.full((len(rows), width), np.nan)
    for i, row in enumerate(rows):
        try:
            for j, cell in zip(range(width), row, strict=True):
                table[i, j] = float(cell) if cell else np.nan
        except ValueError as error:
            raise UserError(f"Line {i + 2} of {path} is damaged: expected {width} numbers or blanks.") from error
    return table


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is missing or cannot be read.") from error


def heldout(run: Path) -> tuple[Array, Array]:
    """True and predicted returns [n] of the held-out segments, summed over the clip. Raises UserError without the file."""
    columns = _columns(run / HELDOUT, ("true_return", "predicted_return"))
    return columns["true_return"], columns["predicted_return"]


# Numbers


def final_return(run: RunData) -> float:
    """Mean true return of the episodes that ended in the last 5 % of the steps; if none did, of the last that ended.

    Raises UserError if no episode has ended at all.
    """
    step, value, episodes = run.ended()
    if not len(step):
        raise UserError(f"No episode has ended in {run.path}, so it has no return: train for more steps.")
    late = step > (1 - FINAL) * run.total_steps
    late[-1] |= not late.any()
    return float(np.average(value[late], weights=episodes[late]))


def correlation(true: Array, predicted: Array) -> float:
    """Pearson's r of two [n]; NaN where one of them does not vary."""
    if len(true) < 2 or not (np.std(true) > 0 and np.std(predicted) > 0):
        return float("nan")
    return float(np.corrcoef(true, predicted)[0, 1])


def curve(run: RunData, points: int = 50, span: int | None = None) -> tuple[Array, Array]:
    """True return on a grid that runs of one length share: bin centres [P] in steps, and means over episodes [P].

    `span` is the length of the grid (default: the run's total steps). A bin in which no episode ended is interpolated
    between its neighbours; before the first and after the last episode there is NaN.
    """
    step, value, episodes = run.ended()
    edges = np.linspace(0, span or run.total_steps, points + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    # A row at step s counts the episodes up to and including s, so a bin holds its right edge.
    bins = np.clip(np.searchsorted(edges, step) - 1, 0, points - 1)
    weight = np.bincount(bins, episodes, points)
    full = weight > 0
    if not full.any():
        return centres, np.full(points, np.nan)
    means = np.bincount(bins, episodes * value, points)[full] / weight[full]
    return centres, np.interp(centres, centres[full], means, left=np.nan, right=np.nan)


def band(curves: Array) -> tuple[Array, Array, Array]:
    """Mean and 95 % percentile-bootstrap band over seeds: curves [S, P] -> mean, low, high, each [P].

    Whole curves are drawn, 2000 times, always the same draws. A point with fewer than two seeds has no band (NaN), and
    one without any has no mean.
    """
    seeds, there = len(curves), np.isfinite(curves)
    times = np.random.default_rng(0).multinomial(seeds, [1 / seeds] * seeds, size=DRAWS)  # [draws, S] times drawn
    mean, draws = (_mean(weights, curves, there) for weights in (np.ones((1, seeds)), times))
    low, high = np.full((2, curves.shape[1]), np.nan)
    wide = there.sum(0) >= 2
    if wide.any():
        low[wide], high[wide] = np.nanpercentile(draws[:, wide], (2.5, 97.5), axis=0)
    return mean[0], low, high


def _mean(weights: Array, curves: Array, there: Array) -> Array:
    """Weighted means over the seeds that are there: weights [B, S], curves [S, P] -> [B, P]; NaN where none is."""
    total, count = weights @ np.where(there, curves, 0.0), weights @ there.astype(float)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


# Tables


def results(runs: Iterable[RunData]) -> list[Result]:
    """One row per run, sorted by task, condition, labels and seed. Raises UserError where a run has no return."""
    rows = [Result(r.task, r.condition, r.labels, r.seed, r.total_steps, final_return(r), r.wall_s) for r in runs]
    return sorted(rows, key=lambda row: astuple(row))


def write_results(runs: Iterable[RunData], path: Path) -> None:
    """Write `results` as CSV. Raises UserError where a run has no return; the file is then left as it was."""
    rows = [(*astuple(row)[:-2], f"{row.final_return:.3f}", f"{row.wall_s:.1f}") for row in results(runs)]
    write_csv(path, COLUMNS, rows)


def read_results(path: Path) -> list[Result]:
    """The rows of a results.csv. Raises UserError where it is missing or not one."""
    rows = list(csv.DictReader(_text(path).splitlines()))
    try:
        return [
            Result(
                env=row["env"],
                condition=row["condition"],
                labels=int(row["labels"]),
                seed=int(row["seed"]),
                total_steps=int(row["total_steps"]),
                final_return=float(row["final_return"]),
                wall_s=float(row["wall_s"]),
            )
            for row in rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not a table of results: its columns are {','.join(COLUMNS)}.") from error


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file with one header line; its folder is made. Raises UserError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error


def summary(run: RunData) -> str:
    """The end of a run in a few aligned lines; a dash stands for what the run does not have."""
    taken, ended = run.last("labels"), len(run.ended()[0])
    predicted = correlation(*heldout(run.path)) if (run.path / HELDOUT).is_file() else float("nan")
    rows = {
        "task": run.task,
        "labels": f"{run.labels:,}" if taken in (run.labels, 0) else f"{_number(taken)} of {run.labels:,}",
        "steps": f"{run.step:,}",
        "wall time": _duration(run.wall_s),
        "steps per second": _number(run.step / run.wall_s if run.wall_s > 0 else float("nan")),
        "final true return": _number(final_return(run) if ended else float("nan"), ".1f"),
        "validation accuracy": _number(100 * run.last("valid_accuracy"), ".1f", " %"),
        "held-out correlation": _number(predicted, ".3f"),
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def _number(value: float, form: str = ".0f", unit: str = "") -> str:
    return f"{value:,{form}}{unit}" if np.isfinite(value) else "-"


def _duration(seconds: float) -> str:
    if not np.isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
