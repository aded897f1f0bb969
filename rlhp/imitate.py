"""Learning a policy from what an expert does, without a reward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rlhp.types import Metrics, Run, Transitions


class Learner(Protocol):
    """A policy that is fitted to actions."""

    steps: int  # gradient steps made so far

    def fit(self, data: Transitions, until: int) -> Metrics:
        """Make gradient steps until `until` have been made."""
        ...

    def finish(self, data: Transitions) -> Metrics:
        """Keep the best policy that was found."""
        ...


def clone(
    learner: Learner, demonstrations: Transitions, evaluate: Callable[[], Metrics], run: Run, *, total_steps: int, every: int
) -> None:
    """Behaviour cloning: fit a policy to the expert's actions; `total_steps` and `every` count gradient steps."""
    while learner.steps < total_steps:
        step = min(learner.steps + every, total_steps)
        run.log(step, learner.fit(demonstrations, step))
        if step == total_steps:
            run.log(step, learner.finish(demonstrations))
        run.log(step, evaluate())
        run.tick(step)
