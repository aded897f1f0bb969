"""CSV tables of records: one row per dataclass, with text, integer and float fields."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, TypeVar

from rlhp.analysis.runs import text
from rlhp.analysis.tables import write_csv
from rlhp.types import UserError

T = TypeVar("T")
CASTS: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": lambda cell: float(cell or "nan")}


def read_records(kind: type[T], path: Path) -> list[T]:
    """Read the rows of a table that `write_records` wrote; empty if there is no file.

    Raises UserError if its columns are not the fields of `kind`, or a cell cannot be parsed.
    """
    if not path.is_file():
        return []
    header, *rows = [*csv.reader(text(path).splitlines())] or [[]]
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    casts = [CASTS[str(field.type)] for field in fields(kind)]  # type: ignore[arg-type]
    try:
        if header != names:
            raise ValueError(header)
        return [kind(*(cast(cell) for cast, cell in zip(casts, row, strict=True))) for row in rows]
    except ValueError as error:
        raise UserError(f"{path} is not such a table: its columns must be {','.join(names)}.") from error


def write_records(kind: type[T], path: Path, rows: Iterable[T]) -> None:
    """Write one row per record, with the field names as header; NaN is written as a blank.

    Raises UserError if the file cannot be written.
    """
    cells = [["" if value != value else value for value in astuple(row)] for row in rows]  # type: ignore[arg-type]
    write_csv(path, [field.name for field in fields(kind)], cells)  # type: ignore[arg-type]
