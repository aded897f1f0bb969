"""The paper's eight MuJoCo tasks as one vectorised environment.

There is one MjData per environment and one MjModel for all. `mj_step` releases Python's global interpreter lock, so threads step
different environments at the same time; its results are gathered into arrays, and observations and rewards are computed for the
whole batch in numpy.
"""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from gymnasium import spaces

from rlhp.envs.batch import BatchVecEnv, check_counts
from rlhp.envs.tasks import Task, find
from rlhp.thread_pool import ThreadPool
from rlhp.types import Array

# A joint that moves faster, in m/s or rad/s, means that the simulation is unstable: MuJoCo reports accelerations from 1e10 as
# bad, which change a velocity by 2e7 within the shortest time step of these models, 0.002 s.
FASTEST = 1e6
_EVERYTHING = int(mujoco.mjtState.mjSTATE_INTEGRATION)  # all that the next mj_step depends on, including the solver's warm start


def make(task: str, n_envs: int, seed: int, threads: int = 1, horizon: int | None = None) -> MujocoVecEnv:
    """Create `n_envs` environments of a task of `rlhp.envs.tasks`; `horizon` None: the task's own.

    Raises UserError for an unknown task and for values out of range.
    """
    return MujocoVecEnv(find(task), n_envs, seed, threads, horizon)


class MujocoVecEnv(BatchVecEnv):
    """N environments of one task: observations [N, O] float64 as in Gymnasium's v5, the paper's true rewards [N] float32.

    They never terminate (section 3.1.1: the end of an episode would reveal information about the task). Like Gymnasium, they do
    not clip actions: MuJoCo limits the controls itself. If a simulation becomes unstable, its episode is truncated. The number of
    threads affects only the speed; results are bit-identical.
    """

    def __init__(self, task: Task, n_envs: int, seed: int, threads: int = 1, horizon: int | None = None) -> None:
        limit = task.horizon if horizon is None else horizon
        check_counts(seed, n_envs=n_envs, threads=threads, horizon=limit)
        self.definition = task
        self.model = task.robot.model()
        # by default MuJoCo resets an unstable simulation to the model's first pose, in the middle of an episode
        self.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self._data = [mujoco.MjData(self.model) for _ in range(n_envs)]
        self._ctrl = [data.ctrl for data in self._data]
        self._views = {name: [getattr(data, name) for data in self._data] for name in task.reads}
        self._now = self._gather()
        self._contacts = "cfrc_ext" in task.reads
        self._waiting = iter(self._data)
        self._pool = ThreadPool(min(threads, n_envs))
        low, high = self.model.actuator_ctrlrange.astype(np.float32).T
        observation = spaces.Box(-np.inf, np.inf, task.observe(self._now).shape[1:], np.float64)
        super().__init__(task.name, n_envs, seed, limit, observation, spaces.Box(low, high, dtype=np.float32))

    def states(self) -> Array:
        """Return qpos and qvel at the current observation, [N, nq + nv] float64."""
        return np.concatenate([self._now["qpos"], self._now["qvel"]], axis=1)

    def place(self, states: Array) -> Array:
        """Start episodes in states [N, nq + nv] that `states` of any environment returned; return the observations [N, O]."""
        for data, state in zip(self._data, states, strict=True):
            mujoco.mj_resetData(self.model, data)
            data.qpos[:], data.qvel[:] = np.split(state, [self.model.nq])
            mujoco.mj_forward(self.model, data)
        self._elapsed[:], self._now = 0, self._gather()
        return self._observe()

    def close(self) -> None:
        """Stop the threads."""
        self._pool.close()

    def _gather(self) -> dict[str, Array]:
        return {name: np.concatenate(views).reshape(len(views), *views[0].shape) for name, views in self._views.items()}

    def _begin(self, i: int, rng: np.random.Generator) -> None:
        data = self._data[i]
        mujoco.mj_resetData(self.model, data)
        data.qpos[:], data.qvel[:] = self.definition.start(rng, self.model.qpos0)
        mujoco.mj_forward(self.model, data)
        for name, views in self._views.items():
            self._now[name][i] = views[i]

    def _start(self, actions: Array) -> None:
        for ctrl, action in zip(self._ctrl, actions, strict=True):
            ctrl[:] = action
        self._waiting = iter(self._data)
        self._pool.start(self._simulate)

    def _finish(self) -> tuple[Array, Sequence[int]]:
        self._pool.finish(self._simulate)
        before, self._now = self._now, self._gather()
        broken = self._broken()
        for name in self._now if broken else ():
            self._now[name][broken] = before[name][broken]
        return self.definition.reward(before, self._now, self.definition.robot.dt), broken

    def _broken(self) -> list[int]:
        """Return the environments whose simulation is unstable: a velocity is not a number, or exceeds FASTEST."""
        qvel = self._now["qvel"]
        if np.vdot(qvel, qvel) < FASTEST**2:  # almost always, and quick to see
            return []
        return np.flatnonzero(~(np.abs(qvel) < FASTEST).all(axis=1)).tolist()

    def _simulate(self) -> None:
        """Step environments that no other thread has taken until none are left."""
        model, skip = self.model, self.definition.robot.frame_skip
        for data in self._waiting:
            mujoco.mj_step(model, data, skip)
            if self._contacts:  # mj_step skips them if no sensor needs them
                mujoco.mj_rnePostConstraint(model, data)

    def _observe(self) -> Array:
        return self.definition.observe(self._now)

    def _save(self) -> dict[str, Array]:
        # The gathered arrays are saved too: Cartesian positions lag mj_step's state and cannot be computed from it.
        physics = np.empty((self.num_envs, mujoco.mj_stateSize(self.model, _EVERYTHING)))
        for row, data in zip(physics, self._data, strict=True):
            mujoco.mj_getState(self.model, data, row, _EVERYTHING)
        return {"physics": physics, **self._now}

    def _load(self, saved: dict[str, Array]) -> None:
        for row, data in zip(saved["physics"], self._data, strict=True):
            mujoco.mj_setState(self.model, data, row, _EVERYTHING)
        self._now = {name: saved[name].copy() for name in self._views}
