"""Predict the rewards of clips with each ensemble member, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rlhp.types import Array, Clips, Predictor, Segment, Steps, stack

CHUNK = 64  # clips per prediction


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of each member over labelled steps, [M, 1, 1] each, to make members comparable."""

    mean: Array
    std: Array

    def __call__(self, raw: Array) -> Array:
        """Standardise members' rewards [M, n, L]."""
        return (raw - self.mean) / self.std


def scale_of(raw: Array) -> Scale:
    """Return the scale that gives rewards [M, n, L] mean 0 and standard deviation 1; a constant member stays constant."""
    std = raw.std(axis=(1, 2), keepdims=True)
    return Scale(raw.mean(axis=(1, 2), keepdims=True), np.where(std > flat(raw), std, 1.0))


def flat(raw: Array) -> Array:
    """Return the standard deviation below which rewards [M, n, L] are constant up to rounding: [M, 1, 1]."""
    return 1e-5 * np.abs(raw).max(axis=(1, 2), keepdims=True) + 1e-12


def of_clips(model: Predictor, clips: Clips) -> Array:
    """Return uncalibrated rewards [M, C, L], as the preference model sums them."""
    return of_steps(model, (clips[slice(i, i + CHUNK)] for i in range(0, len(clips), CHUNK)))


def of_segments(model: Predictor, segments: Sequence[Segment]) -> Array:
    """Return uncalibrated rewards [M, n, L] of one or more segments of equal length."""
    return of_steps(model, (stack(segments[i : i + CHUNK]) for i in range(0, len(segments), CHUNK)))


def of_steps(model: Predictor, parts: Iterable[Steps]) -> Array:
    """Return each member's rewards of clips that come in parts."""
    return np.concatenate([model.predict_members(steps).astype(np.float64) for steps in parts], axis=1)
