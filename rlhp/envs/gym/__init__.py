"""Any Gymnasium environment, for tasks of one's own; its own reward is the true reward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlhp.envs.batch import check_counts
from rlhp.envs.gym import contract, observation
from rlhp.envs.gym.build import factory
from rlhp.envs.gym.vec import GymVecEnv
from rlhp.envs.gym.wrappers import Named

__all__ = ["GymVecEnv", "make"]


def make(
    id: str,
    n_envs: int,
    seed: int,
    kwargs: dict[str, Any] | None = None,
    max_episode_steps: int | None = None,
    wrappers: Sequence[Named] = (),
    stack: int = 1,
) -> GymVecEnv:
    """`n_envs` environments of a registered id; `kwargs` go to `gymnasium.make`, and `max_episode_steps`: null is the id's own.

    `wrappers` are put around each, the first one innermost (`rlhp.envs.gym.wrappers`). Networks see the newest `stack`
    observations together. What is observed is one array (`rlhp.envs.gym.observation`).

    Raises UserError for an id that Gymnasium cannot make, an environment that does not keep to its interface or has spaces
    that cannot be used (see `rlhp.envs.gym.contract`), and numbers that make no sense. What its constructor raises passes.
    """
    limit = {} if max_episode_steps is None else {"max_episode_steps": max_episode_steps}
    check_counts(seed, n_envs=n_envs, stack=stack, **limit)
    build = factory(id, {"disable_env_checker": True, **limit, **(kwargs or {})}, wrappers)
    contract.check(id, build)
    env = GymVecEnv(id, [observation.factory(build, stack)] * n_envs, seed)
    env.stack, env.notes = stack, observation.notes(env.envs[0], id)
    env.source = observation.source(env.envs[0])
    return env
