"""Read comparisons from files of other projects, row by row: two segments, the answer, and the annotator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlhp.answers.columns import opened
from rlhp.answers.layouts import Layout, find
from rlhp.types import Answer, Array, Segment, UserError

RANKS = {1.0: (0, 1), 0.0: (1, 0), 0.5: (0, 0)}  # P[the first is preferred] -> ranks
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison. If rewards are unknown, the segments' true reward is NaN."""

    left: Segment
    right: Segment
    answer: Answer
    annotator: str | None  # None: unknown


def read(
    path: Path, columns: Mapping[str, str] | None = None, one: str | None = None, minus_one: str | None = None
) -> tuple[Layout, Iterator[Pair]]:
    """Return the layout of a file (see `layouts.find`), and its comparisons in order.

    A segment is `obs` [L, *O] and `act` [L, *A], or [L] for whole-number actions; all have the same shape. Images are uint8;
    a file of `rlhp export` may hold H earlier frames first. Raises UserError with the row number for differing lengths or sizes,
    numbers that are not finite, and invalid labels.
    """
    file = opened(path)
    layout = find(file.names, columns or {}, one, minus_one, path)
    return layout, _pairs(file.rows([*layout.columns.values()]), layout)


def _pairs(rows: Iterator[tuple[str, dict[str, Any]]], layout: Layout) -> Iterator[Pair]:
    expected: tuple[Any, ...] | None = None
    for where, values in rows:
        row = {role: values[column] for role, column in layout.columns.items()}
        left, right = (_segment(row, side, layout, where) for side in ("left", "right"))
        for side, segment in (("left", left), ("right", right)):
            kind = _kind(segment)
            expected = expected or kind
            if kind != expected:
                raise UserError(
                    f"{where}: {layout.columns[f'{side}.obs']} has {_words(kind)}, but the segments before it have "
                    f"{_words(expected)}; make all segments equal in length and size."
                )
        who = row.get("annotator")
        yield Pair(left, right, _answer(row["label"], layout, where), None if who is None else str(who))


def _kind(segment: Segment) -> tuple[Any, ...]:
    return len(segment), len(segment.obs), segment.obs.shape[1:], segment.act.shape[1:], segment.act.dtype.kind


def _words(kind: tuple[Any, ...]) -> str:
    length, _, obs, act, number = kind
    return f"{length} steps of observations {obs} and {'whole-number ' if number == 'i' else ''}actions {act}"


def _segment(row: Mapping[str, Any], side: str, layout: Layout, where: str) -> Segment:
    names = {what: layout.columns.get(f"{side}.{what}", "") for what in ("obs", "act", "reward")}
    obs = _observations(_array(row[f"{side}.obs"], names["obs"], where))
    act = _actions(_array(row[f"{side}.act"], names["act"], where))
    earlier = len(obs) - len(act)
    if len(act) < 1 or earlier < 0 or (earlier and obs.dtype != np.uint8):
        raise UserError(
            f"{where}: {names['obs']} has {len(obs)} observations and {names['act']} {len(act)} actions; give one observation "
            "per action, the one before it."
        )
    reward = np.full(len(act), np.nan, np.float32)
    if names["reward"]:
        reward = _array(row[f"{side}.reward"], names["reward"], where).astype(np.float32).reshape(-1)
        if len(reward) != len(act):
            raise UserError(f"{where}: {names['reward']} has {len(reward)} rewards for {len(act)} actions; give one per action.")
    return Segment(obs, act, reward, None)


def _array(value: Any, name: str, where: str) -> Array:
    """Convert a value to an array whose first axis is time."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of several lengths
        raise UserError(f"{where}: the steps of {name} differ in size; give each the same number of values.") from error
    if array.dtype.kind not in "fiub" or array.ndim < 1:
        raise UserError(f"{where}: {name} does not hold numbers; give a list of steps.")
    if array.dtype.kind == "f" and not (np.abs(array) <= LARGEST).all():
        step = int(np.argwhere(~(np.abs(array) <= LARGEST))[0][0])
        raise UserError(f"{where}: {name} is not finite at step {step}; remove or correct that comparison.")
    return array


def _observations(obs: Array) -> Array:
    """Convert observations: images to uint8, all others to float32; a scalar becomes a vector of length one."""
    if obs.ndim == 1:
        obs = obs[:, np.newaxis]
    image = obs.ndim > 2 and obs.dtype.kind in "iu" and obs.size > 0 and obs.min() >= 0 and obs.max() <= 255
    return np.ascontiguousarray(obs, np.uint8 if image else np.float32)


def _actions(act: Array) -> Array:
    """Convert actions: one whole number per step is a discrete action; all others become float32."""
    if act.dtype.kind in "iub" and act.reshape(len(act), -1).shape[1:] == (1,):
        return np.ascontiguousarray(act.reshape(len(act)), np.int64)
    return np.ascontiguousarray(act[:, np.newaxis] if act.ndim == 1 else act, np.float32)


def _answer(label: Any, layout: Layout, where: str) -> Answer:
    """Convert a label to an answer; None (null) means 'cannot tell'."""
    if label is None:
        return Answer(None)
    try:
        values = [float(each) for each in np.atleast_1d(label)]
    except (TypeError, ValueError):
        values = []
    if len(values) == 2 and sum(values) == 1 and values[0] in RANKS:
        return Answer(RANKS[values[0]])
    if len(values) == 1:
        return _single(values[0], layout, where)
    raise UserError(
        f"{where}: the label {_shown(label)} is neither a number nor two that add up to 1; give 1, 0 or 0.5, or one-hot."
    )


def _single(value: float, layout: Layout, where: str) -> Answer:
    if value == -1 and layout.minus_one is not None:
        return Answer((0, 0) if layout.minus_one == "equal" else None)
    if value not in RANKS:
        more = ", or define -1 with --minus-one equal or --minus-one unsure" if value == -1 else ""
        raise UserError(f"{where}: the label {value:g} is not one of 1, 0 and 0.5; correct it{more}.")
    if layout.one is None and value != 0.5:
        raise UserError(
            f"{where}: it is not known which segment a label of {value:g} prefers; give --one left or --one right, the segment "
            "that a label of 1 prefers."
        )
    return Answer(RANKS[value if layout.one != "right" else 1 - value])


def _shown(label: Any) -> str:
    return " ".join(str(label).split())[:60]
