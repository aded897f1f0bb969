"""What a policy is worth under the true reward, and what it looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from gymnasium.error import DependencyNotInstalled
from stable_baselines3.common.vec_env import VecEnv

from rlhp.types import Array, UserError

Policy = Callable[[Any], Array]  # raw observations [N, *O] -> actions [N, *A]


class Simulated(Protocol):
    """N environments that tell their simulators' states."""

    def reset(self) -> Any:
        """The first observations [N, *O]."""
        ...

    def step(self, actions: Array) -> Any:
        """(observations, rewards, dones, infos) after actions [N, *A]."""
        ...

    def states(self) -> Array | None:
        """[N, S], or None where there is no simulator to ask."""
        ...


def returns(policy: Policy, env: VecEnv, episodes: int) -> Array:
    """Undiscounted true returns of `episodes` complete episodes; the environment's rewards are the true ones.

    Each of the N environments contributes a share fixed beforehand: taking whichever episodes end first would favour short ones.
    Raises UserError for less than one episode.
    """
    if episodes < 1:
        raise UserError(f"episodes={episodes}: at least one episode is needed")
    share = (episodes + np.arange(env.num_envs)) // env.num_envs
    running, done = np.zeros(env.num_envs), np.zeros(env.num_envs, int)
    finished: list[float] = []
    obs = env.reset()
    while (done < share).any():
        obs, reward, dones, _ = env.step(policy(obs))
        running += reward
        finished += running[dones & (done < share)].tolist()
        done += dones
        running[dones] = 0
    return np.array(finished)


def watch(policy: Policy, env: Simulated, steps: int) -> Array:
    """[steps, S]: simulator states of the first environment, from its reset, each before its action.

    Raises UserError where the environment has no simulator states: draw it with `pictures` instead.
    """
    seen: list[Array] = []
    obs = env.reset()
    for _ in range(steps):
        states = env.states()
        if states is None:
            raise UserError("this environment has no simulator states to draw from")
        seen.append(np.array(states[0]))
        obs = env.step(policy(obs))[0]
    return np.stack(seen)


def pictures(policy: Policy, env: VecEnv, steps: int) -> Iterator[Array]:
    """The environment's own pictures [H, W, 3] uint8, before each of `steps` actions; it was made with render_mode "rgb_array".

    Raises UserError if it does not draw, and where the library that it draws with is missing.
    """
    obs = env.reset()
    for _ in range(steps):
        yield _picture(env)
        obs = env.step(policy(obs))[0]


def _picture(env: VecEnv) -> Array:
    try:
        image = next(iter(env.get_images()))
    except NotImplementedError:
        image = None
    except DependencyNotInstalled as error:
        raise UserError(str(error)) from error
    if image is None:
        raise UserError("this environment draws no pictures (it does not support render_mode=rgb_array)")
    return image
