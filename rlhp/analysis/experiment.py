"""Experiments of the repository: a record of what one compares, and the command that all of them have."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlhp.analysis.panels import Layout, draw
from rlhp.analysis.report import cell, table
from rlhp.analysis.scores import Scores, normalised
from rlhp.analysis.study import Study, gather, provenance, read, with_reference
from rlhp.analysis.tables import Condition, RandomReturn, read_random
from rlhp.csv_records import write_records
from rlhp.evaluate import random_returns
from rlhp.types import UserError

RANDOM_CSV = "random.csv"
NO_FOLDERS = "There are no run directories: everything below comes from the tables."
EPISODES = 64  # of the random policy


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a report is made from: an experiment's tables, with its reference conditions, and the random policy's returns."""

    here: Path
    layout: Layout
    steps: int
    study: Study
    random: Mapping[str, float]

    def scores(self, steps: int) -> Scores:
        """Return the normalised returns of the runs of one length, by condition and task."""
        return normalised(self.study.results, self.random, steps)

    def compared(self, layout: Layout, steps: int, name: str) -> str:
        """Draw the learning curves of the runs of one length as NAME.png; return the path and the table."""
        curves = (run for run in self.study.curves if run.total_steps == steps)
        picture = draw(curves, layout, self.here / f"{name}.png")
        return f"{picture}\n{table(self.study, self.scores(steps), layout, steps)}"

    def present(self, layout: Layout, steps: int) -> Layout:
        """Return the layout of the tasks and the conditions that have results of one length."""
        rows = [row for row in self.study.results if row.total_steps == steps]
        tasks = tuple(task for task in layout.tasks if task in {row.env for row in rows})
        there = {row.method for row in rows}
        looks = {method: look for method, look in layout.styles.items() if method in there}
        return replace(layout, tasks=tasks, styles=looks, columns=min(layout.columns, max(1, len(tasks))))

    def reached(self, task: str, condition: Condition, enough: float, steps: int) -> str:
        """Say whether a condition has a share of the true reward's gain over the random policy; a missing share is NaN."""
        share = cell(self.study, self.scores(steps), task, condition, steps).share
        word = "PASS" if share >= enough else "short"
        return f"{word}  {task}: {share:.2f} of the true reward's gain, target at least {enough}"


def comparison(found: Evidence) -> Iterator[str]:
    """Report one figure and its table, named after the experiment."""
    yield found.compared(found.layout, found.steps, found.here.name)
    yield ""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment in the folder `here`; calling it is the command of its analysis.py.

    Merges the finished runs below the named folders into results.csv, curves.csv and provenance.csv in `here`, and failed ones
    into failed.csv; then draws, and prints the lines of `report` and the provenance. Everything except the merging reads only
    these files and those of figure2 beside it, so it also works without run directories.
    """

    here: Path
    folders: Sequence[str]  # of runs, unless the command names others
    layout: Layout
    steps: int = 1_000_000
    reference: Collection[Condition] = ()  # conditions of figure2's tables for comparison
    report: Callable[[Evidence], Iterator[str]] = comparison
    environments: Callable[[], Iterable[tuple[str, Any]]] | None = None  # those of random.csv; None: it is figure2's

    def __call__(self, arguments: Sequence[str]) -> None:
        """Merge the runs, then draw and print; measure random.csv instead for the argument `--random`."""
        figure2 = self.here.parent / "figure2"
        if self.environments and "--random" in arguments:
            measured = [(task, random_returns(env, EPISODES)) for task, env in self.environments()]
            rows = [RandomReturn(task, EPISODES, values.mean(), values.std()) for task, values in measured]
            return write_records(RandomReturn, self.here / RANDOM_CSV, rows)
        folders = run_folders(arguments, self.folders)
        print(gather(folders, self.here) if folders else NO_FOLDERS)
        study = read(self.here)
        if self.reference:
            study = with_reference(study, read(figure2), self.reference)
        random = read_random((self.here if self.environments else figure2) / RANDOM_CSV)
        for line in self.report(Evidence(self.here, self.layout, self.steps, study, random)):
            print(line)
        print(provenance(study.provenance))


def run_folders(arguments: Sequence[str], usual: Iterable[str]) -> list[Path]:
    """Return the folders that a command names, or else those of the usual ones that exist."""
    return [*map(Path, arguments)] or [folder for folder in map(Path, usual) if folder.is_dir()]


def script(main: Callable[[Sequence[str]], None]) -> None:
    """Run `main` with the command line's arguments; a UserError prints one sentence and exits with status 2.

    With -h or --help, print the docstring of the script instead, which describes its arguments.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        print((sys.modules["__main__"].__doc__ or "").strip())
        return
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
