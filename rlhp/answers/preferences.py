"""Comparisons to fit a reward model to, from a file of anybody's or the store of a run, without an environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from rlhp.answers import pairs
from rlhp.store import digest, labels, segments
from rlhp.store.codec import Answered, ComparisonBuilder
from rlhp.types import Answer, Array, Clips, Comparisons, Query, Segment, UserError

STORE = "preferences.sqlite"
CHUNK = 256  # answers that are taken apart at a time

_Answered = tuple[Query, Sequence[str], Answer, str | None]  # a question, its clips' digests, the answer, whose it is


@dataclass(frozen=True, slots=True)
class Preferences:
    """Every answer that puts clips in order, n of them, and what is known of where they come from."""

    comparisons: Comparisons
    annotator: tuple[str | None, ...]  # [n] who answered; None: not known
    unsure: int  # answers of 'cannot tell', left out
    layout: str  # how the source was read, in words
    digest: str  # of the clips and answers, in their order

    @property
    def rewards(self) -> bool:
        """Whether the true reward of every clip is known."""
        return bool(np.isfinite(self.comparisons.clips.true_reward).all())

    @property
    def stack(self) -> int:
        """How many newest observations a network sees together."""
        clips = self.comparisons.clips
        return len(_first_obs(clips)) - clips.true_reward.shape[1] + 1

    def observation_space(self) -> spaces.Box:
        """What one observation is: an image, or a vector without bounds."""
        return _observed(_first_obs(self.comparisons.clips))

    def action_space(self, actions: int | None = None) -> spaces.Space[Any]:
        """Choices, as many as `actions` says or the data show, or a vector without bounds.

        Raises UserError where `actions` is said of a vector, or there are more than so many.
        """
        return _chosen(self.comparisons.clips.act, actions)


def _first_obs(clips: Clips) -> Array:
    return clips[np.zeros(1, np.int64)].obs[0]


def _observed(obs: Array) -> spaces.Box:
    """The space of observations [n, *O]."""
    if obs.dtype == np.uint8:
        return spaces.Box(0, 255, obs.shape[1:], np.uint8)
    return spaces.Box(-np.inf, np.inf, obs.shape[1:], np.float32)


def _chosen(act: Array, actions: int | None) -> spaces.Space[Any]:
    """The space of actions [n, L, *A]."""
    if act.ndim > 2 or act.dtype.kind not in "iu":
        if actions is not None:
            raise UserError(f"actions={actions} counts choices, and these actions are vectors; leave it out.")
        return spaces.Box(-np.inf, np.inf, act.shape[2:], np.float32)
    least, most = int(act.min()), int(act.max())
    if least < 0 or (actions is not None and most >= actions):
        raise UserError(
            f"the actions are whole numbers from {least} to {most}, and choices count from 0"
            + ("; number them so." if least < 0 else f" to {actions - 1 if actions else 0}; raise actions={actions}.")
        )
    return spaces.Discrete(most + 1 if actions is None else actions)


def load(
    source: Path, columns: Mapping[str, str] | None = None, one: str | None = None, minus_one: str | None = None
) -> Preferences:
    """The comparisons in a file (`pairs.read` says how), or in a directory with a store, such as a run's.

    Raises UserError where there are none.
    """
    if source.is_dir():
        if columns or one or minus_one:
            raise UserError(f"{source} is a store, whose columns are known; leave --columns, --one and --minus-one out.")
        if not (source / STORE).is_file():
            raise UserError(
                f"{source} holds no {STORE}; name a run directory, a folder of rlhp import, or a file of comparisons."
            )
        return _collected(source, "store of a run", _of_store(source / STORE))
    if source.suffix == ".jsonl" and is_ours(source):
        raise UserError(
            f"{source} holds answers without their clips; name the run that it is of, or its `rlhp export` to a .parquet file."
        )
    layout, read = pairs.read(source, columns, one, minus_one)
    return _collected(source, layout.words(), numbered(read))


def is_ours(file: Path) -> bool:
    """Whether a .jsonl file holds answers as `rlhp export` writes them, without clips."""
    try:
        with file.open("rb") as content:
            line = next((line for line in content if line.strip()), b"")
    except OSError:
        return False
    return all(key in line for key in (b'"ranks"', b'"clips"', b'"answered_at"'))


def numbered(read: Iterable[pairs.Pair]) -> Iterator[_Answered]:
    """Pairs as answered questions; the same two clips are the same question, whoever answers and on whichever side they are."""
    ids: dict[frozenset[str], int] = {}
    for pair in read:
        names = digest(pair.left), digest(pair.right)
        id = ids.setdefault(frozenset(names), len(ids))
        yield Query(id, (pair.left, pair.right), 0), names, pair.answer, pair.annotator


def _of_store(store: Path) -> Iterator[_Answered]:
    given = iter([label for label in labels(store) if label.round == 0 and not label.flagged])
    while chunk := list(islice(given, CHUNK)):
        clips: dict[str, Segment] = dict(segments(store, dict.fromkeys(name for label in chunk for name in label.clips)))
        for label in chunk:
            query = Query(label.query, tuple(clips[name] for name in label.clips), 0, label.kind)
            yield query, label.clips, label.answer(), label.annotator


def _collected(source: Path, layout: str, answered: Iterator[_Answered]) -> Preferences:
    table, hashed = ComparisonBuilder(), blake2b(digest_size=16)
    annotator: list[str | None] = []
    unsure = 0
    while chunk := list(islice(answered, CHUNK)):
        table.extend([Answered(*each) for each in chunk])
        for _, names, answer, who in chunk:
            said = answer.ranks if answer.rating is None else answer.rating
            hashed.update(repr((tuple(names), said, who)).encode())
            unsure += answer.unsure
            annotator += [] if answer.unsure else [who]
    comparisons = table.comparisons()
    if not len(comparisons):
        raise UserError(f"{source} holds no comparison that prefers a clip or finds two equal; there is nothing to fit to.")
    return Preferences(comparisons, tuple(annotator), unsure, layout, hashed.hexdigest())
