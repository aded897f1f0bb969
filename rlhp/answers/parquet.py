"""Answers as a Parquet table for offline learning: `segment_0`, `segment_1`, `label`; or `segment`, `rating` for ratings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rlhp.feedback import GRADED_COMPARISON
from rlhp.feedback.graded_comparison import MUCH
from rlhp.store import Label, labels, segments
from rlhp.types import Array, Segment, UserError

CHUNK = 128  # answers in memory at a time
COMPRESSION = "zstd"  # half the size of snappy for clips of a game
MISSING = "Parquet files need pyarrow, which is not installed: pip install 'rlhp[parquet]'"


def write(store: Path, out: Path, flagged: bool = False) -> int:
    """Write the pairs of every answer that a reward model may learn from, or the rated clips, and return the number of rows.

    A segment is a struct of `obs`, L lists of one observation each, and `act` likewise; `label` is P[segment_0 is preferred]:
    1, 0 or 0.5. Images are bytes, one value per frame, H + L of them, where the first H are from before the first action; the
    file's metadata holds the `obs_shape` and `obs_dtype` of a frame. Left out are 'cannot tell', repeats and, unless `flagged`,
    flagged answers. A ranking of K clips gives C(K, 2) pairs. Graded comparisons have a column `much`. If the store holds
    ratings, only they are written: its pairs come from demonstrations.
    Raises UserError without pyarrow, or if there is nothing to write.
    """
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise UserError(MISSING) from error
    given = [
        label for label in labels(store) if label.round == 0 and not label.answer().unsure and (flagged or not label.flagged)
    ]
    chosen = [label for label in given if label.rating is not None] or given
    if not chosen:
        raise UserError(f"{store} holds no comparison yet: export it when questions have been answered.")
    (_, first), *_ = segments(store, chosen[0].clips[:1])
    columns = _columns(chosen)
    schema = _schema(pa, first, columns)
    count = 0
    with ParquetWriter(out, schema, compression=COMPRESSION) as file:
        for chunk in _chunks(chosen):
            rows = [{name: row[name] for name in columns} for row in _rows(store, chunk)]
            file.write_table(pa.Table.from_pylist(rows, schema))
            count += len(rows)
    return count


def _columns(chosen: Sequence[Label]) -> list[str]:
    """Return the names of the columns."""
    if chosen[0].rating is not None:
        return ["segment", "rating"]
    graded = any(label.kind == GRADED_COMPARISON.name for label in chosen)
    return ["segment_0", "segment_1", "label", *(["much"] if graded else [])]


def _schema(pa: Any, segment: Segment, columns: Sequence[str]) -> Any:
    """Return the schema. Images are bytes: lists of pixels would take nine times as long, and gigabytes of memory."""
    obs, metadata = segment.obs, {}
    kind = _type(pa, obs)
    if _images(obs):
        kind, metadata = pa.list_(pa.binary(obs[0].nbytes)), {"obs_shape": json.dumps(obs[0].shape), "obs_dtype": obs.dtype.name}
    struct = pa.struct([("obs", kind), ("act", _type(pa, segment.act))])
    kinds = {"label": pa.float64(), "rating": pa.float64(), "much": pa.bool_()}
    return pa.schema([(name, kinds.get(name, struct)) for name in columns], metadata)


def _images(obs: Array) -> bool:
    return obs.dtype == np.uint8 and obs.ndim > 2


def _type(pa: Any, array: Array) -> Any:
    """Return the type of an array: nested lists, one per axis."""
    found = pa.from_numpy_dtype(array.dtype)
    for _ in range(array.ndim):
        found = pa.list_(found)
    return found


def _chunks(given: Sequence[Label]) -> Iterator[list[Label]]:
    rest = iter(given)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _rows(store: Path, chunk: Sequence[Label]) -> Iterator[dict[str, Any]]:
    names = dict.fromkeys(name for label in chunk for name in label.clips)
    clips = {name: _steps(segment) for name, segment in segments(store, names)}
    for label in chunk:
        if label.rating is not None:
            yield {"segment": clips[label.clips[0]], "rating": label.rating}
        for i, j, mu in label.answer().pairs():
            much = abs(label.ranks[i] - label.ranks[j]) >= MUCH if label.ranks else False
            yield {"segment_0": clips[label.clips[i]], "segment_1": clips[label.clips[j]], "label": mu, "much": much}


def _steps(segment: Segment) -> dict[str, Any]:
    obs = segment.obs
    return {"obs": [frame.tobytes() for frame in obs] if _images(obs) else obs.tolist(), "act": segment.act.tolist()}
