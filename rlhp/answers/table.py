"""The tables of `rlhp answers RUN` and of the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rlhp.answers.kappa import MISSING, is_available
from rlhp.answers.numbers import FEW, Agreement, Person, agreements, people
from rlhp.store import PERSON, Label, Source, labels, segments
from rlhp.types import escaped

DASH = "–"
Cells = tuple[str, ...]
PEOPLE = ("annotator", "answers", "left", "right", "equal", "cannot tell", "left share", "repeats", "consistent")
KIND = {Source.HUMAN: "", Source.SYNTHETIC: " (program)", Source.IMPORT: " (imported)", Source.DEMONSTRATION: ""}
MORE = ("median", "p90", "true reward")


@dataclass(frozen=True, slots=True)
class Table:
    """Formatted cells; the first column is text, the others are numbers."""

    title: str
    columns: Cells
    rows: tuple[Cells, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Tables on the answers of one run, and notes on how to read them."""

    head: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...]


def report(run: Path, annotator: str | None = None) -> Report:
    """Return a report on a run's answers, or on those that one annotator gave on the page. Only reads the run directory.

    Raises UserError if there is no intact store.
    """
    store = run / "preferences.sqlite"
    given = [label for label in labels(store) if annotator is None or label.annotator == PERSON + annotator]
    if not given:
        return Report(f"{run.name}: no answers yet", (), ())
    names = dict.fromkeys(name for label in given for name in label.clips)
    returns = {name: float(clip.true_reward.sum(dtype=float)) for name, clip in segments(store, names)}
    rows, agreed = people(given, returns), agreements(given)
    tables = (_people(rows), *([_agreement(agreed)] if agreed else []))
    return Report(_head(run, given), tables, _notes(rows, agreed))


def text(report: Report) -> str:
    """Format a report as text with aligned columns."""
    return "\n\n".join([report.head, *map(_aligned, report.tables), *(["\n".join(report.notes)] if report.notes else [])])


def _head(run: Path, given: list[Label]) -> str:
    questions, repeats = len({label.query for label in given}), sum(label.round > 0 for label in given)
    more = f", and {_count(repeats, 'repeat')}" if repeats else ""
    return f"{run.name}: {_count(len(given) - repeats, 'answer')} to {_count(questions, 'question')}{more}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _people(rows: list[Person]) -> Table:
    more = [name for name in ("rankings", "ratings") if any(getattr(row, name) for row in rows)]
    columns = (*PEOPLE[:6], *more, *PEOPLE[6:], *MORE)
    return Table("Annotators", columns, tuple(_person(row, more) for row in rows))


def _person(row: Person, more: list[str]) -> Cells:
    counts = [row.answers, row.left, row.right, row.equal, row.unsure, *(getattr(row, name) for name in more)]
    return (
        f"{_name(row.annotator)}{KIND[row.source]}",
        *(f"{count:,}" for count in counts),
        _percent(row.left_share),
        f"{row.repeats:,}",
        _percent(row.consistent),
        _seconds(row.median),
        _seconds(row.p90),
        _percent(row.true),
    )


def _agreement(agreed: list[Agreement]) -> Table:
    rows = tuple((_who(found), f"{found.questions:,}", _percent(found.same), _number(found.kappa)) for found in agreed)
    return Table("Agreement", ("between", "questions", "same", "kappa"), rows)


def _who(found: Agreement) -> str:
    names = ", ".join(map(_name, found.who))
    return names if len(found.who) == found.each else f"{names} ({found.each} per question)"


def _name(annotator: str) -> str:
    return escaped(annotator.removeprefix(PERSON))  # imported answers may hold any name


def _notes(rows: list[Person], agreed: list[Agreement]) -> tuple[str, ...]:
    notes = [
        "left share: of the answers that chose a side, as shown; consistent: share of repeats, sides swapped, answered the same.",
        "median, p90: time from seeing a question to its answer; true reward: pairs ranked by their true returns, without ties.",
        f"{DASH}: based on fewer than {FEW}, or undefined.",
    ]
    if agreed:
        notes.append(
            "kappa: Cohen's for two people, Fleiss' for more, on left, right and equal, or good and bad, without 'cannot tell'."
        )
    return (*notes, *([MISSING] if agreed and not is_available() else []))


def _percent(share: float) -> str:
    return DASH if share != share else f"{100 * share:.0f} %"


def _seconds(time: float) -> str:
    return DASH if time != time else f"{time:.1f} s"


def _number(value: float) -> str:
    return DASH if value != value else f"{value:.2f}"


def _aligned(table: Table) -> str:
    lines = [table.columns, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )
