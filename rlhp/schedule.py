"""Schedules: the total number of labels, and of the reward model's gradient steps, by an environment step.

Schedules return levels, not increments: they can be read any number of times, and right after a resume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rlhp.types import Schedule, UserError


@dataclass(frozen=True, slots=True)
class Annealed:
    """Labels at a rate that falls as c / (T + c) (section 2.2.1, appendix A): many early, fewer as the policy converges.

    The integral of that rate is N(T) = n0 + (N - n0) * ln(1 + T/c) / ln(1 + T_end/c), at most N. Steps are environment steps.
    `c` defaults to a tenth of `total_steps`, as in both of the paper's domains, so a shorter run keeps the shape.
    Raises UserError for values out of range.
    """

    labels: int
    total_steps: int
    initial: float = 0.25  # fraction asked about the untrained policy (appendix A.1)
    c: float | None = None
    first: int | None = None  # a number instead of that fraction: the paper's 500 on Atari (appendix A.2)

    def __post_init__(self) -> None:
        _check(self.labels, self.total_steps, self.initial, self.first)
        if self.c is not None and not self.c > 0:
            raise UserError(f"schedule.c is {self.c}, but it is a number of steps: give more than 0, or null.")

    def __call__(self, step: int) -> int:
        """The number of labels by `step`."""
        c = self.total_steps / 10 if self.c is None else self.c
        share = math.log1p(step / c) / math.log1p(self.total_steps / c)
        return _between(_initial(self.labels, self.initial, self.first), self.labels, share)


@dataclass(frozen=True, slots=True)
class Constant:
    """Labels at a constant rate after the initial ones. Raises UserError for values out of range."""

    labels: int
    total_steps: int
    initial: float = 0.25
    first: int | None = None

    def __post_init__(self) -> None:
        _check(self.labels, self.total_steps, self.initial, self.first)

    def __call__(self, step: int) -> int:
        """The number of labels by `step`."""
        return _between(_initial(self.labels, self.initial, self.first), self.labels, step / self.total_steps)


@dataclass(frozen=True, slots=True)
class Upfront:
    """All labels before training: the paper's "no online queries" (section 3.3). Raises UserError for a negative number."""

    labels: int

    def __post_init__(self) -> None:
        _check(self.labels)

    def __call__(self, step: int) -> int:
        """The number of labels by `step`."""
        return self.labels


class ExtendableSchedule:
    """A schedule whose total can increase during the run.

    `added` are pairs (step, number): at that step, `number` labels were added. They are distributed over the rest of the run as
    the schedule distributes its own labels, or all at once if it has none left. The level before that step does not change, so
    a run that resumes from an earlier step asks the same queries again.
    """

    def __init__(self, base: Schedule, total_steps: int, added: tuple[tuple[int, int], ...] = ()) -> None:
        self.base, self._total_steps, self.added = base, total_steps, added

    def __call__(self, step: int) -> int:
        """The number of labels by `step`."""
        return self.base(step) + sum(math.floor(number * self._share(step, since) + 0.5) for since, number in self.added)

    def _share(self, step: int, since: int) -> float:
        """The fraction by `step` of the labels that were added at the step `since`."""
        if step < since:
            return 0.0
        before, end = self.base(since), self.base(self._total_steps)
        return min((self.base(step) - before) / (end - before), 1.0) if end > before else 1.0


@dataclass(frozen=True, slots=True)
class NoLabels:
    """No labels, for a run on the true reward."""

    def __call__(self, step: int) -> int:
        """The number of labels by `step`: 0."""
        return 0


@dataclass(frozen=True, slots=True)
class GradientStepsPerStep:
    """Gradient steps of the reward model: a first fit after the initial labels, then `per_1000_steps` per 1000 environment steps.

    The first fit takes `first_per_1000_steps` for each 1000 of `total_steps`, so that a shorter run keeps the shape and spends
    no larger part of its time on it. There are no gradient steps before the first label. The paper gives no number (rl-teacher:
    first 10 000, then about ten per 1000 steps). Raises UserError for values out of range.
    """

    total_steps: int
    first_per_1000_steps: float
    per_1000_steps: float

    def __post_init__(self) -> None:
        if not all(0 <= rate < math.inf for rate in (self.first_per_1000_steps, self.per_1000_steps)):
            raise UserError(f"training_schedule is {self}, but gradient steps must be finite and at least 0: give such numbers.")
        if self.total_steps < 1:
            raise UserError(f"training_schedule.total_steps is {self.total_steps}: give at least 1 environment step.")

    def __call__(self, step: int, labels: int) -> int:
        """The number of gradient steps by `step`, given the labels used."""
        steps = math.ceil(self.total_steps * self.first_per_1000_steps / 1000) + math.floor(step * self.per_1000_steps / 1000)
        return steps if labels > 0 else 0


@dataclass(frozen=True, slots=True)
class SteadyGradientSteps:
    """Gradient steps of a reward model that learns from behaviour: `per_1000_steps` per 1000 environment steps.

    The number of labels does not matter. Raises UserError for a rate out of range.
    """

    per_1000_steps: float

    def __post_init__(self) -> None:
        if not 0 <= self.per_1000_steps < math.inf:
            raise UserError(f"training_schedule.per_1000_steps is {self.per_1000_steps}: give a number of at least 0.")

    def __call__(self, step: int, labels: int) -> int:
        """The number of gradient steps by `step`."""
        return math.floor(step * self.per_1000_steps / 1000)


def steady_gradient_steps(per_1000_steps: float, **of_labels: float) -> SteadyGradientSteps:
    """Build `SteadyGradientSteps` from the settings of `GradientStepsPerStep`; those of the first fit are ignored."""
    return SteadyGradientSteps(per_1000_steps)


def _check(labels: int, total_steps: int = 1, initial: float = 0.0, first: int | None = None) -> None:
    if labels < 0:
        raise UserError(f"schedule.labels is {labels}: give 0 or more.")
    if total_steps < 1:
        raise UserError(f"schedule.total_steps is {total_steps}: give at least 1 environment step.")
    if not 0 <= initial <= 1:
        raise UserError(f"schedule.initial is {initial}, but it is a fraction of the labels: give a number from 0 to 1.")
    if first is not None and first < 0:
        raise UserError(f"first_labels is {first}: give 0 or more, or null for a fraction of the labels.")


def _initial(labels: int, share: float, first: int | None) -> int:
    """n0: `first`, but at most half of all labels, or else the share rounded half up: 88, 175 and 350 of 350, 700 and 1400."""
    return math.floor(labels * share + 0.5) if first is None else min(first, labels // 2)


def _between(first: int, last: int, share: float) -> int:
    """Interpolate between the first and the last label, at most the last."""
    return min(last, math.floor(first + (last - first) * share + 0.5))
