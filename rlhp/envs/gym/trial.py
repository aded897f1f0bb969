"""Trials of an environment before a run: how long a step takes, and whether it resumes exactly."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np

from rlhp.envs.gym.single import Factory, Single
from rlhp.types import Array

BRIEF = 0.1  # seconds of measuring step times, at most
PATIENT = 2.0  # seconds for each part of testing a saved state, at most
STEPS = 20  # steps of a trial, at most


def step_seconds(build: Factory) -> float:
    """Measure the seconds per step of one environment, including resets after episodes."""
    with preserved_random_state(), closing(Single(build)) as single:
        single.reset(seed=0)
        act = _actions(single.env)
        single.step(next(act))  # not measured: the first step may include setup
        start, steps = time.perf_counter(), 0
        while steps == 0 or (steps < STEPS and time.perf_counter() - start < BRIEF):
            single.step(next(act))
            steps += 1
        return (time.perf_counter() - start) / steps


def obstacle(build: Factory, clone: bool = False) -> str | None:
    """Return why a saved environment would not continue with the same results; None if it did in a trial of some steps.

    Exceptions of the environment propagate.
    """
    with preserved_random_state():
        with closing(Single(build, clone=clone)) as single:
            single.reset(seed=1)
            _draw(single.env)
            act = _actions(single.env)
            steps = len(list(_played(single, act, STEPS, time.perf_counter() + PATIENT)))
            saved = single.save()
            if isinstance(saved, str):
                return saved
            expected = list(_played(single, act, STEPS, time.perf_counter() + PATIENT)) + _next_start(single)
        with closing(Single(build, clone=clone)) as other:
            other.load(saved)
            act = _actions(other.env)
            for _ in range(steps):
                next(act)
            found = list(_played(other, act, len(expected) - 1, np.inf)) + _next_start(other)
    return None if found == expected else "in a trial, a saved copy of it continued with different results"


def cloned_size(build: Factory) -> int:
    """Return the size of a pickled environment in bytes. Exceptions of pickling propagate."""
    with preserved_random_state(), closing(Single(build, clone=True)) as single:
        single.reset(seed=0)
        return len(single.save())


def _played(single: Single, act: Iterator[Any], steps: int, until: float) -> Iterator[tuple[bytes, float, bool]]:
    """Yield what an environment returns in `steps` steps, or in fewer if time runs out at `until`."""
    for k in range(steps):
        if k and time.perf_counter() > until:
            return
        step = single.step(next(act))
        yield _bytes(single, step.observation), step.reward, step.done


def _next_start(single: Single) -> list[bytes]:
    """Return the first observation of the next episode, which shows whether the random stream continued, too."""
    return [_bytes(single, single.reset()[0])]


def _draw(env: gymnasium.Env) -> None:
    """Render once, if possible, so that the renderer is part of the saved state."""
    if env.render_mode == "rgb_array":
        with suppress(Exception):  # reported when pictures are needed
            env.render()


def _bytes(single: Single, observation: Any) -> bytes:
    return np.asarray(observation, single.env.observation_space.dtype).tobytes()


def _actions(env: gymnasium.Env) -> Iterator[Array]:
    """Yield random actions, the same every time."""
    space = deepcopy(env.action_space)  # environments may share its random stream through their class
    space.seed(0)
    while True:
        yield space.sample()


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Restore the process's random streams afterwards, so that a trial does not affect environments that draw from them."""
    before = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
