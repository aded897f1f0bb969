"""Load comparisons to fit a reward model to, from a file or the store of a run, without an environment."""

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
CHUNK = 256  # answers processed at a time

_Record = tuple[Query, Sequence[str], Answer, str | None]  # a question, its clips' digests, the answer, the annotator


@dataclass(frozen=True, slots=True)
class Preferences:
    """All n answers that rank clips, and their origin."""

    comparisons: Comparisons
    annotator: tuple[str | None, ...]  # [n]; None: unknown
    unsure: int  # number of 'cannot tell' answers, which are left out
    layout: str  # description of the source's layout
    digest: str  # of the clips and answers in order

    @property
    def rewards(self) -> bool:
        """Whether the true reward of every clip is known."""
        return bool(np.isfinite(self.comparisons.clips.true_reward).all())

    @property
    def stack(self) -> int:
        """Number of stacked observations that a network sees."""
        clips = self.comparisons.clips
        return len(_first_obs(clips)) - clips.true_reward.shape[1] + 1

    def observation_space(self) -> spaces.Box:
        """Return the space of one observation: an image, or an unbounded vector."""
        return _observation_space(_first_obs(self.comparisons.clips))

    def action_space(self, actions: int | None = None) -> spaces.Space[Any]:
        """Return the action space: discrete with `actions` actions (None: as many as in the data), or an unbounded vector.

        Raises UserError if `actions` is given for vectors, or the data have more actions.
        """
        return _action_space(self.comparisons.clips.act, actions)


def _first_obs(clips: Clips) -> Array:
    return clips[np.zeros(1, np.int64)].obs[0]


def _observation_space(obs: Array) -> spaces.Box:
    """Return the space of observations [n, *O]."""
    if obs.dtype == np.uint8:
        return spaces.Box(0, 255, obs.shape[1:], np.uint8)
    return spaces.Box(-np.inf, np.inf, obs.shape[1:], np.float32)


def _action_space(act: Array, actions: int | None) -> spaces.Space[Any]:
    """Return the space of actions [n, L, *A]."""
    if act.ndim > 2 or act.dtype.kind not in "iu":
        if actions is not None:
            raise UserError(f"actions={actions} is for discrete actions, but these actions are vectors; leave it out.")
        return spaces.Box(-np.inf, np.inf, act.shape[2:], np.float32)
    least, most = int(act.min()), int(act.max())
    if least < 0 or (actions is not None and most >= actions):
        raise UserError(
            f"the actions are whole numbers from {least} to {most}, but discrete actions count from 0"
            + ("; renumber them." if least < 0 else f" to {actions - 1 if actions else 0}; raise actions={actions}.")
        )
    return spaces.Discrete(most + 1 if actions is None else actions)


def load(
    source: Path, columns: Mapping[str, str] | None = None, one: str | None = None, minus_one: str | None = None
) -> Preferences:
    """Load the comparisons of a file (see `pairs.read`), or of a directory with a store, such as a run.

    Raises UserError if there are none.
    """
    if source.is_dir():
        if columns or one or minus_one:
            raise UserError(f"{source} is a store, which has a fixed layout; leave --columns, --one and --minus-one out.")
        if not (source / STORE).is_file():
            raise UserError(
                f"{source} holds no {STORE}; name a run directory, a folder of rlhp import, or a file of comparisons."
            )
        return _collected(source, "store of a run", _of_store(source / STORE))
    if source.suffix == ".jsonl" and is_ours(source):
        raise UserError(
            f"{source} holds answers without their clips; name the run that it comes from, or export that run to a .parquet file."
        )
    layout, read = pairs.read(source, columns, one, minus_one)
    return _collected(source, layout.words(), numbered(read))


def is_ours(file: Path) -> bool:
    """Return whether a .jsonl file is an export of `rlhp export`, which has answers without clips."""
    try:
        with file.open("rb") as content:
            line = next((line for line in content if line.strip()), b"")
    except OSError:
        return False
    return all(key in line for key in (b'"ranks"', b'"clips"', b'"answered_at"'))


def numbered(read: Iterable[pairs.Pair]) -> Iterator[_Record]:
    """Convert pairs to answered questions. The same two clips form the same question for all annotators and both orders."""
    ids: dict[frozenset[str], int] = {}
    for pair in read:
        names = digest(pair.left), digest(pair.right)
        id = ids.setdefault(frozenset(names), len(ids))
        yield Query(id, (pair.left, pair.right), 0), names, pair.answer, pair.annotator


def _of_store(store: Path) -> Iterator[_Record]:
    given = iter([label for label in labels(store) if label.round == 0 and not label.flagged])
    while chunk := list(islice(given, CHUNK)):
        clips: dict[str, Segment] = dict(segments(store, dict.fromkeys(name for label in chunk for name in label.clips)))
        for label in chunk:
            query = Query(label.query, tuple(clips[name] for name in label.clips), 0, label.kind)
            yield query, label.clips, label.answer(), label.annotator


def _collected(source: Path, layout: str, answered: Iterator[_Record]) -> Preferences:
    table, hasher = ComparisonBuilder(), blake2b(digest_size=16)
    annotator: list[str | None] = []
    unsure = 0
    while chunk := list(islice(answered, CHUNK)):
        table.extend([Answered(*each) for each in chunk])
        for _, names, answer, who in chunk:
            value = answer.ranks if answer.rating is None else answer.rating
            hasher.update(repr((tuple(names), value, who)).encode())
            unsure += answer.unsure
            annotator += [] if answer.unsure else [who]
    comparisons = table.comparisons()
    if not len(comparisons):
        raise UserError(f"{source} holds no comparison that prefers a clip or calls two equal; there is nothing to fit to.")
    return Preferences(comparisons, tuple(annotator), unsure, layout, hasher.hexdigest())
