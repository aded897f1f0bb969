"""The importance of each input to r-hat: the drop in accuracy when that input is shuffled between clips.

This is permutation importance (Breiman 2001; Fisher et al. 2019): an input keeps a consistent course over time, but from another
clip. The inputs of images are patches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from gymnasium import spaces

from rlhp.inspect.accuracy import judged
from rlhp.inspect.answers import Answers
from rlhp.inspect.estimate import Estimate, bootstrap, correlated
from rlhp.inspect.predict import Scale, of_clips
from rlhp.types import Array, Clips, ImagesAndVector, Predictor, Steps, image_axes, is_image, make_rng

REPEATS, PATCH_REPEATS = 5, 1  # permutations of each input
MOST, PATCH_MOST = 400, 100  # maximum number of pairs
GRID = 5  # patches of an image per dimension
WIDEST = 120  # maximum number of values to shuffle one by one


@dataclass(frozen=True, slots=True)
class Input:
    """A value of the observation or action, or a patch of an image."""

    name: str
    view: Callable[[Steps], Array]  # a view of the input in clips, [n, ...]


@dataclass(frozen=True, slots=True)
class Inputs:
    """All inputs of r-hat; empty, with a reason, if they are not analysed."""

    each: tuple[Input, ...]
    patches: bool = False  # of images
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Worth:
    """The importance of an input."""

    name: str
    drop: Estimate  # drop in accuracy when the input is shuffled
    alone: float  # squared correlation of r-hat with r-hat when all other inputs are shuffled; NaN for patches


def of_spaces(seen: Any, frame: Sequence[int], action: spaces.Space[Any]) -> Inputs:
    """Return the inputs of a network for observations of the space `seen`; a clip holds one of the shape `frame` per step."""
    if isinstance(seen, ImagesAndVector):
        return Inputs((), missing="observations of images and vectors are not analysed")
    if is_image(seen):
        return Inputs((*_patches(frame), *_actions(action)), patches=True)
    if np.prod(frame) > WIDEST:
        return Inputs((), missing=f"observations of {int(np.prod(frame))} values are too large to shuffle one by one")
    return Inputs((*_numbers("obs", frame, lambda steps: steps.obs), *_actions(action)))


def _actions(space: spaces.Space[Any]) -> list[Input]:
    """Return the values of an action, or the whole action as one input."""
    if not space.shape or np.prod(space.shape) > WIDEST:
        return [Input("action", lambda steps: steps.act)]
    return _numbers("action", space.shape, lambda steps: steps.act)


def _numbers(name: str, shape: Sequence[int], of: Callable[[Steps], Array]) -> list[Input]:
    indices = [*np.ndindex(*shape)]
    views = [lambda steps, index=index: of(steps)[(slice(None), slice(None), *index)] for index in indices]
    return [Input(f"{name}[{', '.join(map(str, index))}]", view) for index, view in zip(indices, views, strict=True)]


def _patches(frame: Sequence[int]) -> list[Input]:
    """Return GRID x GRID patches of an image, row by row."""
    down, right = sorted(image_axes(frame))
    rows, columns = (np.linspace(0, frame[axis], GRID + 1).round().astype(int) for axis in (down, right))
    found = []
    for i, j in product(range(GRID), range(GRID)):
        place = [slice(None)] * (2 + len(frame))
        place[2 + down], place[2 + right] = slice(rows[i], rows[i + 1]), slice(columns[j], columns[j + 1])
        found.append(Input(f"patch {i + 1}, {j + 1}", lambda steps, place=tuple(place): steps.obs[place]))
    return found


@dataclass(frozen=True, slots=True)
class _Judge:
    """Predicts the same answers repeatedly with changed clips."""

    model: Predictor
    scale: Scale
    pairs: Answers  # n pairs, which use all of the clips
    unseen: Array  # [M, n]
    steps: Steps  # the unchanged clips
    before: Array  # [M, C, L] the members' rewards of the unchanged clips
    right: Array  # [n]

    def lost(self, steps: Steps) -> Array:
        """Return, for each pair, 1 if the changed clips make a correct prediction wrong, -1 for the reverse, else 0: [n]."""
        raw = of_clips(self.model, _clips(steps))
        return self.right - judged(self.pairs, raw, self.scale(raw), self.unseen).right

    def left(self, steps: Steps) -> float:
        """Return the squared correlation of r-hat on changed clips with r-hat on the unchanged ones."""
        after = self.scale(of_clips(self.model, _clips(steps)))
        r = correlated(self.before.mean(axis=0).ravel(), after.mean(axis=0).ravel())
        return r**2 if np.isfinite(r) else 0.0


def worth(model: Predictor, answers: Answers, unseen: Array, scale: Scale, inputs: Inputs) -> list[Worth]:
    """Return the importance of each input on held-out pairs (`unseen` [M, n]); empty if no pairs are held out."""
    if not unseen.any():
        return []
    judge = _judge(model, answers, unseen, scale, PATCH_MOST if inputs.patches else MOST)
    return [_worth(judge, inputs, k) for k in range(len(inputs.each))]


def _judge(model: Predictor, answers: Answers, unseen: Array, scale: Scale, most: int) -> _Judge:
    rows = np.flatnonzero(unseen.any(axis=0))
    rows = np.sort(make_rng(0, "inspect/inputs").choice(rows, min(most, len(rows)), replace=False))
    used, place = np.unique(np.stack([answers.better[rows], answers.worse[rows]]), return_inverse=True)
    steps, pairs = answers.clips[used], answers[rows]
    better, worse = place.reshape(2, -1)
    pairs = replace(pairs, clips=_clips(steps), better=better, worse=worse)
    raw = of_clips(model, pairs.clips)
    scaled = scale(raw)
    return _Judge(model, scale, pairs, unseen[:, rows], steps, scaled, judged(pairs, raw, scaled, unseen[:, rows]).right)


def _worth(judge: _Judge, inputs: Inputs, k: int) -> Worth:
    this, repeats = inputs.each[k], PATCH_REPEATS if inputs.patches else REPEATS
    lost = [judge.lost(_shuffled(judge.steps, [this], make_rng(0, "inspect/one", k, repeat))) for repeat in range(repeats)]
    drop = np.mean(lost, axis=0)
    estimate = bootstrap(lambda rows: float(drop[rows].mean()), len(drop), judge.pairs.question)
    if inputs.patches:
        return Worth(this.name, estimate, float("nan"))
    others = [other for i, other in enumerate(inputs.each) if i != k]
    return Worth(this.name, estimate, judge.left(_shuffled(judge.steps, others, make_rng(0, "inspect/others"))))


def _shuffled(steps: Steps, inputs: Sequence[Input], rng: np.random.Generator) -> Steps:
    """Return clips in which each of the inputs is taken from another clip."""
    changed = Steps(steps.obs.copy(), steps.act.copy(), steps.true_reward)
    for part in inputs:
        view = part.view(changed)
        view[...] = view[rng.permutation(len(view))]
    return changed


def _clips(steps: Steps) -> Clips:
    return Clips(steps.obs, steps.act, steps.true_reward)
