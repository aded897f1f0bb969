"""Encodes records as columns of the store, and decodes them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Sequence
from enum import StrEnum
from hashlib import blake2b
from operator import index
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rlhp.types import Answer, Array, Clips, Comparisons, Deflated, Film, Packed, Query, Segment, unpacked, widened


class Source(StrEnum):
    """The origin of an answer."""

    SYNTHETIC = "synthetic"  # the run's own teacher, a program; it answers again after the run resumes from a checkpoint
    HUMAN = "human"  # a person
    IMPORT = "import"  # a file, not known to be a person's answer
    DEMONSTRATION = "demonstration"  # an expert's clip preferred to one of the policy's: nobody is asked, and it is not a label


def encode(segment: Segment) -> tuple[str, bytes]:
    """A segment's id (its `digest`) and its bytes, deflated because frames compress well; arrays keep type and shape."""
    content = _content(segment)
    return _digest(content), zlib.compress(content, 1)


def digest(segment: Segment) -> str:
    """A digest of a segment's content: 32 hexadecimal digits, equal if all arrays are equal bit for bit, frames as compressed."""
    return _digest(_content(segment))


def _content(segment: Segment) -> bytes:
    arrays = {"obs": segment.obs, "act": segment.act, "true_reward": segment.true_reward}
    return save({name: np.ascontiguousarray(array) for name, array in (arrays | _state(segment.packed_state)).items()})


def _state(state: Packed | None) -> dict[str, Array]:
    """The simulator states or frames from which a clip is rendered; frames stay compressed, because a film takes megabytes."""
    if isinstance(state, Film):
        return {"film": np.frombuffer(state.data, np.uint8), "film_shape": np.array(state.shape)}
    return {} if state is None else {"state": unpacked(state)}


def _state_of(arrays: dict[str, Array]) -> Packed | None:
    """The inverse of `_state`."""
    if "film" in arrays:
        return Film(arrays["film"].tobytes(), tuple(arrays["film_shape"].tolist()))
    return arrays.get("state")


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def decode(id: str, deflated: bytes) -> Segment:
    """Decode a segment, bit for bit. Raises ValueError unless `encode` returned this id and these bytes."""
    try:
        content = zlib.decompress(deflated)
        if _digest(content) != id:
            raise ValueError("its content does not match its digest")
        arrays = load(content)
        return Segment(arrays["obs"], arrays["act"], arrays["true_reward"], _state_of(arrays))
    except (zlib.error, SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"not a segment: {error}") from error


def encode_ranks(answer: Answer) -> str | None:
    """The `ranks` column of an answer. Raises TypeError for ranks that are not integers."""
    return None if answer.ranks is None else json.dumps([index(rank) for rank in answer.ranks])


def decode_answer(ranks: str | None, rating: float | None, by: str = "") -> Answer:
    """The answer of the columns `ranks` and `rating`."""
    return Answer(None if ranks is None else tuple(json.loads(ranks)), rating, by)


class GrowableArray:
    """An array of rows of one shape that grows at amortised constant cost.

    Arrays that `rows` returned never change: later rows go behind them, or into a new array.
    """

    def __init__(self) -> None:
        self._buffer: Array | None = None
        self._count = 0

    def extend(self, rows: Array) -> None:
        """Append rows [n, ...]."""
        if self._buffer is None:
            self._buffer = np.empty((0, *rows.shape[1:]), rows.dtype)
        count = self._count + len(rows)
        if count > len(self._buffer):
            grown = np.empty((max(count, 2 * len(self._buffer)), *rows.shape[1:]), self._buffer.dtype)
            grown[: self._count] = self._buffer[: self._count]
            self._buffer = grown
        self._buffer[self._count : count] = rows
        self._count = count

    def rows(self, empty: Array) -> Array:
        """All rows so far, or `empty` before the first."""
        return empty if self._buffer is None else self._buffer[: self._count]


class Answered(NamedTuple):
    """An answer to a query whose clips have these digests."""

    query: Query
    names: Sequence[str]
    answer: Answer
    annotator: str | None = None  # None: unknown


class ComparisonBuilder:
    """Builds `Comparisons` incrementally from answered queries; a clip that several of them share is stored once."""

    def __init__(self) -> None:
        self._row: dict[str, int] = {}  # of each clip, by digest
        self._annotator: dict[str | None, int] = {}  # their indices, in order of first answers
        self._obs, self._act, self._true_reward = _Observations(), GrowableArray(), GrowableArray()
        self._shown, self._ranks, self._query, self._always_kept = _PaddedRows(), _PaddedRows(), GrowableArray(), GrowableArray()
        self._rating, self._by = GrowableArray(), GrowableArray()

    def extend(self, answered: Sequence[Answered], always_kept: Collection[int] = ()) -> None:
        """Append each answer except 'cannot tell', which has neither ranks nor a rating.

        `always_kept`: ids of the queries whose answers are trained on however old they are.
        """
        decided = [each for each in answered if not each.answer.unsure]
        if not decided:
            return
        found = {name: clip for each in decided for name, clip in zip(each.names, each.query.clips, strict=True)}
        self._add({name: clip for name, clip in found.items() if name not in self._row})
        self._shown.extend([[self._row[name] for name in each.names] for each in decided])
        self._ranks.extend([each.answer.ranks or [0] for each in decided])
        self._query.extend(np.array([each.query.id for each in decided], np.int64))
        self._always_kept.extend(np.array([each.query.id in always_kept for each in decided]))
        self._rating.extend(np.array([np.nan if each.answer.rating is None else each.answer.rating for each in decided]))
        self._by.extend(
            np.array([self._annotator.setdefault(each.annotator, len(self._annotator)) for each in decided], np.int64)
        )

    def _add(self, clips: dict[str, Segment]) -> None:
        if not clips:
            return
        self._row |= {name: row for row, name in enumerate(clips, len(self._row))}
        self._obs.extend([clip.packed_obs for clip in clips.values()])
        self._act.extend(np.stack([clip.act for clip in clips.values()]))
        self._true_reward.extend(np.stack([clip.true_reward for clip in clips.values()]))

    def comparisons(self) -> Comparisons:
        """All comparisons, in the order given; without any, arrays of length 0 with unknown shapes."""
        clips = Clips(
            self._obs.all(), self._act.rows(np.zeros((0, 0, 0), np.float32)), self._true_reward.rows(np.zeros((0, 0), np.float32))
        )
        query, always_kept = self._query.rows(np.zeros(0, np.int64)), self._always_kept.rows(np.zeros(0, bool))
        rating, by = self._rating.rows(np.zeros(0)), self._by.rows(np.zeros(0, np.int64))
        return Comparisons(clips, self._shown.rows(), self._ranks.rows(), query, always_kept, rating, by)


class _PaddedRows:
    """Rows of integers, padded with `EMPTY` to the widest so far."""

    def __init__(self) -> None:
        self._buffer, self._width = GrowableArray(), 0

    def extend(self, rows: Sequence[Sequence[int]]) -> None:
        widest = max(map(len, rows))
        if widest > self._width:
            before, self._buffer, self._width = self.rows(), GrowableArray(), widest
            self._buffer.extend(widened(before, widest))
        self._buffer.extend(np.concatenate([widened(np.array([row], np.int64), self._width) for row in rows]))

    def rows(self) -> Array:
        return self._buffer.rows(np.zeros((0, self._width), np.int64))


class _Observations:
    """Collects the observations of clips: as arrays, or one by one where they are deflated."""

    def __init__(self) -> None:
        self._arrays, self._deflated = GrowableArray(), list[Deflated]()

    def extend(self, clips: Sequence[Packed]) -> None:
        deflated = [clip for clip in clips if isinstance(clip, Deflated)]
        self._deflated += deflated
        if not deflated:
            self._arrays.extend(np.stack([unpacked(clip) for clip in clips]))

    def all(self) -> Array | tuple[Deflated, ...]:
        return tuple(self._deflated) or self._arrays.rows(np.zeros((0, 0, 0), np.float32))
