"""Records of queries, of their answers, and of the data set that they make.

Shapes: K segments of a query, C segments of a data set, n answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from itertools import combinations

import numpy as np

from rlhp.types.basics import Array
from rlhp.types.clips import Clips, Segment
from rlhp.types.rollouts import Behaviour, Transitions

EMPTY = -1  # padding in a row of `Comparisons` with fewer than K segments


@dataclass(frozen=True, slots=True)
class Query:
    """A query about K segments: to put them in order, or to rate a single one."""

    id: int
    clips: tuple[Segment, ...]
    asked_step: int
    kind: str = "comparison"  # one of `rlhp.feedback.KINDS`


@dataclass(frozen=True, slots=True)
class Answer:
    """A weak ordering of K segments, or a rating of one; with neither, the answer is 'cannot tell'. Raises ValueError for both.

    `ranks`: one per segment, lower is better, equal ranks are ties. For K = 2, (0, 1) prefers the left, (1, 0) the right, and
    (0, 0) means equal; in a graded comparison (0, 2) means that the left is much better. `rating`: from 0 to 1, higher is
    better; for the query kind `good_bad`, 1 is good and 0 is bad. `by`: the annotator, if a teacher returns answers of several.
    """

    ranks: tuple[int, ...] | None
    rating: float | None = None
    by: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.ranks is not None and self.rating is not None:
            raise ValueError("an answer ranks several clips or rates one, not both")

    @property
    def unsure(self) -> bool:
        """Whether the answer is 'cannot tell'."""
        return self.ranks is None and self.rating is None

    def reversed(self) -> Answer:
        """The same answer for the segments in reverse order."""
        return replace(self, ranks=None if self.ranks is None else self.ranks[::-1])

    def pairs(self) -> list[tuple[int, int, float]]:
        """All K(K-1)/2 pairs (i, j, mu) with mu = P[i is better]: 1, 0 or 1/2; none for a rating and for 'cannot tell'.

        A ranking of K segments counts once, so each of its pairs weighs 1 / C(K, 2) (Ouyang et al. 2022, section 3.5).
        """
        if self.ranks is None:
            return []
        return [(i, j, float((a < b) + 0.5 * (a == b))) for (i, a), (j, b) in combinations(enumerate(self.ranks), 2)]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A query of an earlier run and the answers that the run used; no answers if none came in time."""

    clips: tuple[str, ...]  # digests of the segments' content
    answers: tuple[tuple[int, Answer], ...]  # each with the step of its first use, in the order of use


def _default_column() -> Array:
    """A placeholder for a column of `Comparisons`, which is filled with its default."""
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The data set D of the paper (section 2.2.3): all answers that rank or rate segments. A ranking of K segments is one row.

    Queries may differ in their number of segments: K is the largest, and shorter rows are padded with EMPTY. A rating is a row
    with a single segment, compared with what its annotator considers average.
    """

    clips: Clips  # each segment once, even if several queries show it
    shown: Array  # [n, K]  indices of the query's segments; EMPTY beyond the last
    ranks: Array  # [n, K]  lower is better, equal ranks are ties; 0 for a rated segment; EMPTY beyond the last
    query: Array  # [n]  id of the query, which determines an ensemble's bootstrap weights
    always_kept: Array  # [n]  bool: used at any age, even if only the newest answers are used otherwise
    rating: Array = field(default_factory=_default_column)  # [n]  from 0 to 1; NaN, the default, for ranked segments
    annotator: Array = field(default_factory=_default_column)  # [n]  an integer for each annotator; 0 by default
    flagged: Array = field(default_factory=_default_column)  # [n]  bool: retracted by its annotator, not used; False by default

    def __post_init__(self) -> None:
        for name, default in (("rating", np.nan), ("annotator", 0), ("flagged", False)):
            if len(getattr(self, name)) != len(self) or len(self) == 0:
                object.__setattr__(self, name, np.full(len(self), default))

    def __len__(self) -> int:
        return len(self.query)

    def decided(self) -> Array:
        """Whether each answer states a preference, or a rating other than 0.5, and is not flagged: [n] bool."""
        ranked = ((self.ranks != self.ranks[:, :1]) & (self.shown != EMPTY)).any(axis=1)
        rated = ~np.isnan(self.rating) & (self.rating != 0.5)
        return (ranked | rated) & ~self.flagged

    def rows(self, rows: Array | slice) -> Comparisons:
        """Select answers; all segments are kept, even those that none of them shows."""
        return Comparisons(self.clips, *(getattr(self, name)[rows] for name in _COLUMNS))

    def after(self, clips: int, rows: int) -> Comparisons:
        """Drop the first `clips` segments and the first `rows` rows; indices in `shown` still count from the first segment."""
        return replace(self.rows(slice(rows, None)), clips=self.clips.after(clips))

    def joined(self, more: Comparisons) -> Comparisons:
        """Append what `after` returned. Returns itself if that is empty, so that a model can see that nothing is new."""
        if len(more) == 0:
            return self
        width = max(self.shown.shape[1], more.shown.shape[1])
        one, two = ({name: getattr(part, name) for name in _COLUMNS} for part in (self, more))
        for part in (one, two):
            part |= {name: widened(part[name], width) for name in ("shown", "ranks")}
        return Comparisons(self.clips.joined(more.clips), *(np.concatenate([one[name], two[name]]) for name in _COLUMNS))

    def marked(self, flagged: Array) -> Comparisons:
        """Set `flagged` [n] bool; returns itself if nothing changes."""
        return self if np.array_equal(flagged, self.flagged) else replace(self, flagged=flagged)


_COLUMNS = tuple(each.name for each in fields(Comparisons) if each.name != "clips")


def widened(rows: Array, width: int) -> Array:
    """Pad rows [n, K] with EMPTY columns to [n, `width`], K <= `width`."""
    missing = width - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing)), constant_values=EMPTY) if missing else rows


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a reward model is fitted to."""

    comparisons: Comparisons
    behaviour: Behaviour | None = None  # None: the reward model does not use it
    demonstrations: Transitions | None = None  # None: there are none
