"""Between records and what the store's columns hold."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from enum import StrEnum
from hashlib import blake2b
from operator import index

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rlhp.types import Answer, Array, Comparisons, Query, Segment, Steps, stack


class Source(StrEnum):
    """How an answer came into a store."""

    SYNTHETIC = "synthetic"  # the run's own teacher, a program: it answers again after the run went back to a checkpoint
    HUMAN = "human"  # a person
    IMPORT = "import"  # a file, and not known to be a person's


def encode(segment: Segment) -> tuple[str, bytes]:
    """A segment's id (its `digest`) and its bytes: arrays keep type and shape; deflated, for frames shrink a lot."""
    content = _content(segment)
    return _digest(content), zlib.compress(content, 1)


def digest(segment: Segment) -> str:
    """A digest of a segment's content: 32 hexadecimal digits, equal where all arrays are, bit for bit."""
    return _digest(_content(segment))


def _content(segment: Segment) -> bytes:
    arrays = {"obs": segment.obs, "act": segment.act, "true_reward": segment.true_reward}
    state = {} if segment.state is None else {"state": segment.state}
    return save({name: np.ascontiguousarray(array) for name, array in (arrays | state).items()})


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def decode(id: str, deflated: bytes) -> Segment:
    """The segment for which `encode` gave this id and these bytes, bit for bit. Raises ValueError for any others."""
    try:
        content = zlib.decompress(deflated)
        if _digest(content) != id:
            raise ValueError("other content than its digest says")
        arrays = load(content)
        return Segment(arrays["obs"], arrays["act"], arrays["true_reward"], arrays.get("state"))
    except (zlib.error, SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"not a segment: {error}") from error


def encode_ranks(answer: Answer) -> str | None:
    """The `ranks` column of an answer. Raises TypeError for ranks that are no whole numbers."""
    return None if answer.ranks is None else json.dumps([index(rank) for rank in answer.ranks])


def decode_ranks(ranks: str | None) -> Answer:
    """The answer of a `ranks` column."""
    return Answer(None if ranks is None else tuple(json.loads(ranks)))


class Growing:
    """Rows of one shape, appended at amortised constant cost.

    What `rows` returned stays as it was: later rows lie behind it, or in a new array.
    """

    def __init__(self) -> None:
        self._held: Array | None = None
        self._count = 0

    def extend(self, rows: Array) -> None:
        """Append rows [n, ...]."""
        if self._held is None:
            self._held = np.empty((0, *rows.shape[1:]), rows.dtype)
        count = self._count + len(rows)
        if count > len(self._held):
            grown = np.empty((max(count, 2 * len(self._held)), *rows.shape[1:]), self._held.dtype)
            grown[: self._count] = self._held[: self._count]
            self._held = grown
        self._held[self._count : count] = rows
        self._count = count

    def rows(self, empty: Array) -> Array:
        """All rows so far, or `empty` before the first."""
        return empty if self._held is None else self._held[: self._count]


class Table:
    """Comparisons in the making: answered questions go in, all comparisons so far come out."""

    def __init__(self) -> None:
        self._left, self._right = _GrowingSteps(), _GrowingSteps()
        self._mu, self._weight, self._query = Growing(), Growing(), Growing()

    def extend(self, answered: Sequence[tuple[Query, Answer]]) -> None:
        """Append the pairs of each answer; each weighs 1 / C(K, 2), so that a question counts once (InstructGPT, 3.5)."""
        pairs = [(query, query.clips[i], query.clips[j], mu) for query, answer in answered for i, j, mu in answer.pairs()]
        if not pairs:
            return
        queries, left, right, mus = zip(*pairs, strict=True)
        self._left.extend(stack(left))
        self._right.extend(stack(right))
        self._mu.extend(np.array(mus, np.float32))
        self._weight.extend(np.array([2 / (len(q.clips) * (len(q.clips) - 1)) for q in queries], np.float32))
        self._query.extend(np.array([q.id for q in queries], np.int64))

    def comparisons(self) -> Comparisons:
        """All rows, in the order given; without any, arrays of length 0 that know no shapes."""
        none = np.zeros(0, np.float32)
        mu, weight, query = self._mu.rows(none), self._weight.rows(none), self._query.rows(none.astype(np.int64))
        return Comparisons(self._left.steps(), self._right.steps(), mu, weight, query)


class _GrowingSteps:
    """Stacked clips in the making."""

    def __init__(self) -> None:
        self._obs, self._act, self._true_reward = Growing(), Growing(), Growing()

    def extend(self, steps: Steps) -> None:
        self._obs.extend(steps.obs)
        self._act.extend(steps.act)
        self._true_reward.extend(steps.true_reward)

    def steps(self) -> Steps:
        none = np.zeros((0, 0, 0), np.float32)
        return Steps(self._obs.rows(none), self._act.rows(none), self._true_reward.rows(np.zeros((0, 0), np.float32)))
