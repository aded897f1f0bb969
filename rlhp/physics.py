"""An environment's MuJoCo simulation, and what of it a picture depends on, as one array."""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces

from rlhp.types import Array


class Physics:
    """What a picture of a MuJoCo simulation depends on: `state` reads it, and `place` puts another simulation there.

    Positions and velocities, actuators' activations and bodies moved by mocap. Tasks also move what the model itself places, such
    as a goal or a door, when an episode begins: so the places of the world's bodies, and of fixed geoms and sites, are read too,
    and `goal`, which Gymnasium's robotics environments draw, where an observation has a desired one.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, owner: Any, goal: bool) -> None:
        self._model, self._data, self._owner, self._goal = model, data, owner, goal
        free = [data.qpos, data.qvel, data.act, data.mocap_pos, data.mocap_quat]  # all of them views, made once: reading is quick
        fixed, bodies = model.body_weldid == 0, np.flatnonzero(model.body_parentid == 0)[1:]  # the world is its own parent
        placed = [(model.body_pos, bodies), (model.body_quat, bodies)]
        placed += [(model.geom_pos, np.flatnonzero(fixed[model.geom_bodyid]))]
        placed += [(model.site_pos, np.flatnonzero(fixed[model.site_bodyid]))]
        self._free = [array for array in free if array.size]
        self._placed = [(array, rows) for array, rows in placed if len(rows)]

    def state(self) -> Array:
        """[S] float64."""
        goal = [np.ravel(self._owner.goal)] if self._goal else []
        placed = [array[rows].ravel() for array, rows in self._placed]
        return np.concatenate([*(array.ravel() for array in self._free), *placed, *goal])

    def place(self, state: Array) -> None:
        """Put the simulation where another one of the same environment was; all positions in space are computed anew."""
        used, everything = 0, slice(None)
        for array, rows in [*((array, everything) for array in self._free), *self._placed]:
            size = array[rows].size
            array[rows] = state[used : used + size].reshape(array[rows].shape)
            used += size
        if self._goal:
            self._owner.goal = state[used:].copy()
        mujoco.mj_forward(self._model, self._data)


def physics(env: gymnasium.Env) -> Physics | None:
    """That of an environment whose `unwrapped` has MuJoCo's `model` and `data`, or wrappers of them with `ptr`; else None."""
    owner: Any = env.unwrapped
    model, data = (getattr(owner, name, None) for name in ("model", "data"))
    model, data = (found if found is None else getattr(found, "ptr", found) for found in (model, data))
    if not (isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData)):
        return None
    observed = owner.observation_space
    return Physics(model, data, owner, isinstance(observed, spaces.Dict) and "desired_goal" in observed.keys())  # noqa: SIM118
