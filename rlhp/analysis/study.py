"""Tables of an experiment's runs, which remain when the run directories are deleted.

A run is identified by task, condition, labels, seed and length. Gathering a run again replaces its rows; rows of runs whose
directories no longer exist stay. So seeds can be added, and several machines can share the work.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rlhp.analysis.numbers import final
from rlhp.analysis.runs import FINISHED, RunData, text
from rlhp.analysis.settings import canonical, differing
from rlhp.analysis.status import RunStatus, begun, run_status
from rlhp.analysis.style import Condition
from rlhp.analysis.tables import (
    COLUMNS,
    CURVES,
    Curve,
    Key,
    Result,
    Row,
    curve_rows,
    merge,
    read_curves,
    read_results,
    read_rows,
    result_row,
    results,
    run_key,
)
from rlhp.run import VERSIONS
from rlhp.run import shown as shown_names
from rlhp.types import UserError

RESULTS_CSV, CURVES_CSV, PROVENANCE_CSV, FAILED_CSV = "results.csv", "curves.csv", "provenance.csv", "failed.csv"
PROVENANCE = (*Key._fields, "date", "cpu", "cores", "versions")
ATTEMPTS = "attempts.jsonl"  # a line per attempt at a run: its machine, its versions and the step it resumed from
NOT_VERSIONS = ("date", "cpu", "cores", "system", "step")
FAILURES = (*Key._fields, "step", "error")


@dataclass(frozen=True, slots=True)
class Found:
    """The runs below some folders, by status."""

    done: list[RunData]
    failed: list[RunStatus]
    unfinished: list[RunStatus]  # running or stopped

    def __str__(self) -> str:
        """Format the counts, and a line for each run that is not done."""
        head = f"{len(self.done)} finished runs, {len(self.failed)} failed, {len(self.unfinished)} not finished"
        failed = [f"  failed: {run.path} at step {run.step:,}: {run.error}" for run in self.failed]
        rest = [f"  left out, not finished: {run.path} ({run.step:,} of {run.total_steps:,} steps)" for run in self.unfinished]
        short = [f"  labels: {run.path}: {run.taken}" for run in self.done if run.taken.used != run.taken.wanted]
        ends = [(run, final(run)) for run in self.done]
        early = [
            f"  no episode ended in the last 5 % of {run.path}: its return is from step {end.first:,}"
            for run, end in ends
            if not end.late
        ]
        return "\n".join([head, *failed, *rest, *short, *early])


@dataclass(frozen=True, slots=True)
class Study:
    """Content of an experiment's tables."""

    results: list[Result]
    curves: list[Curve]
    failed: list[Key]
    provenance: list[Row]  # date, cpu, cores, versions


def classify(folders: Sequence[Path]) -> Found:
    """Classify every run below the folders by status. Raises UserError for a folder without runs, or if a run is damaged."""
    runs = [*map(run_status, begun(folders))]
    return Found(
        [run.data for run in runs if run.state == "done"],
        [run for run in runs if run.state == "failed"],
        [run for run in runs if run.state not in ("done", "failed")],
    )


def gather(folders: Sequence[Path], here: Path) -> Found:
    """Merge the finished and the failed runs below the folders into the tables in `here`.

    A failed run stays in failed.csv until its directory is found in another state. Raises UserError if a run occurs twice, if
    runs that count as seeds of one condition differ in other settings, or for a folder without runs.
    """
    found = classify(folders)
    done = _by_key(found.done)
    rows = {result.key: [result_row(result)] for result in results(found.done)}
    merge(here / RESULTS_CSV, COLUMNS, rows)
    merge(here / CURVES_CSV, CURVES, {key: curve_rows(run) for key, run in done.items()})
    merge(here / PROVENANCE_CSV, PROVENANCE, {key: [_provenance(run.path)] for key, run in done.items()})
    failed = {run_key(run.data): [(str(run.step), run.error or "")] for run in found.failed}
    others = [*done, *(run_key(run.data) for run in found.unfinished)]
    merge(here / FAILED_CSV, FAILURES, {**failed, **{key: [] for key in others}})
    return found


def gathered(arguments: Sequence[str], usual: Iterable[Path], here: Path) -> str:
    """Gather the named folders, or else those of the usual ones that exist, and return a report."""
    folders = [Path(folder) for folder in arguments] or [folder for folder in usual if folder.is_dir()]
    return str(gather(folders, here)) if folders else "There are no run directories: everything below comes from the tables."


def read(here: Path) -> Study:
    """Read the tables in `here`. Raises UserError if one is missing or damaged."""
    provenance = read_rows(here / PROVENANCE_CSV, PROVENANCE, str)
    return Study(
        read_results(here / RESULTS_CSV),
        read_curves(here / CURVES_CSV),
        list(read_rows(here / FAILED_CSV, FAILURES, str)),
        [row for rows in provenance.values() for row in rows],
    )


def with_reference(study: Study, other: Study, conditions: Collection[Condition]) -> Study:
    """Add conditions of another study for comparison; the provenance stays that of this study's own runs."""

    def wanted(key: Key | Result) -> bool:
        return (key.condition, key.labels) in conditions

    return Study(
        study.results + [row for row in other.results if wanted(row)],
        study.curves + [run for run in other.curves if wanted(run.key)],
        study.failed + [key for key in other.failed if wanted(key)],
        study.provenance,
    )


def provenance(rows: Iterable[Row]) -> str:
    """Format dates and machines of the runs, a line per type of machine and set of versions."""
    days: dict[tuple[str, ...], list[str]] = {}
    for date, *machine in rows:
        days.setdefault(tuple(machine), []).append(date[:10])
    return "\n".join(_origin(dates, *machine) for machine, dates in days.items())


def _origin(dates: Sequence[str], cpu: str, cores: str, versions: str) -> str:
    when = min(dates) if min(dates) == max(dates) else f"{min(dates)} to {max(dates)}"
    on = f"{cores} cores of {cpu}" if cores else f"more than one machine: {cpu}" if cpu else "a machine that was not recorded"
    return f"{len(dates)} run{'s' if len(dates) > 1 else ''}, {when}, on {on}; {versions}"


def _by_key(runs: Iterable[RunData]) -> dict[Key, RunData]:
    known: dict[Key, RunData] = {}
    seeds: dict[Key, RunData] = {}  # one of each set of seeds
    for run in runs:
        key = run_key(run)
        if (other := known.setdefault(key, run)) is not run:
            more = f" but differ in {differ}: name only one." if (differ := _differing(other, run)) else ": name only one."
            raise UserError(f"{other.path} and {run.path} are the same run (task, condition, labels, seed, steps){more}")
        other = seeds.setdefault(key._replace(seed=0), run)
        if differ := _differing(other, run):
            raise UserError(
                f"{other.path} and {run.path} would count as seeds of one condition, but differ in {differ}: "
                "leave one out, or train it with its own condition=..."
            )
    return known


def _differing(run: RunData, other: RunData) -> str:
    """Return the settings in which two runs differ, except the seed; empty if they are equal."""
    return shown_names(differing([canonical(run.settings), canonical(other.settings)]))


def _provenance(run: Path) -> Row:
    """Read date, processor, cores and versions from a run directory; without a date, use that of the run's end.

    If the attempts at a run were made on different machines, the processor's cell lists all of them, with their cores.
    """
    attempts = _attempts(run)
    ended = datetime.fromtimestamp((run / FINISHED).stat().st_mtime, UTC).isoformat(timespec="seconds")
    date = str(attempts[0].get("date", ended))
    machines = [*dict.fromkeys((str(a.get("cpu", "")), str(a.get("cores", "")), str(a.get("system", ""))) for a in attempts)]
    made_with = "; then ".join(dict.fromkeys(map(_versions, attempts)))
    if len(machines) == 1:
        return date, *machines[0][:2], made_with
    return date, ", then ".join(f"{cores} cores of {cpu}" for cpu, cores, _ in machines), "", made_with


def _versions(attempt: Mapping[str, Any]) -> str:
    """Format the versions of an attempt; null is left out, since a run on the true reward has no precision."""
    known = {name: value for name, value in attempt.items() if name not in NOT_VERSIONS and value is not None}
    return ", ".join(f"{name} {value}" for name, value in known.items())


def _attempts(run: Path) -> list[dict[str, Any]]:
    """Read machine and versions of each attempt at a run; older runs recorded only the first attempt, or none."""
    file = run / ATTEMPTS
    # a line without a newline was cut off when the process was killed
    lines = [line for line in text(file).splitlines(keepends=True) if line.endswith("\n")] if file.is_file() else []
    try:
        known = [dict(json.loads(line)) for line in lines]
        first = [dict(json.loads(text(run / VERSIONS)))] if (run / VERSIONS).is_file() else []
    except (ValueError, TypeError) as error:
        raise UserError(f"{run / VERSIONS} or {file} is damaged: it must contain the versions of the run.") from error
    return known if known and not known[0].get("step") else [*first, *known] or [{}]
