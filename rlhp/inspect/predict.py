"""What the members of an ensemble say of clips, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rlhp.types import Array, Clips, Predictor, Segment, Steps, stack

CHUNK = 64  # clips that are predicted at a time


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and spread of each member over labelled steps, by which members are made comparable; [M, 1, 1] each."""

    mean: Array
    std: Array

    def __call__(self, raw: Array) -> Array:
        """Members' rewards [M, n, L] in units of their spread."""
        return (raw - self.mean) / self.std


def scale_of(raw: Array) -> Scale:
    """The scale at which rewards [M, n, L] have mean 0 and spread 1; a member that does not vary stays flat."""
    std = raw.std(axis=(1, 2), keepdims=True)
    return Scale(raw.mean(axis=(1, 2), keepdims=True), np.where(std > flat(raw), std, 1.0))


def flat(raw: Array) -> Array:
    """Below which spread members' rewards [M, n, L] do not vary, but for rounding: [M, 1, 1]."""
    return 1e-5 * np.abs(raw).max(axis=(1, 2), keepdims=True) + 1e-12


def of_clips(model: Predictor, clips: Clips) -> Array:
    """[M, C, L], uncalibrated: as the preference model sums them."""
    return of_steps(model, (clips[slice(i, i + CHUNK)] for i in range(0, len(clips), CHUNK)))


def of_segments(model: Predictor, segments: Sequence[Segment]) -> Array:
    """[M, n, L], uncalibrated; of at least one segment, all of one length."""
    return of_steps(model, (stack(segments[i : i + CHUNK]) for i in range(0, len(segments), CHUNK)))


def of_steps(model: Predictor, parts: Iterable[Steps]) -> Array:
    """The members apart on clips that come in parts."""
    return np.concatenate([model.predict_members(steps).astype(np.float64) for steps in parts], axis=1)
