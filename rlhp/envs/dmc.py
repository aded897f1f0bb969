"""The DeepMind Control Suite (Tassa et al. 2018) under Gymnasium ids: `env=gym env.id=rlhp.envs.dmc:dmc/walker-walk-v0`.

Importing this module registers each task DOMAIN-TASK of the suite as `dmc/DOMAIN-TASK-v0`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer

from rlhp.types import Array, UserError


@contextmanager
def _quiet() -> Generator[None]:
    """Without what the suite logs: how it would draw, and once per environment what MuJoCo deprecates in its models."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@contextmanager
def _undrawn() -> Generator[None]:
    """Without the suite's own drawing, which opens a window, or fails, while it is imported: here Gymnasium draws."""
    before = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "off"
    try:
        yield
    finally:
        del os.environ["MUJOCO_GL"]
        os.environ.update({} if before is None else {"MUJOCO_GL": before})


try:
    with _quiet(), _undrawn():
        from absl.logging import get_absl_handler
        from dm_control import suite
        from dm_control.mujoco import Physics
        from dm_control.mujoco.wrapper.mjbindings import sizes
except ModuleNotFoundError as error:
    raise UserError(f"the DeepMind Control Suite is missing here ({error}); install it with: pip install 'rlhp[dmc]'") from error

# Setting up logging anew, as Hydra does, makes absl's handler close what was standard error when it was made, unless that is the
# process's own.
get_absl_handler().python_handler.setStream(sys.__stderr__)

STEPS = 1000  # of an episode, in every task of the suite that has a limit
CAMERAS = {"quadruped": 2}  # of the model, by domain, else 0: the quadruped's first one is far off
PLACES = ("body_pos", "body_quat", "geom_pos", "site_pos")  # of the model: what a clip's state holds of it
# All that the next step depends on, the solver's warm start included.
_PHYSICS = int(mujoco.mjtState.mjSTATE_INTEGRATION)


class Suite(gymnasium.Env[Array, Array]):
    """One task of the suite: observations [O] float64, its parts one after the other as the suite lists them; rewards in [0, 1].

    Time alone ends an episode, save in the few tasks that say that one is over. `model` and `data` are MuJoCo's own, so that
    clips can be drawn from a state (see `rlhp.physics`). Where an episode's start changes more of the model than places, such as
    the ground, an environment lacks the two, and its clips are drawn while it acts.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(self, domain: str, task: str, render_mode: str | None = None, width: int = 320, height: int = 240) -> None:
        with _quiet():  # without a time limit: Gymnasium's wrapper keeps that
            self._suite: Any = suite.load(domain, task, task_kwargs={"random": 0, "time_limit": float("inf")})
        self._physics = self._suite.physics
        self.render_mode = render_mode
        self._renderer: Any = MujocoRenderer(
            self._physics.model.ptr, self._physics.data.ptr, width=width, height=height, camera_id=CAMERAS.get(domain, 0)
        )
        self.dt = float(self._suite.control_timestep())
        self.metadata = {**self.metadata, "render_fps": round(1 / self.dt)}
        action = self._suite.action_spec()
        self.action_space = spaces.Box(action.minimum.astype(np.float32), action.maximum.astype(np.float32), dtype=np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, self._start(0).shape, np.float64)
        first = copy(self._physics.model.ptr)
        self._start(1)
        if _places_apart(first, self._physics.model.ptr):
            self.model, self.data = self._physics.model.ptr, self._physics.data.ptr

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin an episode, at a start that depends on the random stream of this environment alone."""
        super().reset(seed=seed)
        return self._start(int(self.np_random.integers(2**32))), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One control step of the suite."""
        step = self._suite.step(action)
        return _joined(step.observation), float(step.reward), step.last(), False, {}

    def render(self) -> Array | None:
        """A picture [height, width, 3] uint8, or None without a render_mode."""
        return None if self.render_mode is None else self._renderer.render(self.render_mode)

    def close(self) -> None:
        """Free the simulation, and what draws it."""
        self._renderer.close()
        self._suite.close()

    def get_state(self) -> Array:
        """All that the rest of this episode depends on, as numbers; for `set_state`. The next one starts from `np_random`."""
        return np.concatenate([[self._seed], self._physics.get_state(_PHYSICS), self._physics.data.sensordata])

    def set_state(self, state: Array) -> None:
        """Go on from what `get_state` has returned, bit for bit."""
        self._start(int(state[0]))  # a target's place and what else the model says of this episode
        _, physics, sensed = np.split(state, [1, len(state) - len(self._physics.data.sensordata)])
        self._physics.set_state(physics, _PHYSICS)
        # the suite's steps end with the first half of MuJoCo's next one; a whole forward pass would move the warm start
        mujoco.mj_step1(self._physics.model.ptr, self._physics.data.ptr)
        self._physics.data.sensordata[:] = sensed

    def _start(self, seed: int) -> Array:
        self._seed = seed  # of this episode; the suite has none
        self._suite.task._random = np.random.RandomState(seed)
        return _joined(self._suite.reset().observation)


def _joined(observation: Mapping[str, Array]) -> Array:
    return np.concatenate([np.ravel(part) for part in observation.values()]).astype(np.float64)


def _places_apart(one: mujoco.MjModel, other: mujoco.MjModel) -> bool:
    """Whether two models are the same but for where things are placed; the first is written over."""
    for name in PLACES:
        getattr(one, name)[:] = getattr(other, name)
    return _written(one) == _written(other)


def _written(model: mujoco.MjModel) -> bytes:
    """The model as MuJoCo writes it to a file."""
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer.tobytes()


def _forget_removed_fields() -> None:
    """dm_control 1.0.50 looks up fields of MuJoCo 3 by name that MuJoCo 4 no longer has; no task reads them."""
    for struct, kind in (("mjmodel", mujoco.MjModel), ("mjdata", mujoco.MjData)):
        for field in [field for field in sizes.array_sizes[struct] if not hasattr(kind, field)]:
            del sizes.array_sizes[struct][field]


def _register() -> None:
    for domain, task in suite.ALL_TASKS:
        id, named = f"dmc/{domain}-{task}-v0", {"domain": domain, "task": task}
        if id not in gymnasium.registry:
            gymnasium.register(id, f"{__name__}:Suite", max_episode_steps=STEPS, kwargs=named)


_forget_removed_fields()
# of the suite's own drawing, which quadruped-escape would make in order to update them
Physics.contexts = property(lambda physics: None)  # pyright: ignore[reportAttributeAccessIssue]
_register()
