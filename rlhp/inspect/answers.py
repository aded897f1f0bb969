"""Answers as pairs of clips, and which of them are held out from each ensemble member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from rlhp import answers, store, train
from rlhp.store import Source
from rlhp.types import EMPTY, Array, Clips, Comparisons, Segment, make_rng

STORE = "preferences.sqlite"
MOST = 1500  # maximum number of answers used; a random subset of more
PARTNERS = 2  # number of clips that each rated clip is paired with


@dataclass(frozen=True, slots=True)
class Answers:
    """n pairs of clips of which an annotator prefers the first.

    A ranking gives several pairs. Rated clips give pairs of two clips that the same annotator rates differently.
    """

    clips: Clips  # C unique clips
    better: Array  # [n] indices of `clips`
    worse: Array  # [n]
    question: Array  # [n]
    other: Array  # [n] the question about the second clip if clips are rated; else the same as `question`
    annotator: tuple[str, ...]  # [n]
    step: Array  # [n] step at which the question was asked; NaN if unknown
    taken: Array  # [n] bool: at least some members of r-hat were fitted to the answer
    ties: int  # number of pairs called equal, which are left out
    total: int  # number of answers from which these are sampled

    def __len__(self) -> int:
        return len(self.better)

    def __getitem__(self, rows: Array) -> Answers:
        who = tuple(self.annotator[i] for i in rows.tolist())
        arrays = {name: getattr(self, name)[rows] for name in ("better", "worse", "question", "other", "step", "taken")}
        return replace(self, annotator=who, **arrays)


@dataclass(frozen=True, slots=True)
class _Known:
    """Metadata of n answers."""

    annotator: Sequence[str | None]
    step: Array
    taken: Array
    counts: Array  # bool: given by an annotator, not implied by a demonstration


def of_run(run: Path, learned: train.Learned) -> Answers | None:
    """Return the answers of a run, or of the data that a fit used; None if there are no answers that order clips."""
    if learned.data is not None and learned.fitted is not None:
        n = len(learned.data.comparisons)
        known = _Known(learned.data.annotator, np.full(n, np.nan), np.isin(np.arange(n), learned.fitted), np.ones(n, bool))
        return _pairs(learned.data.comparisons, known)
    if not any(map(_is_judgement, _stored(run))):
        return None
    data = answers.load(run)
    return _pairs(data.comparisons, _known(run, data, learned.step))


def _stored(run: Path) -> list[store.Label]:
    return store.labels(run / STORE) if (run / STORE).is_file() else []


def _is_judgement(label: store.Label) -> bool:
    """Return whether a label is a judgement that an annotator gave and has not flagged as a mistake."""
    return not (label.round or label.flagged or label.answer().unsure or label.source is Source.DEMONSTRATION)


def _known(run: Path, data: answers.Preferences, step: int) -> _Known:
    """Read the metadata of answers from the store. r-hat was fitted to those that were taken by `step`.

    Answers may be added or withdrawn meanwhile; an answer that is no longer in the store does not count.
    """
    present: dict[tuple[int, str | None], store.Label] = {
        (label.query, label.annotator): label for label in _stored(run) if not label.round
    }
    asked = {clips: at for at, clips in store.asked(run / STORE)}
    given = [present.get(key) for key in zip(data.comparisons.query.tolist(), data.annotator, strict=True)]
    at = np.array([np.nan if label is None else asked.get(label.clips, np.nan) for label in given], float)
    taken = [label is not None and label.taken_step is not None and label.taken_step <= step for label in given]
    return _Known(
        data.annotator, at, np.array(taken, bool), np.array([label is not None and _is_judgement(label) for label in given])
    )


def _pairs(comparisons: Comparisons, known: _Known) -> Answers | None:
    chosen = _chosen(np.flatnonzero(known.counts))
    ranked, ties = _ranked(comparisons, chosen)
    rows = ranked + _rated(comparisons, known, chosen)
    if not rows:
        return None
    row, second, better, worse = np.array(rows, np.int64).T
    who = tuple(known.annotator[i] or "unknown" for i in row.tolist())
    questions = comparisons.query[row], comparisons.query[second]
    taken = known.taken[row] | known.taken[second]
    return Answers(comparisons.clips, better, worse, *questions, who, known.step[row], taken, ties, int(known.counts.sum()))


_Pair = tuple[int, int, int, int]  # the answer, the answer about the second clip, the better clip, the worse clip


def _ranked(comparisons: Comparisons, rows: Array) -> tuple[list[_Pair], int]:
    """Return the pairs of clips that answers rank, and the number of pairs they call equal."""
    found, ties = list[_Pair](), 0
    for row in rows.tolist():
        present = [
            (clip, rank) for clip, rank in zip(comparisons.shown[row], comparisons.ranks[row], strict=True) if clip != EMPTY
        ]
        for (one, a), (other, b) in combinations(present, 2):
            ties += bool(a == b)
            found += [(row, row, one, other) if a < b else (row, row, other, one)] if a != b else []
    return found, ties


def _rated(comparisons: Comparisons, known: _Known, rows: Array) -> list[_Pair]:
    """Pair rated clips of the same annotator, each clip in up to PARTNERS pairs. Pairs with equal ratings are left out."""
    waiting, found = dict[str | None, int](), list[_Pair]()
    rated, rng = rows[np.isfinite(comparisons.rating[rows])], make_rng(0, "inspect/ratings")
    for row in (row for _ in range(PARTNERS) for row in rng.permutation(rated).tolist()):
        first = waiting.pop(known.annotator[row], None)
        if first is None:
            waiting[known.annotator[row]] = row
            continue
        low, high = sorted((first, row), key=lambda one: comparisons.rating[one])
        if comparisons.rating[low] < comparisons.rating[high]:
            found.append((high, low, int(comparisons.shown[high, 0]), int(comparisons.shown[low, 0])))
    return found


def _chosen(rows: Array) -> Array:
    """Return at most MOST of the rows, in order."""
    return rows if len(rows) <= MOST else np.sort(make_rng(0, "inspect/answers").choice(rows, MOST, replace=False))


def unseen(model: object, answers: Answers, members: int) -> Array:
    """Return which pairs each member was not fitted to, [M, n] bool; for models without `held_out`, those that were not taken."""
    held_out = getattr(model, "held_out", None)
    if held_out is None:
        return np.zeros((members, len(answers)), bool) | ~answers.taken
    return held_out(answers.question) & held_out(answers.other) | ~answers.taken


def unseen_clips(answers: Answers, unseen: Array) -> Array:
    """Return which `unseen` [M, n] pairs consist of clips that the member has not seen in other answers either, [M, n] bool."""
    new = np.ones((len(unseen), len(answers.clips)), bool)
    for k, hidden in enumerate(unseen):
        new[k, np.concatenate([answers.better[~hidden], answers.worse[~hidden]])] = False
    return unseen & new[:, answers.better] & new[:, answers.worse]


def asked(run: Path) -> set[str]:
    """Return the digests of the clips that were asked about."""
    return {name for _, clips in store.asked(run / STORE) for name in clips} if (run / STORE).is_file() else set()


def digests(clips: Sequence[Segment]) -> list[str]:
    """Return the digests of clips."""
    return [store.digest(clip) for clip in clips]
