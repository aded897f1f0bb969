"""CSV tables of records: a row per record, a column per field.

A record is a dataclass whose fields are text, integers or numbers. `Annotated[float, ".3f"]` gives the format of a number.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from rlhp.atomic import replacing
from rlhp.types import UserError

T = TypeVar("T")
Columns = Mapping[str, tuple[type, str]]  # type and format of each column
MEANINGS = {int: "an integer", float: "a number or blank"}


def read_records(kind: type[T], path: Path) -> list[T]:
    """Read a table of records; a blank number is NaN.

    Raises UserError if the file is missing, its columns are not the fields of `kind`, or a cell cannot be parsed.
    """
    columns = _columns(kind)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is missing or cannot be read.") from error
    if not rows or rows[0][1] != [*columns]:
        raise UserError(f"{path} is not a table of this kind: its columns must be {','.join(columns)}.")
    return [kind(*_values(f"Line {line} of {path}", row, columns)) for line, row in rows[1:]]


def write_records(kind: type[T], path: Path, rows: Iterable[T]) -> None:
    """Write a table of records; NaN is blank. Raises UserError if it cannot be written."""
    columns = _columns(kind)
    write_csv(path, [*columns], ([_cell(getattr(row, name), form) for name, (_, form) in columns.items()] for row in rows))


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file with a header line, and create its folder. Raises UserError if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error


def _columns(kind: type[Any]) -> Columns:
    hints = get_type_hints(kind, include_extras=True)
    return {name: (getattr(hint, "__origin__", hint), getattr(hint, "__metadata__", ("",))[0]) for name, hint in hints.items()}


def _values(place: str, row: Sequence[str], columns: Columns) -> list[object]:
    """Parse the cells of a row. Raises UserError with its place."""
    if len(row) != len(columns):
        raise UserError(f"{place} is damaged: it has {len(row)} cells, not {len(columns)}.")
    values = []
    for cell, (name, (kind, _)) in zip(row, columns.items(), strict=True):
        try:
            values.append(kind("nan" if kind is float and not cell else cell))
        except ValueError as error:
            raise UserError(f"{place} is damaged: {name} must be {MEANINGS[kind]}, not {cell!r}.") from error
    return values


def _cell(value: Any, form: str) -> str:
    return "" if value != value else f"{value:{form}}"
