"""A single environment of a run with Gymnasium's interface, for use with other libraries."""

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
    """Create the spec from which `gymnasium.make` builds the environment of a run; its id needs no registration.

    `settings` are all settings of the run, and `horizon` is the number of steps per episode, if known.
    """
    node = {**settings["env"], **({"threads": 1} if "threads" in settings["env"] else {})}
    return EnvSpec(
        id=f"rlhp/{settings['task']}-v0", entry_point=ENTRY, kwargs={"node": node}, max_episode_steps=horizon, order_enforce=False
    )


class One(gymnasium.Env[Array, Any]):
    """A single environment described by `node` (`_target_` and its arguments, as in a run's settings).

    Its reward is the true reward. A hidden end of an episode is a truncation here.
    """

    def __init__(self, node: Mapping[str, Any], render_mode: str | None = None) -> None:
        self._node, self.render_mode = dict(node), render_mode
        self._env = self._build(int(node.get("seed", 0)))
        self.observation_space, self.action_space = self._env.observation_space, self._env.action_space

    def _build(self, seed: int) -> Any:
        """Build a batch of one environment, which is not desynchronised: its episodes have full length."""
        module, _, name = str(self._node["_target_"]).rpartition(".")
        arguments = {key: value for key, value in self._node.items() if key != "_target_"}
        return getattr(import_module(module), name)(**{**arguments, "n_envs": 1, "seed": seed})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start an episode; a seed restarts the sequence of episodes."""
        super().reset(seed=seed)
        if seed is not None:
            self._env.close()
            self._env = self._build(seed)
        return np.array(self._env.reset()[0]), {}

    def step(self, action: Any) -> tuple[Array, SupportsFloat, bool, bool, dict[str, Any]]:
        """Run one step; at the end of an episode the observation is its last one."""
        obs, reward, done, infos = self._env.step(np.asarray(action)[np.newaxis])
        info = dict(infos[0])
        last = info.pop("terminal_observation", obs[0]) if done[0] else obs[0]
        truncated = bool(info.get("TimeLimit.truncated")) or bool(info.get("cut"))
        return np.array(last), float(reward[0]), bool(done[0]) and not truncated, truncated, info

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
