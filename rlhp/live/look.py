"""Pictures of an environment's present state, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rlhp.types import Array, Segment

Shoot = Callable[[Segment], Iterator[Array]]  # of `rlhp.types.Drawing.clip_renderer`


class Look:
    """Renders the first of N environments like its clips: what is hidden from the agent is hidden here too.

    Call `before` before each step and `after` after it. If clips are rendered from one state and the actions (`Env.replays`),
    a picture shows the result of the step.
    """

    def __init__(self, env: Any, shoot: Shoot) -> None:
        self._env, self._shoot = env, shoot
        self._replays = bool(getattr(env, "replays", False))
        self._state: Array | None = None

    def still(self, obs: Array, idle: Array) -> Array:
        """Return a picture [H, W, 3] uint8 of the current observation [*O].

        If pictures show the results of steps, it shows that of the action `idle`, which is not taken.
        """
        return self._drawn(obs, idle, self._now())

    def before(self) -> None:
        """Prepare for a step."""
        self._state = self._now() if self._replays else None

    def after(self, obs: Array, act: Array) -> Array:
        """Return a picture [H, W, 3] uint8 after the action [*A] that led to `obs` [*O], within an episode."""
        return self._drawn(obs, act, self._state if self._replays else self._now())

    def _now(self) -> Array | None:
        states = self._env.states()
        if states is None:
            return None
        return states[0].array() if isinstance(states, tuple) else np.array(states[0])

    def _drawn(self, obs: Array, act: Array, state: Array | None) -> Array:
        kept = None if state is None else state[np.newaxis]
        return next(iter(self._shoot(Segment(obs[np.newaxis], np.asarray(act)[np.newaxis], np.zeros(1, np.float32), kept))))
