"""Records episodes of a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rlhp.types import Array, Demonstrations, Episode, UserError


def record(policy: Callable[[Array], Array], env: Any, max_steps: int) -> Demonstrations:
    """Record the first complete episode of each of N environments, under a policy: observations [N, *seen] -> actions [N, *A].

    `env` is a `VecEnv` that is also a `rlhp.types.Env`, with stacked frames if the policy sees stacks. Shortened episodes are
    left out. If the end of an episode is hidden from the agent, as in games, the observation after its last action is the first
    one of the next episode. Raises UserError if an episode does not end within `max_steps` steps.
    """
    stack = getattr(env, "stack", 1)
    newest: Callable[[Array], Array] = (lambda obs: obs[:, -1]) if stack > 1 else (lambda obs: obs)
    tapes = [Tape() for _ in range(env.num_envs)]
    obs = env.reset()
    for _ in range(max_steps):
        act = policy(obs)
        before, (obs, reward, dones, infos) = newest(obs), env.step(act)
        after = newest(obs)
        for i, tape in enumerate(tapes):
            tape.add(before[i], act[i], float(reward[i]), bool(dones[i]), infos[i], after[i])
        if all(tape.over for tape in tapes):
            return Demonstrations(tuple(tape.episode() for tape in tapes if tape.whole), stack)
    raise UserError(
        f"an episode of {env.task} does not end within {max_steps:,} steps; set a time limit, or give a larger --max-steps."
    )


class Tape:
    """Records the steps of one environment until its first episode ends.

    `over`: the episode has ended; `whole`: it has ended and was not shortened.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Array, Array, float]] = []
        self.over, self.whole, self._terminated = False, False, False

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, obs: Array, act: Array, reward: float, done: bool, info: Mapping[str, Any], after: Array) -> None:
        """Add a step: the observations before and after it, and what the environment returned. Ignored after the end."""
        if self.over:
            return
        self._steps.append((np.array(obs), np.array(act), reward))
        self.over = done or bool(info.get("cut"))
        self.whole = self.over and not info.get("shortened")
        self._terminated = done and not info.get("TimeLimit.truncated", False)
        self._last = np.array(info["terminal_observation"]) if done else np.array(after)

    def episode(self) -> Episode:
        """The steps so far, of which there must be at least one, as an episode."""
        obs, act, reward = zip(*self._steps, strict=True)
        last = self._last[-1] if self._last.ndim > obs[0].ndim else self._last  # the newest of a stack
        return Episode(np.stack([*obs, last]), np.stack(act), np.array(reward, np.float32), self._terminated)
