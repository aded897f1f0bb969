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
    """Suppress the suite's log messages: its rendering backend and, per environment, MuJoCo's deprecation warnings."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@contextmanager
def _undrawn() -> Generator[None]:
    """Disable the suite's own rendering, which opens a window or fails on import; Gymnasium renders instead."""
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

# When logging is set up again, as Hydra does, absl's handler closes the stream that was standard error when the handler was
# created, unless that is the process's own standard error.
get_absl_handler().python_handler.setStream(sys.__stderr__)

STEPS = 1000  # per episode, in every task of the suite that has a limit
CAMERAS = {"quadruped": 2}  # camera of the model by domain, otherwise 0; the quadruped's first camera is too far away
PLACES = ("body_pos", "body_quat", "geom_pos", "site_pos")  # fields of the model that are part of a clip's state
# Everything that the next step depends on, including the solver's warm start.
_PHYSICS = int(mujoco.mjtState.mjSTATE_INTEGRATION)


class Suite(gymnasium.Env[Array, Array]):
    """One task of the suite: observations [O] float64, the suite's parts concatenated in its order; rewards in [0, 1].

    Only the time limit ends an episode, except in the few tasks that terminate. `model` and `data` are MuJoCo's own, so that
    clips can be rendered from a state (see `rlhp.physics`). If the start of an episode changes more of the model than positions,
    such as the ground, the environment has neither attribute, and its clips are rendered while it acts.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(self, domain: str, task: str, render_mode: str | None = None, width: int = 320, height: int = 240) -> None:
        with _quiet():  # without a time limit: Gymnasium's wrapper sets it
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
        """Start an episode; its first state depends only on this environment's random stream."""
        super().reset(seed=seed)
        return self._start(int(self.np_random.integers(2**32))), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Run one control step of the suite."""
        step = self._suite.step(action)
        return _joined(step.observation), float(step.reward), step.last(), False, {}

    def render(self) -> Array | None:
        """Return a picture [height, width, 3] uint8, or None without a render_mode."""
        return None if self.render_mode is None else self._renderer.render(self.render_mode)

    def close(self) -> None:
        """Free the simulation and its renderer."""
        self._renderer.close()
        self._suite.close()

    def get_state(self) -> Array:
        """Return all numbers that determine the rest of this episode, for `set_state`; the next one starts from `np_random`."""
        return np.concatenate([[self._seed], self._physics.get_state(_PHYSICS), self._physics.data.sensordata])

    def set_state(self, state: Array) -> None:
        """Continue from what `get_state` returned, bit for bit."""
        self._start(int(state[0]))  # sets a target's position and other parts of the model that differ by episode
        _, physics, sensed = np.split(state, [1, len(state) - len(self._physics.data.sensordata)])
        self._physics.set_state(physics, _PHYSICS)
        # the suite's steps end with the first half of MuJoCo's next step; a full forward pass would change the warm start
        mujoco.mj_step1(self._physics.model.ptr, self._physics.data.ptr)
        self._physics.data.sensordata[:] = sensed

    def _start(self, seed: int) -> Array:
        self._seed = seed  # of this episode; the suite does not store one
        self._suite.task._random = np.random.RandomState(seed)
        return _joined(self._suite.reset().observation)


def _joined(observation: Mapping[str, Array]) -> Array:
    return np.concatenate([np.ravel(part) for part in observation.values()]).astype(np.float64)


def _places_apart(one: mujoco.MjModel, other: mujoco.MjModel) -> bool:
    """Return whether two models are equal except for positions of their parts; overwrites the first model."""
    for name in PLACES:
        getattr(one, name)[:] = getattr(other, name)
    return _written(one) == _written(other)


def _written(model: mujoco.MjModel) -> bytes:
    """Serialise the model as MuJoCo writes it to a file."""
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer.tobytes()


def _forget_removed_fields() -> None:
    """Remove fields that dm_control 1.0.50 looks up by name and MuJoCo 4 no longer has; no task reads them."""
    for struct, kind in (("mjmodel", mujoco.MjModel), ("mjdata", mujoco.MjData)):
        for field in [field for field in sizes.array_sizes[struct] if not hasattr(kind, field)]:
            del sizes.array_sizes[struct][field]


def _register() -> None:
    for domain, task in suite.ALL_TASKS:
        id, named = f"dmc/{domain}-{task}-v0", {"domain": domain, "task": task}
        if id not in gymnasium.registry:
            gymnasium.register(id, f"{__name__}:Suite", max_episode_steps=STEPS, kwargs=named)


_forget_removed_fields()
# rendering contexts of the suite, which quadruped-escape would create in order to update them
Physics.contexts = property(lambda physics: None)  # pyright: ignore[reportAttributeAccessIssue]
_register()
