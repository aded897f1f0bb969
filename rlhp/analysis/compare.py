"""`rlhp plot`: learning curves of run directories; runs that differ only in the seed form one line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from rlhp.analysis.numbers import curve
from rlhp.analysis.panels import Layout, Line, lines, number_range, panels
from rlhp.analysis.settings import Settings, below, canonical, check_known, differing, identity, names, order
from rlhp.analysis.style import Style, condition_name, rank, save, styles
from rlhp.analysis.tables import Condition, Curve
from rlhp.csv_records import write_records
from rlhp.run import RunData, find, load
from rlhp.types import UserError


@dataclass(frozen=True, slots=True)
class PlotRow:
    """A row of the CSV: one point of a line. Mean and band are blank where not all of its runs have a return."""

    env: str
    condition: str  # of all of its runs, separated by |; so are the labels
    labels: str
    step: Annotated[float, ".0f"]
    mean: Annotated[float, ".3f"]
    low: Annotated[float, ".3f"]
    high: Annotated[float, ".3f"]
    seeds: int  # runs with a return
    runs: int
    not_finished: int
    labels_used: str
    settings: str


@dataclass(frozen=True, slots=True)
class Group:
    """The runs behind one line of one panel."""

    condition: Condition  # identifies the line, the same in all panels
    settings: str  # KEY=VALUE, ...: distinguishes it from other lines; empty if the condition does
    runs: tuple[RunData, ...]


def plot(runs: Sequence[Path], out: Path, by: Sequence[str] = ()) -> tuple[Path, Path]:
    """Plot learning curves over seeds, one panel per task and one line per set of settings; return the paths of figure and CSV.

    `runs` are run directories or folders of them. Runs that differ only in the seed form one line, named by its condition, its
    labels and the other settings that distinguish it within its panel; with `by` (dotted keys) there is one line per value of
    these settings. The band is the 95 % bootstrap interval of the mean over seeds; mean and band are drawn where all seeds have
    a return. The CSV has the same name as the figure, in the same folder. Raises UserError if there is nothing to draw, a run
    occurs twice, no run has a setting named in `by`, or the files cannot be written.
    """
    picture = out if out.suffix else out.with_suffix(".png")
    loaded = [run for run in map(load, find(runs)) if len(run.ended()[0])]
    if not loaded:
        raise UserError("No episode has ended in any of these runs, so there is nothing to draw: train for more steps.")
    _check_twice(loaded)
    groups = _by_keys(loaded, by) if by else _by_all(loaded)
    drawn = lines(_curves(groups))
    columns = len(drawn) if len(drawn) <= 3 else 4 if len(drawn) > 6 else 3
    save(panels(drawn, Layout(tuple(drawn), _looks(groups), columns)), picture)
    rows = [row for group in groups for row in _rows(group, drawn[group.runs[0].task][group.condition])]
    write_records(PlotRow, picture.with_suffix(".csv"), rows)
    return picture, picture.with_suffix(".csv")


def _check_twice(runs: Iterable[RunData]) -> None:
    """Raise UserError with both directories if two have the same settings and seed, since each seed must count once."""
    known: dict[Hashable, RunData] = {}
    for run in runs:
        other = known.setdefault((run.task, run.seed, identity(canonical(run.settings))), run)
        if other is not run:
            raise UserError(f"{other.path} and {run.path} are the same run (equal settings and seed): name only one of them.")


def _by_all(runs: Sequence[RunData]) -> list[Group]:
    """One group per task and set of settings, named by what differs from other groups of its task and condition."""
    members: dict[tuple[str, Condition], list[RunData]] = defaultdict(list)
    for run in runs:
        members[run.task, run.method].append(run)
    groups = []
    for task, (word, labels) in sorted(members, key=lambda place: (place[0], rank(place[1]))):
        there = members[task, (word, labels)]
        settings = [canonical(run.settings) for run in there]
        for words, same in _named(there, settings, differing(settings)):
            groups.append(Group((f"{word}, {words}" if words else word, labels), words, same))
    return groups


def _by_keys(runs: Sequence[RunData], by: Sequence[str]) -> list[Group]:
    """One group per task and value of the settings at or below the dotted keys."""
    check_known(by, [run.settings for run in runs])
    chosen = [below(run.settings, by) for run in runs]
    keys = [key for wanted in by for key in _naming(wanted, chosen)]
    return [
        Group((words, 0), words, tuple(run for run in same if run.task == task))
        for words, same in _named(runs, chosen, keys)
        for task in sorted({run.task for run in same})
    ]


def _naming(wanted: str, chosen: Sequence[Settings]) -> list[str]:
    """Return the keys whose values name a group: the dotted key itself, or the keys below it that differ."""
    parts = [below(settings, [wanted]) for settings in chosen]
    inner = any(key != wanted for part in parts for key in part)
    return differing(parts) or sorted({key for part in parts for key in part}) if inner else [wanted]


def _named(runs: Sequence[RunData], settings: Sequence[Settings], keys: Sequence[str]) -> list[tuple[str, tuple[RunData, ...]]]:
    """Return the runs with equal settings under a name made from their values of `keys`, in the order of these values."""
    members: dict[Hashable, list[RunData]] = defaultdict(list)
    for run, own in zip(runs, settings, strict=True):
        members[identity(own)].append(run)
    distinct = {identity(own): own for own in settings}
    ordered = sorted(distinct, key=lambda same: order(distinct[same], keys))
    words = names([distinct[same] for same in ordered], keys)
    return [(name, tuple(members[same])) for name, same in zip(words, ordered, strict=True)]


def _curves(groups: Sequence[Group]) -> list[Curve]:
    """Return the curves of all runs, on one grid per panel."""
    runs = [(group.condition, run) for group in groups for run in group.runs]
    span = {run.task: max(other.total_steps for _, other in runs if other.task == run.task) for _, run in runs}
    return [
        Curve(run.task, *condition, run.seed, run.total_steps, *curve(run, span=span[run.task]), run.finished)
        for condition, run in runs
    ]


def _looks(groups: Sequence[Group]) -> dict[Condition, Style]:
    looks = styles([*dict.fromkeys(group.condition for group in groups)])
    same = {key: [group for group in groups if group.condition == key] for key in looks}
    return {key: replace(look, name=_legend(same[key])) for key, look in looks.items()}


def _legend(panels: Sequence[Group]) -> str:
    """Return the legend of the line that these groups (one per panel) form: condition, labels, and differing settings."""
    (name, labels), words = panels[0].condition, panels[0].settings
    if name == words:
        return words
    runs = [run for group in panels for run in group.runs]
    base = condition_name((runs[0].condition, labels))
    if any(run.taken.short for run in runs):
        used = number_range(run.taken.used for run in runs)
        base = f"{condition_name((runs[0].condition, 0))}, {used} of {labels:,} labels"
    return f"{base}, {words}" if words else base


def _rows(group: Group, line: Line) -> Iterator[PlotRow]:
    """Yield the CSV rows of one line, where any of its runs has a return."""
    kinds = sorted({run.method for run in group.runs})
    condition, labels = ("|".join(map(str, dict.fromkeys(column))) for column in zip(*kinds, strict=True))
    task, used = group.runs[0].task, number_range(run.taken.used for run in group.runs)
    for step, mean, low, high, there in zip(line.step, line.mean, line.low, line.high, line.there, strict=True):
        if there:
            counts = there, line.runs, line.unfinished
            yield PlotRow(task, condition, labels, step, mean, low, high, *counts, used, group.settings)
