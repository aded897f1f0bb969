"""Any Gymnasium environment with a Box observation, for tasks of one's own; its own reward is the true reward.

What a worker process imports of this package needs neither Stable-Baselines3 nor torch: what does is imported where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhp.envs.gym.vec import GymVecEnv

__all__ = ["GymVecEnv", "make"]


def __getattr__(name: str) -> Any:
    if name != "GymVecEnv":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rlhp.envs.gym.vec import GymVecEnv

    return GymVecEnv


def make(
    id: str,
    n_envs: int,
    seed: int,
    kwargs: dict[str, Any] | None = None,
    max_episode_steps: int | None = None,
    workers: int | None = 1,
    threads: int = 1,
    clone: bool = False,
) -> GymVecEnv:
    """`n_envs` environments of a registered id; `kwargs` go to `gymnasium.make`, and `max_episode_steps`: null is the id's own.

    `workers` processes step them; 1: the calling process does; null: as many as `threads` where a step is measured to be slow
    enough to repay them. `clone`: checkpoints hold the environments pickled. Raises UserError for an id that Gymnasium cannot
    make, an environment that does not keep to its interface or has spaces that cannot be used (see `rlhp.envs.gym.contract`),
    and numbers that make no sense. What its constructor raises passes.
    """
    from rlhp.envs.batch import check_counts
    from rlhp.envs.gym import contract
    from rlhp.envs.gym.build import factory
    from rlhp.envs.gym.share import chosen
    from rlhp.envs.gym.vec import GymVecEnv

    limits = {"max_episode_steps": max_episode_steps, "workers": workers}
    check_counts(seed, n_envs=n_envs, threads=threads, **{name: limit for name, limit in limits.items() if limit is not None})
    limit = {} if max_episode_steps is None else {"max_episode_steps": max_episode_steps}
    build = factory(id, {"disable_env_checker": True, **limit, **(kwargs or {})})
    contract.check(id, build)
    return GymVecEnv(id, [build] * n_envs, seed, chosen(id, build, n_envs, workers, threads), clone=clone)
