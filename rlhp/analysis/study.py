"""Tables of an experiment's runs, which remain when the run directories are deleted.

A run is identified by task, condition, labels, seed and length. Gathering a run again replaces its rows; rows of runs whose
directories no longer exist stay. So seeds can be added, and several machines can share the work.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rlhp.analysis.numbers import final
from rlhp.analysis.settings import canonical, differing
from rlhp.analysis.tables import (
    Condition,
    Curve,
    Failure,
    Point,
    Provenance,
    Result,
    Row,
    merge,
    points,
    read_curves,
    results,
)
from rlhp.csv_records import read_records
from rlhp.run import RunData, attempts
from rlhp.run import shown as shown_names
from rlhp.run.directory import FINISHED
from rlhp.run.status import RunStatus, begun, run_status
from rlhp.types import UserError

RESULTS_CSV, CURVES_CSV, PROVENANCE_CSV, FAILED_CSV = "results.csv", "curves.csv", "provenance.csv", "failed.csv"
NOT_VERSIONS = ("date", "cpu", "cores", "system", "step")


@dataclass(frozen=True, slots=True)
class Study:
    """Content of an experiment's tables."""

    results: list[Result]
    curves: list[Curve]
    failed: list[Failure]
    provenance: list[Provenance]


def gather(folders: Sequence[Path], here: Path) -> str:
    """Merge the finished and the failed runs below the folders into the tables in `here`; return a report of what was found.

    A failed run stays in failed.csv until its directory is found in another state. Raises UserError if a run occurs twice, if
    runs that count as seeds of one condition differ in other settings, or for a folder without runs or a damaged run.
    """
    runs = [*map(run_status, begun(folders))]
    done = [run.data for run in runs if run.state == "done"]
    _check_keys(done)
    keys, others = {run.key for run in done}, {run.data.key for run in runs if run.state != "failed"}
    failed = {key: Failure(*key, run.data.step, run.error or "") for run in runs if (key := run.data.key) not in others}
    merge(Result, here / RESULTS_CSV, results(done), keys)
    merge(Point, here / CURVES_CSV, [point for run in done for point in points(run)], keys)
    merge(Provenance, here / PROVENANCE_CSV, map(_provenance, done), keys)
    merge(Failure, here / FAILED_CSV, failed.values(), {*others, *failed})
    return _report(runs)


def _report(runs: Sequence[RunStatus]) -> str:
    """Format the counts, and a line for each run that is not done, or not as its settings ask."""
    done = [run.data for run in runs if run.state == "done"]
    failed = [run for run in runs if run.state == "failed"]
    unfinished = [run.data for run in runs if run.state not in ("done", "failed")]
    lines = [f"{len(done)} finished runs, {len(failed)} failed, {len(unfinished)} not finished"]
    lines += [f"  failed: {run.data.path} at step {run.data.step:,}: {run.error}" for run in failed]
    lines += [f"  left out, not finished: {run.path} ({run.step:,} of {run.total_steps:,} steps)" for run in unfinished]
    lines += [f"  labels: {run.path}: {run.taken}" for run in done if run.taken.short]
    early = [(run.path, end.first) for run in done if not (end := final(run)).late]
    lines += [f"  no episode ended in the last 5 % of {path}: its return is from step {step:,}" for path, step in early]
    return "\n".join(lines)


def read(here: Path) -> Study:
    """Read the tables in `here`. Raises UserError if one is missing or damaged."""
    return Study(
        read_records(Result, here / RESULTS_CSV),
        read_curves(here / CURVES_CSV),
        read_records(Failure, here / FAILED_CSV),
        read_records(Provenance, here / PROVENANCE_CSV),
    )


def with_reference(study: Study, other: Study, conditions: Collection[Condition]) -> Study:
    """Add conditions of another study for comparison; the provenance stays that of this study's own runs."""

    def wanted(rows: Iterable[Row]) -> list[Row]:
        return [row for row in rows if row.method in conditions]

    return Study(
        study.results + wanted(other.results),
        study.curves + wanted(other.curves),
        study.failed + wanted(other.failed),
        study.provenance,
    )


def provenance(rows: Iterable[Provenance]) -> str:
    """Format dates and machines of the runs, a line per type of machine and set of versions."""
    days: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        days.setdefault((row.cpu, row.cores, row.versions), []).append(row.date[:10])
    return "\n".join(_origin(dates, *machine) for machine, dates in days.items())


def _origin(dates: Sequence[str], cpu: str, cores: str, versions: str) -> str:
    when = min(dates) if min(dates) == max(dates) else f"{min(dates)} to {max(dates)}"
    on = f"{cores} cores of {cpu}" if cores else f"more than one machine: {cpu}" if cpu else "a machine that was not recorded"
    return f"{len(dates)} run{'s' if len(dates) > 1 else ''}, {when}, on {on}; {versions}"


def _check_keys(runs: Iterable[RunData]) -> None:
    """Raise UserError if two runs have the same key, or count as seeds of one condition but differ in other settings."""
    known: dict[Hashable, RunData] = {}
    seeds: dict[Hashable, RunData] = {}  # one of each set of seeds
    for run in runs:
        if (other := known.setdefault(run.key, run)) is not run:
            more = f" but differ in {differ}: name only one." if (differ := _differing(other, run)) else ": name only one."
            raise UserError(f"{other.path} and {run.path} are the same run (task, condition, labels, seed, steps){more}")
        other = seeds.setdefault((run.task, run.condition, run.labels, run.total_steps), run)
        if differ := _differing(other, run):
            raise UserError(
                f"{other.path} and {run.path} would count as seeds of one condition, but differ in {differ}: "
                "leave one out, or train it with its own condition=..."
            )


def _differing(run: RunData, other: RunData) -> str:
    """Return the settings in which two runs differ, except the seed; empty if they are equal."""
    return shown_names(differing([canonical(run.settings), canonical(other.settings)]))


def _provenance(run: RunData) -> Provenance:
    """Read date, processor, cores and versions from a run directory; without a date, use that of the run's end.

    If the attempts at a run were made on different machines, the processor's cell lists all of them, with their cores.
    """
    tried = attempts(run.path)
    ended = datetime.fromtimestamp((run.path / FINISHED).stat().st_mtime, UTC).isoformat(timespec="seconds")
    machines = [*dict.fromkeys(tuple(str(each.get(name, "")) for name in ("cpu", "cores", "system")) for each in tried)]
    cpu, cores, _ = machines[0]
    if len(machines) > 1:
        cpu, cores = ", then ".join(f"{cores} cores of {cpu}" for cpu, cores, _ in machines), ""
    versions = "; then ".join(dict.fromkeys(map(_versions, tried)))
    return Provenance(*run.key, str(tried[0].get("date", ended)), cpu, cores, versions)


def _versions(attempt: Mapping[str, Any]) -> str:
    """Format the versions of an attempt; null is left out, since a run on the true reward has no precision."""
    known = {name: value for name, value in attempt.items() if name not in NOT_VERSIONS and value is not None}
    return ", ".join(f"{name} {value}" for name, value in known.items())
