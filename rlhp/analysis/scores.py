"""Normalised returns, comparable across tasks: 0 is the random policy, 1 the mean over seeds of training on the true reward."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from rlhp.analysis.numbers import average, interval, iqm
from rlhp.analysis.tables import Condition, Result
from rlhp.types import Array

TRUE = ("true_reward", 0)
ALL = "all"

Scores = Mapping[Condition, Mapping[str, Array]]  # condition -> task -> [S]


@dataclass(frozen=True, slots=True)
class Score:
    """A row of summary.csv. The interval is the 95 % bootstrap over seeds; NaN if a task has fewer than two."""

    total_steps: int
    condition: str
    labels: int
    env: str  # or ALL
    statistic: str  # "iqm" or "mean"
    value: Annotated[float, ".4f"]
    low: Annotated[float, ".4f"]
    high: Annotated[float, ".4f"]
    tasks: int
    runs: int

    @property
    def method(self) -> Condition:
        """Condition and labels."""
        return self.condition, self.labels


def normalised(results: Iterable[Result], random: Mapping[str, float], total_steps: int) -> dict[Condition, dict[str, Array]]:
    """Compute the scores of the runs of one length, for tasks whose true-reward runs exist and beat the random policy."""
    groups: dict[Condition, dict[str, list[float]]] = {}
    for row in results:
        if row.total_steps == total_steps:
            groups.setdefault(row.method, {}).setdefault(row.env, []).append(row.final_return)
    top = {task: float(np.mean(values)) for task, values in groups.get(TRUE, {}).items()}
    gain = {task: top[task] - random[task] for task in top if task in random and top[task] > random[task]}
    return {
        condition: {task: (np.array(tasks[task]) - random[task]) / gain[task] for task in sorted(tasks) if task in gain}
        for condition, tasks in groups.items()
    }


def restricted(scores: Scores, conditions: Iterable[Condition], tasks: Collection[str]) -> dict[Condition, dict[str, Array]]:
    """Return the scores of some conditions, in this order, on some tasks."""
    known = [condition for condition in conditions if condition in scores]
    return {condition: {task: scores[condition][task] for task in scores[condition] if task in tasks} for condition in known}


def share(scores: Scores, condition: Condition, tasks: Iterable[str]) -> tuple[float, float, float]:
    """Compute a condition's gain over the random policy as a fraction of the true reward's gain: mean over tasks, low, high.

    Unlike in `summarise`, this 95 % bootstrap also resamples the true reward's seeds. NaN if a task has no score.
    """
    strata = [scores.get(key, {}).get(task, np.array([])) for task in tasks for key in (condition, TRUE)]

    def statistic(drawn: Sequence[Array]) -> Array:
        return np.mean([gained.mean(-1) / top.mean(-1) for gained, top in zip(drawn[::2], drawn[1::2], strict=True)], axis=0)

    if not min(map(len, strata)):
        return np.nan, np.nan, np.nan
    return float(statistic(strata)), *interval(strata, statistic)


def summarise(scores: Scores, total_steps: int) -> list[Score]:
    """Compute each condition's interquartile mean and mean over all tasks, with equal weights; then the mean of each task."""
    return [row for condition, tasks in scores.items() if tasks for row in _rows(condition, tasks, total_steps)]


def _rows(condition: Condition, tasks: Mapping[str, Array], total_steps: int) -> Iterable[Score]:
    def row(env: str, name: str, strata: Sequence[Array]) -> Score:
        statistic = iqm if name == "iqm" else average
        counts = len(strata), sum(map(len, strata))
        return Score(total_steps, *condition, env, name, float(statistic(strata)), *interval(strata, statistic), *counts)

    yield row(ALL, "iqm", [*tasks.values()])
    yield row(ALL, "mean", [*tasks.values()])
    yield from (row(task, "mean", [values]) for task, values in tasks.items())
