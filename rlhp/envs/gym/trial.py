"""What is found out by trying an environment before a run: how long a step takes, and whether it resumes exactly."""

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

BRIEF = 0.1  # seconds that measuring may take
PATIENT = 2.0  # seconds that each part of trying a saved state may take
STEPS = 20  # after which a trial ends in any case


def step_seconds(build: Factory) -> float:
    """How long a step of one environment takes, resets of ended episodes included."""
    with aside(), closing(Single(build)) as single:
        single.reset(seed=0)
        act = _actions(single.env)
        single.step(next(act))  # the first one may prepare something
        begun, made = time.perf_counter(), 0
        while made == 0 or (made < STEPS and time.perf_counter() - begun < BRIEF):
            single.step(next(act))
            made += 1
        return (time.perf_counter() - begun) / made


def obstacle(build: Factory, clone: bool = False) -> str | None:
    """Why a saved environment would not go on with the same numbers; None: it does, as far as a trial of some steps tells.

    What the environment itself raises passes.
    """
    with aside():
        with closing(Single(build, clone=clone)) as single:
            single.reset(seed=1)
            _draw(single.env)
            act = _actions(single.env)
            made = len(list(_played(single, act, STEPS, time.perf_counter() + PATIENT)))
            saved = single.save()
            if isinstance(saved, str):
                return saved
            wanted = list(_played(single, act, STEPS, time.perf_counter() + PATIENT)) + _begun(single)
        with closing(Single(build, clone=clone)) as other:
            other.load(saved)
            act = _actions(other.env)
            for _ in range(made):
                next(act)
            found = list(_played(other, act, len(wanted) - 1, np.inf)) + _begun(other)
    return None if found == wanted else "in a trial, a saved copy of it went on with other numbers"


def cloned_size(build: Factory) -> int:
    """How many bytes a pickled environment has. Raises what pickling it does."""
    with aside(), closing(Single(build, clone=True)) as single:
        single.reset(seed=0)
        return len(single.save())


def _played(single: Single, act: Iterator[Any], steps: int, until: float) -> Iterator[tuple[bytes, float, bool]]:
    """What an environment returns in some steps, at most until a time."""
    for made in range(steps):
        if made and time.perf_counter() > until:
            return
        step = single.step(next(act))
        yield _bytes(single, step.observation), step.reward, step.done


def _begun(single: Single) -> list[bytes]:
    """The start of the next episode: it tells whether the random stream went on as well."""
    return [_bytes(single, single.reset()[0])]


def _draw(env: gymnasium.Env) -> None:
    """Let it make what it draws with, if it can: that is among what is saved."""
    if env.render_mode == "rgb_array":
        with suppress(Exception):  # whoever wants pictures is told
            env.render()


def _bytes(single: Single, observation: Any) -> bytes:
    return np.asarray(observation, single.env.observation_space.dtype).tobytes()


def _actions(env: gymnasium.Env) -> Iterator[Array]:
    """Random actions, always the same."""
    space = deepcopy(env.action_space)  # whose random stream may be the class's, and so that of other environments
    space.seed(0)
    while True:
        yield space.sample()


@contextmanager
def aside() -> Iterator[None]:
    """Leave the random streams of the process as they were: environments that draw from them go on as without a trial."""
    before = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
