"""How many environments keep frames for clips: enough for the queries, and no more."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from math import ceil

from rlhp.query import reach
from rlhp.types import Filming, Setup

Sources = Callable[[int], int]  # number of environments that clips come from, given the number of queries asked


def sources(setup: Setup) -> Sources | None:
    """How many environments, the first ones, keep frames, by the number of queries asked; None if clips need no frames.

    All of them until the initial queries are asked, which use clips of the untrained policy and would otherwise wait long; then
    as many as give each query the clips it is chosen from (`needed`); none once all queries are asked.
    """
    env = setup.env
    if not isinstance(env, Filming) or not env.films:
        return None
    fixed = getattr(env, "filmed", None)
    if fixed is not None:
        return lambda asked: fixed
    return _by_questions(setup, needed(setup))


def say(setup: Setup) -> None:
    """Print to stderr how many environments keep frames."""
    if setup.sources is None or setup.sources(0) == 0:
        return
    first, total = setup.schedule(0), setup.schedule(setup.total_steps)
    initial, later = setup.sources(0), setup.sources(min(first, total - 1))
    until = f" until {first} queries are asked, then of {later}" if initial != later else ""
    print(
        f"{setup.env.task} cannot be rendered again later, so frames are kept as it acts: of {initial} of {setup.env.num_envs} "
        f"environments{until}; set env.filmed=... to change that.",
        file=sys.stderr,
    )


def needed(setup: Setup) -> int:
    """The number of environments that must keep frames so that every query after the initial ones has enough clips.

    A query is chosen from `min_segments_per_label` clips for each of its pairs. Where queries are most frequent, those clips must
    all be new, from the current policy, and the run must ask as many queries as if all environments kept frames.
    """
    n_envs, clips = setup.env.num_envs, _clips_per_query(setup)
    per_env = _clips_per_rollout(setup)
    capacity = getattr(setup.memory, "capacity", None)
    span = 1 if capacity is None else max(1, round(capacity / (per_env * n_envs)))  # rollouts
    count = ceil(clips * _max_labels_per_rollout(setup, span) / per_env)
    least = 1 if capacity is None else ceil(n_envs * clips / capacity)  # memory keeps the same fraction of its clips
    count = min(max(count, least, 1), n_envs)
    every = _asked(setup, n_envs)
    return next((k for k in range(count, n_envs) if _asked(setup, k) >= every), n_envs)


def _by_questions(setup: Setup, later: int) -> Sources:
    first, n_envs, last = setup.schedule(0), setup.env.num_envs, setup.total_steps
    return lambda asked: (n_envs if asked < first else later) if asked < setup.schedule(last) else 0  # the schedule may grow


def _asked(setup: Setup, later: int) -> int:
    """The number of queries that the run can ask."""
    given = getattr(setup.query, "clips", 2), getattr(setup.query, "min_segments_per_label", 4.0)
    return reach(replace(setup, sources=_by_questions(setup, later)), *given)


def _clips_per_query(setup: Setup) -> float:
    return getattr(setup.query, "min_segments_per_label", 4.0) * getattr(setup.query, "clips", 2) / 2


def _clips_per_rollout(setup: Setup) -> float:
    """Clips per rollout of one environment; less than 1 if a clip spans several rollouts."""
    steps = setup.agent.n_steps
    length = getattr(setup.memory, "length", steps)
    return steps // length if steps >= length else steps / length


def _max_labels_per_rollout(setup: Setup, span: int) -> float:
    """The maximum of the labels per rollout after the initial ones, averaged over `span` rollouts."""
    steps = setup.env.num_envs * setup.agent.n_steps
    levels = [setup.schedule(step) for step in range(0, setup.total_steps + steps, steps)]
    span = min(span, len(levels) - 1)
    return max(levels[i + span] - levels[i] for i in range(len(levels) - span)) / max(span, 1)
