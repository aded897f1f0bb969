"""Files that a run writes: text, JSON, and tables to which it appends a row per rollout."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlhp.types import Array, UserError


def read_text(path: Path) -> str:
    """Read a text file. Raises UserError if it cannot be read."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is missing or cannot be read.") from error


def complete_lines(path: Path) -> list[str]:
    """Read lines with their ends, without a last one that was cut off when the process was killed: a number may lack digits.

    Raises UserError if the file cannot be read.
    """
    return [line for line in read_text(path).splitlines(keepends=True) if line.endswith("\n")]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; empty if the file is missing. Raises UserError if it is damaged."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise UserError(f"{path} is damaged: it is not JSON.") from error
    return found if isinstance(found, dict) else {}


def read_table(path: Path) -> list[dict[str, str]]:
    """Read the complete rows of a table as text, by column; empty if there is no file."""
    rows = csv.DictReader(complete_lines(path)) if path.exists() else []
    return [row for row in rows if None not in row.values() and None not in row]


def read_upto(path: Path, upto: int) -> list[dict[str, str]]:
    """Read the complete rows up to the step of a checkpoint; none for `upto` 0.

    A run without a checkpoint starts again, without its row of step 0.
    """
    return [row for row in read_table(path) if int(row["step"]) <= upto] if upto else []


def read_numbers(path: Path) -> dict[str, Array]:
    """Read a table as column -> [rows], steps ascending, with NaN for a blank cell.

    Rows of an earlier attempt after the step from which the run was resumed are left out. Raises UserError if the file is
    missing, is damaged, or has no column `step`.
    """
    header, *rows = [*csv.reader(complete_lines(path))] or [[]]
    if "step" not in header:
        raise UserError(f"{path} has no column 'step': the file is damaged, or does not belong to a run.")
    cells = [_numbers(path, line, row, len(header)) for line, row in enumerate(rows, 2)]
    table = np.array(cells, dtype=float).reshape(-1, len(header))
    valid = _last_attempt(path, table[:, header.index("step")])
    return dict(zip(header, table[valid].T, strict=True))


def _numbers(path: Path, line: int, row: Sequence[str], width: int) -> list[float]:
    try:
        return [float(cell or "nan") for _, cell in zip(range(width), row, strict=True)]
    except ValueError as error:
        raise UserError(f"Line {line} of {path} is damaged: expected {width} numbers or blanks.") from error


def _last_attempt(path: Path, step: Array) -> Array:
    """Return which rows are valid, [rows] bool. Raises UserError if a row has no step."""
    if not np.isfinite(step).all():
        raise UserError(f"Line {int(np.argmin(np.isfinite(step))) + 2} of {path} is damaged: it has no step.")
    later = np.minimum.accumulate(np.append(step, np.inf)[::-1])[::-1][1:]  # the smallest step of all later rows
    return step < later


def folder_of_id(id: str) -> str:
    """An environment's id as part of a folder's name: `ALE/Pong-v5` becomes `ALE-Pong-v5`."""
    return re.sub(r"[^\w.-]+", "-", id)
