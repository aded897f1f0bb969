"""Tables of records: dataclasses whose fields are texts, whole numbers and numbers, a row each."""

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
    """The rows of a table that `write_records` wrote; none where there is no file.

    Raises UserError where its columns are not the fields of `kind`, or a cell cannot be read as its field.
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
        raise UserError(f"{path} is not such a table: its columns are {','.join(names)}.") from error


def write_records(kind: type[T], path: Path, rows: Iterable[T]) -> None:
    """A row for each record, under the names of the fields; a number that is not there (NaN) is blank.

    Raises UserError where the file cannot be written.
    """
    cells = [["" if value != value else value for value in astuple(row)] for row in rows]  # type: ignore[arg-type]
    write_csv(path, [field.name for field in fields(kind)], cells)  # type: ignore[arg-type]
