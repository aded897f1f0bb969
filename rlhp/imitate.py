"""Learning a policy from what an expert does, without a reward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from rlhp.types import Metrics, Policy, Run, Transitions

Label = Callable[[Transitions], Transitions]  # visited states, with what the expert would have done there as actions
Gather = Callable[[Transitions | None, Transitions], Transitions]  # what was learned from before, and the newest round's steps


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
        run.end_step(step)


class Student(Protocol):
    """What is taught in rounds; it keeps the policy that it fits in each of them."""

    data: Transitions | None  # what the next policy is fitted to
    steps: int  # environment steps made so far

    @property
    def fitted(self) -> int:
        """Policies fitted so far."""
        ...

    def actor(self, expert: Policy) -> Policy:
        """Who acts in the next round."""
        ...

    def fit(self) -> Metrics:
        """Fit a policy to `data`."""
        ...

    def keep_best(self, score: float) -> Metrics:
        """What was learned up to the newest policy has this score; what remains is that of the best."""
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
    """Imitation of an expert that can be asked: act, have the visited states labelled, gather, fit, until `total_steps`.

    DAgger (Ross et al. 2011, algorithm 3.1) and SMILe (Ross and Bagnell 2010, algorithm 4.1) differ in who acts, which is the
    student's to know, and in which states are learned from. `visit` lets a policy act in new environments, by the number of
    policies fitted so far; `evaluate` measures what the student has learned. Demonstrations are learned from before the first
    round, at step 0.
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
        visited = visit(student.actor(expert), student.fitted)  # the expert acts, or policies of earlier rounds
        labelled = label(visited)  # what the expert would have done, whoever acted
        student.data = gather(student.data, labelled)  # the states of all rounds, or of this one
        student.steps += len(labelled)
        learn()


def asked(expert: Policy) -> Label:
    """Labels of an expert that can be asked at any time."""
    return lambda visited: replace(visited, act=expert.act(visited.obs))


def all_rounds(before: Transitions | None, new: Transitions) -> Transitions:
    """DAgger learns from the states of all rounds."""
    return new if before is None else before.joined(new)


def newest_round(before: Transitions | None, new: Transitions) -> Transitions:
    """SMILe learns from the states of each round apart."""
    return new
