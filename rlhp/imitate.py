"""Learning a policy from the actions of an expert, without a reward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from rlhp.types import Metrics, Policy, Run, Transitions

Label = Callable[[Transitions], Transitions]  # replaces the actions of visited steps by the expert's
Gather = Callable[[Transitions | None, Transitions], Transitions]  # earlier data, steps of the newest round -> data to learn from


class Learner(Protocol):
    """A policy that is fitted to actions."""

    steps: int  # number of gradient steps so far

    def fit(self, data: Transitions, until: int) -> Metrics:
        """Make gradient steps until `until` have been made in total."""
        ...

    def finish(self, data: Transitions) -> Metrics:
        """Restore the best policy found."""
        ...


def clone(
    learner: Learner, demonstrations: Transitions, evaluate: Callable[[], Metrics], run: Run, *, total_steps: int, every: int
) -> None:
    """Behaviour cloning: fit a policy to the expert's actions; `total_steps` and `every` are gradient steps."""
    while learner.steps < total_steps:
        step = min(learner.steps + every, total_steps)
        run.log(step, learner.fit(demonstrations, step))
        if step == total_steps:
            run.log(step, learner.finish(demonstrations))
        run.log(step, evaluate())
        run.end_step(step)


class Student(Protocol):
    """An agent that learns in rounds and keeps the policy of each round."""

    data: Transitions | None  # what the next policy is fitted to
    steps: int  # number of environment steps so far

    @property
    def fitted(self) -> int:
        """The number of policies fitted so far."""
        ...

    def actor(self, expert: Policy) -> Policy:
        """The policy that acts in the next round."""
        ...

    def fit(self) -> Metrics:
        """Fit a policy to `data`."""
        ...

    def keep_best(self, score: float) -> Metrics:
        """Score what was learned up to the newest policy, and keep what has the best score."""
        ...


def interact(
    student: Student,
    expert: Policy,
    visit: Callable[[Policy, int], Transitions],
    label: Label,
    gather: Gather,
    evaluate: Callable[[], Metrics],
    score: Callable[[Metrics], float],
    run: Run,
    *,
    total_steps: int,
    demonstrations: Transitions | None = None,
) -> None:
    """Interactive imitation of an expert: act, label the visited states, gather data and fit, until `total_steps`.

    DAgger (Ross et al. 2011, algorithm 3.1) and SMILe (Ross and Bagnell 2010, algorithm 4.1) differ in the policy that acts,
    which `student` defines, and in the states that they learn from (`gather`). `visit` lets a policy act in new environments,
    given the number of policies fitted so far; `evaluate` measures what the student has learned. Demonstrations are fitted
    before the first round, at step 0.
    """

    def learn() -> None:
        step = student.steps
        run.log(step, {"labelled": float(step), **student.fit()})
        found = evaluate()
        run.log(step, {**found, **student.keep_best(score(found))})
        run.end_step(step)

    if demonstrations is not None and not student.fitted:
        student.data = demonstrations
        learn()
    while student.steps < total_steps:
        visited = visit(student.actor(expert), student.fitted)  # the expert or policies of earlier rounds act
        labelled = label(visited)  # with the expert's actions, whichever policy acted
        student.data = gather(student.data, labelled)  # the steps of all rounds, or of this one
        student.steps += len(labelled)
        learn()


def asked(expert: Policy) -> Label:
    """Label by an expert that can act at any time."""
    return lambda visited: replace(visited, act=expert.act(visited.obs))


def all_rounds(before: Transitions | None, new: Transitions) -> Transitions:
    """Gather the steps of all rounds, as in DAgger."""
    return new if before is None else before.joined(new)


def newest_round(before: Transitions | None, new: Transitions) -> Transitions:
    """Use only the steps of the newest round, as in SMILe."""
    return new
