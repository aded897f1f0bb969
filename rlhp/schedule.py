"""How many labels, and how many gradient steps of the reward model, are wanted by a step.

All of them are levels, not increments: the same question has the same answer however often it is asked, and right after a resume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rlhp.types import Schedule, UserError


@dataclass(frozen=True, slots=True)
class Annealed:
    """Labels at a rate that falls like c / (T + c) (section 2.2.1, appendix A): many early, fewer as the policy settles.

    The sum of that rate: N(T) = n0 + (N - n0) * ln(1 + T/c) / ln(1 + T_end/c), never more than N. Steps are environment steps.
    `c` None: a tenth of `total_steps`, as in both of the paper's domains, so a shortened run keeps the shape.
    Raises UserError for values out of range.
    """

    labels: int
    total_steps: int
    initial: float = 0.25  # share asked about the untrained policy (appendix A.1)
    c: float | None = None
    first: int | None = None  # in place of the share, a number: the paper's 500 on Atari (appendix A.2)

    def __post_init__(self) -> None:
        _check(self.labels, self.total_steps, self.initial, self.first)
        if self.c is not None and not self.c > 0:
            raise UserError(f"schedule.c is {self.c}, but it is a number of steps: give more than 0, or null.")

    def __call__(self, step: int) -> int:
        """Labels wanted by `step`."""
        c = self.total_steps / 10 if self.c is None else self.c
        share = math.log1p(step / c) / math.log1p(self.total_steps / c)
        return _between(_initial(self.labels, self.initial, self.first), self.labels, share)


@dataclass(frozen=True, slots=True)
class Constant:
    """Labels at a constant rate after the initial share; raises UserError for values out of range."""

    labels: int
    total_steps: int
    initial: float = 0.25
    first: int | None = None

    def __post_init__(self) -> None:
        _check(self.labels, self.total_steps, self.initial, self.first)

    def __call__(self, step: int) -> int:
        """Labels wanted by `step`."""
        return _between(_initial(self.labels, self.initial, self.first), self.labels, step / self.total_steps)


@dataclass(frozen=True, slots=True)
class Upfront:
    """All labels before training: the paper's "no online queries" (section 3.3); raises UserError for a negative number."""

    labels: int

    def __post_init__(self) -> None:
        _check(self.labels)

    def __call__(self, step: int) -> int:
        """Labels wanted by `step`."""
        return self.labels


class ExtendableSchedule:
    """A schedule whose total may grow while the run goes on.

    `added` are (step, number): from that step on so many more labels are wanted. They are spread over the rest of the run as the
    schedule spreads its own, all at once where it asks for none any more. What is wanted up to that step does not change, so
    that a run which resumes before it asks the same again.
    """

    def __init__(self, base: Schedule, total_steps: int, added: tuple[tuple[int, int], ...] = ()) -> None:
        self.base, self._total_steps, self.added = base, total_steps, added

    def __call__(self, step: int) -> int:
        """Labels wanted by `step`."""
        return self.base(step) + sum(math.floor(number * self._share(step, since) + 0.5) for since, number in self.added)

    def _share(self, step: int, since: int) -> float:
        """Of what was added at the step `since`."""
        if step < since:
            return 0.0
        before, end = self.base(since), self.base(self._total_steps)
        return min((self.base(step) - before) / (end - before), 1.0) if end > before else 1.0


@dataclass(frozen=True, slots=True)
class NoLabels:
    """No labels at all: what a run on the true reward wants."""

    def __call__(self, step: int) -> int:
        """Labels wanted by `step`."""
        return 0


@dataclass(frozen=True, slots=True)
class GradientStepsPerStep:
    """Gradient steps of the reward model: so many per 1000 environment steps, and when the initial labels are in, the first fit.

    The first fit takes `first_per_1000_steps` for each 1000 of `total_steps`, so that a shortened run keeps the shape and spends
    no greater part of its time on it. No steps while no label is taken. The paper gives no number (rl-teacher: 10 000 first,
    then about ten per 1000 steps). Raises UserError for values out of range.
    """

    total_steps: int
    first_per_1000_steps: float
    per_1000_steps: float

    def __post_init__(self) -> None:
        if not all(0 <= rate < math.inf for rate in (self.first_per_1000_steps, self.per_1000_steps)):
            raise UserError(
                f"training_schedule is {self}, but gradient steps cannot be negative or endless: give numbers from 0 up."
            )
        if self.total_steps < 1:
            raise UserError(f"training_schedule.total_steps is {self.total_steps}: give at least 1 environment step.")

    def __call__(self, step: int, labels: int) -> int:
        """Gradient steps wanted by `step`, given the labels taken."""
        steps = math.ceil(self.total_steps * self.first_per_1000_steps / 1000) + math.floor(step * self.per_1000_steps / 1000)
        return steps if labels > 0 else 0


@dataclass(frozen=True, slots=True)
class SteadyGradientSteps:
    """Gradient steps of a reward model that learns from behaviour: so many per 1000 environment steps, whatever the labels.

    Raises UserError for a rate out of range.
    """

    per_1000_steps: float

    def __post_init__(self) -> None:
        if not 0 <= self.per_1000_steps < math.inf:
            raise UserError(f"training_schedule.per_1000_steps is {self.per_1000_steps}: give a number from 0 up.")

    def __call__(self, step: int, labels: int) -> int:
        """Gradient steps wanted by `step`."""
        return math.floor(step * self.per_1000_steps / 1000)


def steady_gradient_steps(per_1000_steps: float, **of_labels: float) -> SteadyGradientSteps:
    """As `Steady`, from the settings of `PerStep`: those of the first fit to labels say nothing here."""
    return SteadyGradientSteps(per_1000_steps)


def _check(labels: int, total_steps: int = 1, initial: float = 0.0, first: int | None = None) -> None:
    if labels < 0:
        raise UserError(f"schedule.labels is {labels}, but there are no negative labels: give 0 or more.")
    if total_steps < 1:
        raise UserError(f"schedule.total_steps is {total_steps}: give at least 1 environment step.")
    if not 0 <= initial <= 1:
        raise UserError(f"schedule.initial is {initial}, but it is a share of the labels: give a number from 0 to 1.")
    if first is not None and first < 0:
        raise UserError(f"first_labels is {first}: give 0 or more, or null for a share of the labels.")


def _initial(labels: int, share: float, first: int | None) -> int:
    """n0: so many, though at most half of all, or else the share rounded half up, 88, 175 and 350 of 350, 700 and 1400."""
    return math.floor(labels * share + 0.5) if first is None else min(first, labels // 2)


def _between(first: int, last: int, share: float) -> int:
    """The level at a share of the way from the first to the last label, held at the last."""
    return min(last, math.floor(first + (last - first) * share + 0.5))
