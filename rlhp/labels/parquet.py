"""Answers as a table of pairs for offline preference learners: `segment_0`, `segment_1`, `label`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rlhp.store import Label, labels, segments
from rlhp.types import Array, Segment, UserError

CHUNK = 256  # answers that are held in memory at a time
MISSING = "Parquet files need pyarrow, which is not installed: pip install 'rlhp[parquet]'"


def write(store: Path, out: Path) -> int:
    """Write the pairs of every answer that a reward model may learn from; how many.

    A segment is a struct of `obs`, L lists of one observation each, and `act` likewise; `label` is P[segment_0 is preferred]:
    1, 0 or 0.5. Answers of 'cannot tell' and repeats are left out; a ranking of K clips gives C(K, 2) pairs.
    Raises UserError without pyarrow, or where there is no pair to write.
    """
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise UserError(MISSING) from error
    chosen = [label for label in labels(store) if label.round == 0 and label.ranks is not None]
    if not chosen:
        raise UserError(f"{store} holds no comparison yet: export it when questions have been answered.")
    (_, first), *_ = segments(store, chosen[0].clips[:1])
    segment = pa.struct([("obs", _type(pa, first.obs)), ("act", _type(pa, first.act))])
    schema = pa.schema([("segment_0", segment), ("segment_1", segment), ("label", pa.float64())])
    count = 0
    with ParquetWriter(out, schema) as file:
        for chunk in _chunks(chosen):
            rows = list(_pairs(store, chunk))
            file.write_table(pa.Table.from_pylist(rows, schema))
            count += len(rows)
    return count


def _type(pa: Any, array: Array) -> Any:
    """A list in a list for each axis."""
    found = pa.from_numpy_dtype(array.dtype)
    for _ in range(array.ndim):
        found = pa.list_(found)
    return found


def _chunks(given: Sequence[Label]) -> Iterator[list[Label]]:
    rest = iter(given)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _pairs(store: Path, chunk: Sequence[Label]) -> Iterator[dict[str, Any]]:
    names = dict.fromkeys(name for label in chunk for name in label.clips)
    clips = {name: _steps(segment) for name, segment in segments(store, names)}
    for label in chunk:
        for i, j, mu in label.answer().pairs():
            yield {"segment_0": clips[label.clips[i]], "segment_1": clips[label.clips[j]], "label": mu}


def _steps(segment: Segment) -> dict[str, Any]:
    return {"obs": segment.obs.tolist(), "act": segment.act.tolist()}
