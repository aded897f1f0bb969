"""Any Gymnasium environment with a Box observation, for tasks of one's own; its own reward is the true reward."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import gymnasium
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from rlhp.envs.batch import check_counts
from rlhp.types import Array, UserError


def make(id: str, n_envs: int, seed: int, kwargs: dict[str, Any] | None = None) -> GymVecEnv:
    """`n_envs` environments of a registered id, seeded `seed`, `seed` + 1, ...; `kwargs` go to `gymnasium.make`.

    Raises UserError for an id that Gymnasium cannot make, an observation that is not a Box, and numbers that make no sense.
    """
    check_counts(seed, n_envs=n_envs)
    return GymVecEnv(id, [_factory(id, kwargs or {})] * n_envs, seed)


class GymVecEnv(DummyVecEnv):
    """N environments of one Gymnasium id, stepped one after the other.

    Gymnasium has no way to save an environment, so `snapshot` is empty and a resumed run goes on from a reset: it is a valid run,
    though not the same numbers. An environment that terminates tells about its task: the paper's do not (section 3.1.1).
    """

    def __init__(self, id: str, factories: list[Callable[[], gymnasium.Env]], seed: int) -> None:
        super().__init__(factories)
        spec = self.envs[0].spec
        self.task = id
        self.horizon: int | None = None if spec is None else spec.max_episode_steps
        self.seed(seed)

    def stagger(self, after: int | None = None, share: float = 0.0) -> None:
        """Nothing: Gymnasium has no way to shorten an episode. Raises UserError where that is asked for."""
        if after is not None:
            raise UserError(f"Gymnasium has no way to shorten an episode of {self.task}; set restarts.after=null.")

    def states(self) -> None:
        """None: Gymnasium has no common simulator state, so clips cannot be re-rendered."""
        return None

    def snapshot(self) -> dict[str, Array]:
        """Empty: see the class."""
        return {}

    def restore(self, snapshot: dict[str, Array]) -> Array:
        """Go on from a reset; the observations [N, *O]. Raises UserError if the snapshot is of another kind of environment."""
        if snapshot:
            raise UserError(f"The snapshot is not of {self.task}: resume with the environment it was made with.")
        return self.reset()  # type: ignore[return-value]  # a Box observation is an array


def _factory(id: str, kwargs: dict[str, Any]) -> Callable[[], gymnasium.Env]:
    def build() -> gymnasium.Env:
        try:
            env = gymnasium.make(id, **{"disable_env_checker": True, **kwargs})
        except gymnasium.error.UnregisteredEnv as error:
            near = get_close_matches(id, gymnasium.registry, n=3, cutoff=0.0)
            raise UserError(f"Gymnasium has no environment {id!r}; the nearest are {', '.join(near)}.") from error
        except (gymnasium.error.Error, TypeError, ImportError) as error:  # what it lacks, or a keyword it does not know
            raise UserError(f"Gymnasium cannot make {id!r}: {error}") from error
        if not isinstance(env.observation_space, spaces.Box):
            kind = type(env.observation_space).__name__
            raise UserError(f"{id} observes a {kind}: register it under an id of your own, wrapped so that it observes a Box.")
        return env

    return build
