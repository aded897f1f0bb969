"""From how many environments frames are kept, where clips are drawn from those: enough for the questions, and no more."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from math import ceil

from rlhp.query import reach
from rlhp.types import Filming, Setup

Sources = Callable[[int], int]  # of how many environments clips are, with so many questions asked


def sources(setup: Setup) -> Sources | None:
    """Of how many environments, the first so many, there are frames; None: clips need none.

    All of them until the first questions are asked, which are chosen from the untrained policy's clips and would wait for long
    else; then as many as give each question the clips that it is chosen from (`needed`); none once all are asked.
    """
    env = setup.env
    if not isinstance(env, Filming) or not env.films:
        return None
    fixed = getattr(env, "filmed", None)
    if fixed is not None:
        return lambda asked: fixed
    return _by_questions(setup, needed(setup))


def say(setup: Setup) -> None:
    """Tell on stderr of how many environments frames are kept."""
    if setup.sources is None or setup.sources(0) == 0:
        return
    first, total = setup.schedule(0), setup.schedule(setup.total_steps)
    begin, later = setup.sources(0), setup.sources(min(first, total - 1))
    until = f" until {first} questions are asked, then of {later}" if begin != later else ""
    print(
        f"{setup.env.task} cannot be rendered again later, so frames are kept as it acts: of {begin} of {setup.env.num_envs} "
        f"environments{until}; env.filmed=... says otherwise.",
        file=sys.stderr,
    )


def needed(setup: Setup) -> int:
    """How many environments must keep frames so that every question after the first ones has enough clips of the current policy.

    A question is chosen from `min_segments_per_label` clips for each of its pairs. Where questions come fastest, those clips must
    all be new, and as many questions must be asked as if all environments kept frames.
    """
    n_envs, clips = setup.env.num_envs, _clips_per_question(setup)
    per_env = _clips_per_rollout(setup)
    capacity = getattr(setup.memory, "capacity", None)
    span = 1 if capacity is None else max(1, round(capacity / (per_env * n_envs)))  # rollouts
    count = ceil(clips * _busiest(setup, span) / per_env)
    least = 1 if capacity is None else ceil(n_envs * clips / capacity)  # memory keeps the same share of its clips
    count = min(max(count, least, 1), n_envs)
    every = _asked(setup, n_envs)
    return next((k for k in range(count, n_envs) if _asked(setup, k) >= every), n_envs)


def _by_questions(setup: Setup, later: int) -> Sources:
    first, n_envs, last = setup.schedule(0), setup.env.num_envs, setup.total_steps
    return lambda asked: (n_envs if asked < first else later) if asked < setup.schedule(last) else 0  # it may grow


def _asked(setup: Setup, later: int) -> int:
    """How many questions the run can ask."""
    given = getattr(setup.query, "clips", 2), getattr(setup.query, "min_segments_per_label", 4.0)
    return reach(replace(setup, sources=_by_questions(setup, later)), *given)


def _clips_per_question(setup: Setup) -> float:
    return getattr(setup.query, "min_segments_per_label", 4.0) * getattr(setup.query, "clips", 2) / 2


def _clips_per_rollout(setup: Setup) -> float:
    """Of one environment; less than 1 where several rollouts make a clip."""
    steps = setup.agent.n_steps
    length = getattr(setup.memory, "length", steps)
    return steps // length if steps >= length else steps / length


def _busiest(setup: Setup, span: int) -> float:
    """The most labels of a rollout after the first ones, as a mean over so many rollouts."""
    steps = setup.env.num_envs * setup.agent.n_steps
    levels = [setup.schedule(step) for step in range(0, setup.total_steps + steps, steps)]
    span = min(span, len(levels) - 1)
    return max(levels[i + span] - levels[i] for i in range(len(levels) - span)) / max(span, 1)
