"""Any Gymnasium environment, for your own tasks; its reward is the true reward.

Modules that a worker process imports need neither Stable-Baselines3 nor torch, so others are imported inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rlhp.types import UserError

if TYPE_CHECKING:
    from rlhp.envs.gym.vec import GymVecEnv
    from rlhp.envs.gym.wrappers import Named

__all__ = ["GymVecEnv", "make"]

SMALLEST = 16  # pixels: smaller frames show nothing, and video codecs reject them


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
    """Create `n_envs` environments of a registered id.

    `kwargs` are passed to `gymnasium.make`; `max_episode_steps` null is the limit registered with the id. `wrappers` are applied
    to each environment, the first one innermost (`rlhp.envs.gym.wrappers`). Networks see the newest `stack` observations
    together. Observations are converted to one array (`rlhp.envs.gym.observation`).

    If `watched`, people look at clips, and frames are kept of environments that MuJoCo does not simulate, at most `film_size`
    pixels wide and high: of the first `filmed` environments, or with null, of as many as queries need. A number keeps frames even
    if not `watched`; 0 keeps none.

    `workers` processes step the environments; 1: the calling process does; null: as many as `threads`, if a step is measured to
    be slow enough for them to pay off. `clone`: checkpoints contain the pickled environments.

    Raises UserError for an id that Gymnasium cannot make, for an environment that violates Gymnasium's interface or has
    unsupported spaces (see `rlhp.envs.gym.contract`), and for values out of range. Exceptions of its constructor propagate.
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
