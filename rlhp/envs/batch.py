"""Base class of environments stepped as one batch: time limit, automatic resets, seeding and snapshots."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from rlhp.envs.native import NativeVecEnv
from rlhp.types import Array, UserError, make_rng


def check_counts(seed: int, **counts: int) -> None:
    """Check that the seed is at least 0 and all counts are at least 1. Raises UserError for the first that is not."""
    for name, value, least in [("seed", seed, 0), *((name, value, 1) for name, value in counts.items())]:
        if not isinstance(value, int | np.integer) or value < least:
            raise UserError(f"{name} is {value!r}: give a whole number of at least {least}.")


class BatchVecEnv(NativeVecEnv):
    """N environments stored as rows of arrays, whose episodes end only by the time limit.

    An episode ends after `horizon` steps as a truncation (`info["TimeLimit.truncated"]`, `info["terminal_observation"]`), and
    the next one starts within the same call, as in Stable-Baselines3's DummyVecEnv. If a simulation becomes unstable, its
    episode is truncated too and its info has "shortened" and "unstable"; its last observation is the one before that step. The
    first state of episode e of environment i is a pure function of (seed, i, e). Observations are [N, *O], rewards [N] float32.
    """

    def __init__(
        self, task: str, n_envs: int, seed: int, horizon: int, observation_space: spaces.Space, action_space: spaces.Space
    ) -> None:
        super().__init__(task, n_envs, horizon, observation_space, action_space)
        self._limit = horizon
        self._seed = seed
        self._episode = np.full(n_envs, -1)  # -1: not started
        self._elapsed = np.zeros(n_envs, np.int64)
        self._skipped = np.zeros((2, n_envs), np.int64)  # steps cut from the first episode, and from each later one

    # Implemented by subclasses

    @abstractmethod
    def states(self) -> Array | None:
        """Return the states at the current observation from which clips are rendered, [N, S] float64; None if there are none."""

    @abstractmethod
    def _begin(self, i: int, rng: np.random.Generator) -> None:
        """Put environment i into the first state of an episode, drawn from `rng`."""

    @abstractmethod
    def _start(self, actions: Array) -> None:
        """Start one step of every environment."""

    @abstractmethod
    def _finish(self) -> tuple[Array, Sequence[int]]:
        """Finish the step; return the true rewards [N] and the indices of environments whose simulation became unstable.

        These environments keep their values from before the step, the last valid ones.
        """

    @abstractmethod
    def _observe(self) -> Array:
        """Return the current observations [N, *O] as a new array."""

    @abstractmethod
    def _save(self) -> dict[str, Array]:
        """Return everything that the next step depends on; every array has N rows."""

    @abstractmethod
    def _load(self, saved: dict[str, Array]) -> None:
        """Restore what `_save` returned."""

    # Shared by subclasses

    def desynchronise(self, interval: int | None = None, fraction: float = 0.0) -> None:
        """Spread the ends of the first episodes over an episode's length, so that each rollout contains all phases.

        The last environments, a `fraction` of all, are reset every `interval` steps, with their resets spread in the same way;
        otherwise a robot that has fallen would lie on the floor for the rest of its episode. The info at the end of a shortened
        episode has "shortened", since its return is not that of a full episode. Raises UserError for values out of range.
        """
        if (interval is not None and interval < 1) or not 0 <= fraction < 1:
            wanted = "give at least 1 step, or null, and a fraction from 0 to below 1"
            raise UserError(f"early_resets.interval is {interval} and early_resets.fraction is {fraction}: {wanted}.")
        early = 0 if interval is None else int(fraction * self.num_envs)
        groups = [self.num_envs - early, early]
        length = np.repeat([self._limit, min(interval or self._limit, self._limit)], groups)
        turn = np.concatenate([np.arange(1, size + 1) for size in groups])  # rank of each environment's first end in its group
        self._skipped = self._limit - np.stack([-(-length * turn // np.repeat(groups, groups)), length])

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Set the seed; the next reset starts episode 0. None keeps the seed."""
        self._seed = self._seed if seed is None else seed
        self._episode[:] = -1
        return [self._seed] * self.num_envs

    def reset(self) -> Array:
        """Start the next episode in every environment and return the observations [N, *O]."""
        for i in range(self.num_envs):
            self._next_episode(i)
        return self._observe()

    def step_async(self, actions: Array) -> None:
        """Start a step with actions [N, *A]; threads, if any, run it in the background."""
        self._start(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Finish the step and return observations [N, *O], true rewards [N] float32, dones [N] and infos.

        Infos are empty except where an episode ended.
        """
        reward, broken = self._finish()
        self._elapsed += 1
        obs, done = self._observe(), self._elapsed >= self._limit
        done[broken] = True
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if done.any():
            for i in np.flatnonzero(done).tolist():
                infos[i] = {"TimeLimit.truncated": True, "terminal_observation": obs[i].copy()}
                infos[i] |= {"shortened": True} if self._skips(i) or i in broken else {}
                infos[i] |= {"unstable": True} if i in broken else {}
                self._next_episode(i)
            obs = self._observe()
        return obs, reward.astype(np.float32), done, infos

    def _next_episode(self, i: int) -> None:
        self._episode[i] += 1
        self._elapsed[i] = self._skips(i)
        self._begin(i, make_rng(self._seed, "env", i, int(self._episode[i])))

    def _skips(self, i: int) -> int:
        """Return by how many steps the current episode of environment i is shortened."""
        return int(self._skipped[min(self._episode[i], 1), i])

    def snapshot(self) -> dict[str, Array]:
        """Return copies of everything that determines the future; after `restore` the results are bit-identical."""
        clock = {"seed": np.full(self.num_envs, self._seed), "episode": self._episode.copy(), "elapsed": self._elapsed.copy()}
        return {**clock, **{name: array.copy() for name, array in self._save().items()}}

    def restore(self, snapshot: dict[str, Array]) -> Array:
        """Continue from a snapshot and return its observations [N, *O].

        Raises UserError if the snapshot is of another task or another number of environments.
        """
        self._check_fits(snapshot)
        self._seed = int(snapshot["seed"][0])
        self._episode, self._elapsed = snapshot["episode"].copy(), snapshot["elapsed"].copy()
        self._load(snapshot)
        return self._observe()

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
