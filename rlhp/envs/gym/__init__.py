"""Any Gymnasium environment with a Box observation, for tasks of one's own; its own reward is the true reward."""

from __future__ import annotations

from typing import Any

from rlhp.envs.batch import check_counts
from rlhp.envs.gym import contract
from rlhp.envs.gym.build import factory
from rlhp.envs.gym.vec import GymVecEnv

__all__ = ["GymVecEnv", "make"]


def make(
    id: str, n_envs: int, seed: int, kwargs: dict[str, Any] | None = None, max_episode_steps: int | None = None
) -> GymVecEnv:
    """`n_envs` environments of a registered id; `kwargs` go to `gymnasium.make`, and `max_episode_steps`: null is the id's own.

    Raises UserError for an id that Gymnasium cannot make, an environment that does not keep to its interface or has spaces
    that cannot be used (see `rlhp.envs.gym.contract`), and numbers that make no sense. What its constructor raises passes.
    """
    limit = {} if max_episode_steps is None else {"max_episode_steps": max_episode_steps}
    check_counts(seed, n_envs=n_envs, **limit)
    build = factory(id, {"disable_env_checker": True, **limit, **(kwargs or {})})
    contract.check(id, build)
    return GymVecEnv(id, [build] * n_envs, seed)
