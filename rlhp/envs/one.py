"""One environment of a run's with Gymnasium's own interface, for other people's libraries."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from rlhp.types import Array

ENTRY = "rlhp.envs.one:One"


def spec(settings: Mapping[str, Any], horizon: int | None) -> EnvSpec:
    """What `gymnasium.make` builds the environment of a run from; its id needs no registration.

    `settings` are all of a run's, and `horizon` the steps of an episode of its environment, as far as they are known.
    """
    node = {**settings["env"], **({"threads": 1} if "threads" in settings["env"] else {})}
    return EnvSpec(
        id=f"rlhp/{settings['task']}-v0", entry_point=ENTRY, kwargs={"node": node}, max_episode_steps=horizon, order_enforce=False
    )


class One(gymnasium.Env[Array, Any]):
    """The environment that `node` describes (`_target_` and its arguments, as in a run's settings), alone.

    Its reward is the true one. Where the next episode begins without the agent being told, this one is truncated.
    """

    def __init__(self, node: Mapping[str, Any], render_mode: str | None = None) -> None:
        self._node, self.render_mode = dict(node), render_mode
        self._env = self._made(int(node.get("seed", 0)))
        self.observation_space, self.action_space = self._env.observation_space, self._env.action_space

    def _made(self, seed: int) -> Any:
        """The batch of one. Where a run puts its environments out of step, this one's episodes are whole."""
        module, _, name = str(self._node["_target_"]).rpartition(".")
        arguments = {key: value for key, value in self._node.items() if key != "_target_"}
        return getattr(import_module(module), name)(**{**arguments, "n_envs": 1, "seed": seed})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin an episode; a seed begins its sequence of episodes."""
        super().reset(seed=seed)
        if seed is not None:
            self._env.close()
            self._env = self._made(seed)
        return np.array(self._env.reset()[0]), {}

    def step(self, action: Any) -> tuple[Array, SupportsFloat, bool, bool, dict[str, Any]]:
        """Act once; at an episode's end the observation is its last one."""
        obs, reward, done, infos = self._env.step(np.asarray(action)[np.newaxis])
        info = dict(infos[0])
        last = info.pop("terminal_observation", obs[0]) if done[0] else obs[0]
        truncated = bool(info.get("TimeLimit.truncated")) or bool(info.get("cut"))
        return np.array(last), float(reward[0]), bool(done[0]) and not truncated, truncated, info

    def close(self) -> None:
        """End it."""
        self._env.close()
