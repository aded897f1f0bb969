"""The state of an environment's MuJoCo simulation that a picture depends on, as one array."""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces

from rlhp.types import Array


class Physics:
    """The state that a picture of a MuJoCo simulation depends on: `state` reads it, and `place` sets it.

    It contains positions, velocities, activations of actuators and bodies moved by mocap. At the start of an episode tasks also
    move parts of the model itself, such as a goal or a door. So it contains the positions of the world's bodies and of fixed
    geoms and sites too, and `goal`, which Gymnasium's robotics environments draw, if an observation has a desired goal.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, owner: Any, goal: bool) -> None:
        self._model, self._data, self._owner, self._goal = model, data, owner, goal
        free = [data.qpos, data.qvel, data.act, data.mocap_pos, data.mocap_quat]  # views, created once so that reading is fast
        fixed, bodies = model.body_weldid == 0, np.flatnonzero(model.body_parentid == 0)[1:]  # the first is the world itself
        placed = [(model.body_pos, bodies), (model.body_quat, bodies)]
        placed += [(model.geom_pos, np.flatnonzero(fixed[model.geom_bodyid]))]
        placed += [(model.site_pos, np.flatnonzero(fixed[model.site_bodyid]))]
        self._free = [array for array in free if array.size]
        self._placed = [(array, rows) for array, rows in placed if len(rows)]

    def state(self) -> Array:
        """Read the state, [S] float64."""
        goal = [np.ravel(self._owner.goal)] if self._goal else []
        placed = [array[rows].ravel() for array, rows in self._placed]
        return np.concatenate([*(array.ravel() for array in self._free), *placed, *goal])

    def place(self, state: Array) -> None:
        """Set the state, from a simulation of the same environment; all derived positions are recomputed."""
        used, everything = 0, slice(None)
        for array, rows in [*((array, everything) for array in self._free), *self._placed]:
            size = array[rows].size
            array[rows] = state[used : used + size].reshape(array[rows].shape)
            used += size
        if self._goal:
            self._owner.goal = state[used:].copy()
        mujoco.mj_forward(self._model, self._data)


def physics(env: gymnasium.Env) -> Physics | None:
    """The `Physics` of an environment; None unless its `unwrapped` has MuJoCo's `model` and `data`, or wrappers with `ptr`."""
    owner: Any = env.unwrapped
    model, data = (getattr(owner, name, None) for name in ("model", "data"))
    model, data = (found if found is None else getattr(found, "ptr", found) for found in (model, data))
    if not (isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData)):
        return None
    observed = owner.observation_space
    return Physics(model, data, owner, isinstance(observed, spaces.Dict) and "desired_goal" in observed.keys())  # noqa: SIM118
