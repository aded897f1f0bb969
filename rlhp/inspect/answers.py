"""Answers taken apart into pairs of clips, and which of them a member of the ensemble has never learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from rlhp import labels, store, train
from rlhp.store import Source
from rlhp.types import EMPTY, Array, Clips, Comparisons, Segment, UserError, stream

STORE = "preferences.sqlite"
MOST = 1500  # answers that are looked at; of more, a random part


@dataclass(frozen=True, slots=True)
class Answers:
    """n pairs of clips of which somebody has preferred the first; a ranking gives several pairs."""

    clips: Clips  # C of them, each once
    better: Array  # [n] rows of `clips`
    worse: Array  # [n]
    question: Array  # [n]
    annotator: tuple[str, ...]  # [n]
    step: Array  # [n] at which the question was asked; NaN where not known
    taken: Array  # [n] bool: r-hat was fitted to the answer, at least by some members
    ties: int  # pairs that were found equal, left out
    total: int  # answers there are, of which these are a random part

    def __len__(self) -> int:
        return len(self.better)

    def __getitem__(self, rows: Array) -> Answers:
        picked = (getattr(self, name)[rows] for name in ("better", "worse", "question"))
        who = tuple(self.annotator[i] for i in rows.tolist())
        return Answers(self.clips, *picked, who, self.step[rows], self.taken[rows], self.ties, self.total)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of each of n answers beside what it says."""

    annotator: Sequence[str | None]
    step: Array
    taken: Array
    counts: Array  # bool: somebody was asked; demonstrations answer of themselves


def of(run: Path, learned: train.Learned) -> Answers | None:
    """The answers of a run, or of the data that a fit was given; None where nobody has put clips in order."""
    if learned.data is not None and learned.fitted is not None:
        n = len(learned.data.comparisons)
        known = _Known(learned.data.annotator, np.full(n, np.nan), np.isin(np.arange(n), learned.fitted), np.ones(n, bool))
        return _pairs(learned.data.comparisons, known)
    try:
        data = labels.load(run)
    except UserError:  # nobody has been asked, or nothing was preferred
        return None
    return _pairs(data.comparisons, _stored(run / STORE))


def _stored(path: Path) -> _Known:
    """What the store knows of its answers, in the order of `labels.load`."""
    given = [label for label in store.labels(path) if label.round == 0 and label.ranks is not None]
    asked = dict(zip((clips for _, clips in store.asked(path)), (step for step, _ in store.asked(path)), strict=True))
    step = np.array([asked.get(label.clips, np.nan) for label in given], float)
    taken = np.array([label.taken_step is not None for label in given], bool)
    counts = np.array([label.source is not Source.DEMONSTRATION for label in given], bool)
    return _Known([label.annotator for label in given], step, taken, counts)


def _pairs(comparisons: Comparisons, known: _Known) -> Answers | None:
    chosen = _chosen(np.flatnonzero(known.counts))
    rows, ties = list[tuple[int, int, int]](), 0
    for row in chosen.tolist():
        there = [(clip, rank) for clip, rank in zip(comparisons.shown[row], comparisons.ranks[row], strict=True) if clip != EMPTY]
        for (one, a), (other, b) in combinations(there, 2):
            ties += bool(a == b)
            rows += [(row, one, other) if a < b else (row, other, one)] if a != b else []
    if not rows:
        return None
    row, better, worse = np.array(rows, np.int64).T
    who = tuple(known.annotator[i] or "not known" for i in row.tolist())
    about = comparisons.query[row], who, known.step[row], known.taken[row]
    return Answers(comparisons.clips, better, worse, *about, ties, int(known.counts.sum()))


def _chosen(rows: Array) -> Array:
    """At most so many rows, in order."""
    return rows if len(rows) <= MOST else np.sort(stream(0, "inspect/answers").choice(rows, MOST, replace=False))


def unseen(model: object, answers: Answers, members: int) -> Array:
    """Which pairs each member has never learned from, [M, n] bool; of models that do not tell, those that were not taken alone."""
    held_out = getattr(model, "held_out", None)
    left = np.zeros((members, len(answers)), bool) if held_out is None else held_out(answers.question)
    return left | ~answers.taken


def asked(run: Path) -> set[str]:
    """What the store calls the clips that were asked about."""
    return {name for _, clips in store.asked(run / STORE) for name in clips} if (run / STORE).is_file() else set()


def digests(clips: Sequence[Segment]) -> list[str]:
    """What a store calls these clips."""
    return [store.digest(clip) for clip in clips]
