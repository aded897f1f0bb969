"""Base class of environments that are stepped as one batch instead of as N objects."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from rlhp.types import Array, UserError


class NativeVecEnv(VecEnv):
    """N environments of one task, stored as rows of arrays, that can be saved and restored exactly."""

    render_mode: str | None = None
    terminates = False  # only the time limit ends an episode, or the end is hidden from the agent

    def __init__(self, task: str, n_envs: int, horizon: int, observation_space: spaces.Space, action_space: spaces.Space) -> None:
        super().__init__(n_envs, observation_space, action_space)
        self.task = task
        self.horizon: int | None = horizon

    @abstractmethod
    def snapshot(self) -> dict[str, Array]:
        """Return copies of everything that determines the future; after `restore` the results are bit-identical."""

    def _check_fits(self, snapshot: dict[str, Array]) -> None:
        """Raises UserError if the snapshot is of another task or another number of environments."""
        expected = {name: array.shape for name, array in self.snapshot().items()}
        if {name: np.shape(array) for name, array in snapshot.items()} != expected:
            raise UserError(
                f"The snapshot does not fit {self.num_envs} environments of {self.task}: "
                "resume with the task and n_envs it was made with."
            )

    def _rows(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the batch, once per requested environment."""
        return [getattr(self, attr_name) for _ in self._rows(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the whole batch; `indices` is ignored."""
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any) -> list[Any]:
        """Not supported: the environments of a batch are rows of arrays and have no methods."""
        raise NotImplementedError(f"{type(self).__name__} steps one batch: single environments have no method {method_name!r}.")

    def env_is_wrapped(self, wrapper_class: type, indices: VecEnvIndices = None) -> list[bool]:
        """Return False for each environment: a batch has no wrappers."""
        return [False for _ in self._rows(indices)]
