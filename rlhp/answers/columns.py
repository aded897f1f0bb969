"""Read tables from .npz, .parquet and .jsonl files: column names, and rows one by one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlhp.types import Array, UserError

CHUNK = 64  # rows of a Parquet file that are converted to Python objects at a time
MISSING = "Parquet files need pyarrow, which is not installed: pip install 'rlhp[parquet]'"

Row = tuple[str, dict[str, Any]]  # its location for error messages, and its values by column


@dataclass(frozen=True, slots=True)
class File:
    """A table in a file. A struct column has a dotted name for each field."""

    names: tuple[str, ...]
    rows: Callable[[Sequence[str]], Iterator[Row]]  # column names -> iterator over rows


def opened(path: Path) -> File:
    """Open a table: an .npz of arrays with a row per entry, a .parquet, or a .jsonl of objects.

    Raises UserError if the file is missing, damaged or of another kind. Reading rows may also raise UserError.
    """
    read = KINDS.get(path.suffix)
    if read is None:
        raise UserError(f"{path} is not one of {', '.join(KINDS)}: give a file of one of these kinds.")
    if not path.is_file():
        raise UserError(f"there is no file {path}; check its spelling.")
    return read(path)


def _npz(path: Path) -> File:
    if not zipfile.is_zipfile(path):
        raise UserError(
            f"{path} is not an .npz file; save arrays with numpy.savez, or give a .parquet or .jsonl file its proper suffix."
        )
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays: dict[str, Array] = {name: content[name] for name in content.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(
            f"{path} cannot be read ({_line(error)}); save plain arrays with numpy.savez: segments of equal length, no objects."
        ) from error

    def rows(names: Sequence[str]) -> Iterator[Row]:
        lengths = {name: len(arrays[name]) if arrays[name].ndim else 0 for name in names}
        if len({*lengths.values()}) > 1:
            lengths_text = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise UserError(
                f"the arrays of {path} differ in their number of rows ({lengths_text}); give each a row per comparison."
            )
        for i in range(lengths[names[0]]):
            yield f"row {i} of {path}", {name: arrays[name][i] for name in names}

    return File(tuple(arrays), rows)


def _parquet(path: Path) -> File:
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UserError(MISSING) from error
    try:
        file = ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read ({_line(error)}); give a Parquet file.") from error
    schema = file.schema_arrow
    shape, dtype = ((schema.metadata or {}).get(key) for key in (b"obs_shape", b"obs_dtype"))

    def rows(names: Sequence[str]) -> Iterator[Row]:
        number = 0
        for batch in file.iter_batches(CHUNK, columns=sorted({name.split(".")[0] for name in names})):
            for row in batch.to_pylist():
                yield (
                    f"row {number} of {path}",
                    {name: _frames(_nested(row, name), shape, dtype, path) for name in names},
                )
                number += 1

    return File(tuple(_fields(schema)), rows)


def _fields(schema: Any, prefix: str = "") -> Iterator[str]:
    for field in schema:
        yield prefix + field.name
        if hasattr(field.type, "num_fields") and field.type.num_fields and str(field.type).startswith("struct"):
            yield from _fields(field.type, f"{prefix}{field.name}.")


def _frames(value: Any, shape: bytes | None, dtype: bytes | None, path: Path) -> Any:
    """Convert a list of frames stored as bytes to an array; return other values unchanged."""
    if not isinstance(value, list) or not value or not isinstance(value[0], bytes):
        return value
    if shape is None or dtype is None:
        raise UserError(f"{path} holds observations as bytes, without obs_shape and obs_dtype in its metadata; add them.")
    try:
        return np.frombuffer(b"".join(value), dtype.decode()).reshape(-1, *json.loads(shape))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} holds frames whose size differs from its metadata ({_line(error)}).") from error


def _jsonl(path: Path) -> File:
    def rows(names: Sequence[str]) -> Iterator[Row]:
        for where, row in _objects(path):
            if missing := [name for name in names if _nested(row, name, ABSENT) is ABSENT]:
                raise UserError(f"{where} has no {missing[0]}; give every line the same keys.")
            yield where, {name: _nested(row, name) for name in names}

    first = next(_objects(path), None)
    return File(tuple(_keys(first[1])) if first else (), rows)


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"line {number} of {path}", _object(line, f"line {number} of {path}")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({_line(error)}).") from error


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON: give one object per line.") from error
    if not isinstance(row, dict):
        raise UserError(f"{where} is not an object: give one object per line, with a key per column.")
    return row


def _keys(row: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in row.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{key}.")


ABSENT = object()


def _nested(row: Any, name: str, default: Any = None) -> Any:
    """Look up a dotted name in nested objects. A key that itself contains the dots takes precedence."""
    if isinstance(row, Mapping):
        if name in row:
            return row[name]
        key, _, rest = name.partition(".")
        if rest and key in row:
            return _nested(row[key], rest, default)
    return default


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


KINDS: dict[str, Callable[[Path], File]] = {".npz": _npz, ".parquet": _parquet, ".jsonl": _jsonl}
