"""Any Gymnasium environment, for tasks of one's own; its own reward is the true reward.

What a worker process imports of this package needs neither Stable-Baselines3 nor torch: what does is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rlhp.types import UserError

if TYPE_CHECKING:
    from rlhp.envs.gym.vec import GymVecEnv
    from rlhp.envs.gym.wrappers import Named

__all__ = ["GymVecEnv", "make"]

SMALLEST = 16  # pixels of a frame: below, there is nothing to see, and video codecs refuse


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
    wrappers: Sequence[Named] = (),
    stack: int = 1,
    watched: bool = False,
    filmed: int | None = None,
    film_size: int = 400,
    workers: int | None = 1,
    threads: int = 1,
    clone: bool = False,
) -> GymVecEnv:
    """`n_envs` environments of a registered id; `kwargs` go to `gymnasium.make`, and `max_episode_steps`: null is the id's own.

    `wrappers` are put around each, the first one innermost (`rlhp.envs.gym.wrappers`). Networks see the newest `stack`
    observations together. What is observed is one array (`rlhp.envs.gym.observation`).

    `watched` tells whether people look at clips. If they do, frames are kept of those environments that MuJoCo does not
    simulate, at most `film_size` pixels wide and high: of the first `filmed`, or null, of as many as questions need. A number
    asks for frames in any case, 0 for none.

    `workers` processes step the environments; 1: the calling process does; null: as many as `threads` where a step is measured to
    be slow enough to repay them. `clone`: checkpoints hold the environments pickled.

    Raises UserError for an id that Gymnasium cannot make, an environment that does not keep to its interface or has spaces
    that cannot be used (see `rlhp.envs.gym.contract`), and numbers that make no sense. What its constructor raises passes.
    """
    from rlhp.envs.batch import check_counts
    from rlhp.envs.gym import contract, observation
    from rlhp.envs.gym.build import factory
    from rlhp.envs.gym.pictures import mode
    from rlhp.envs.gym.share import chosen
    from rlhp.envs.gym.vec import GymVecEnv

    limits = {"max_episode_steps": max_episode_steps, "workers": workers}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    check_counts(seed, n_envs=n_envs, stack=stack, threads=threads, **given)
    wanted = filmed if filmed is not None or watched else 0
    _check_film(n_envs, wanted, film_size)
    limit = {} if max_episode_steps is None else {"max_episode_steps": max_episode_steps}
    settings = {"disable_env_checker": True, **limit, **(kwargs or {})}
    build = factory(id, settings, wrappers)
    contract.check(id, build)
    if wanted != 0:
        build = factory(id, settings | mode(build), wrappers)
    build = observation.factory(build, stack)
    share = chosen(id, build, n_envs, workers, threads)
    return GymVecEnv(id, [build] * n_envs, seed, share, wanted, film_size, clone, stack)


def _check_film(n_envs: int, filmed: int | None, size: int) -> None:
    if filmed is not None and not 0 <= filmed <= n_envs:
        raise UserError(f"env.filmed is {filmed}: give 0 to n_envs={n_envs} environments, or null for as many as are needed.")
    if size < SMALLEST:
        raise UserError(f"env.film_size is {size} pixels, too few to see anything: give at least {SMALLEST}.")
