"""N environments of one Gymnasium id as one vectorised environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv

from rlhp.types import Array, UserError, stream


class GymVecEnv(DummyVecEnv):
    """N environments of one Gymnasium id, stepped one after the other.

    Gymnasium has no way to save an environment, so a resumed run goes on from a reset: it is a valid run, though not the same
    numbers. What `snapshot` holds is the number of steps, and environment i is seeded with a pure function of (seed, i, steps):
    a resumed run does not repeat the starts of the first. An environment that terminates tells about its task: the paper's do
    not (section 3.1.1).
    """

    stack = 1  # observations that networks see together
    notes: Sequence[str] = ()  # for whoever trains on it
    source: Any = None  # its observations before they were made one array, and how they are; None: they are one

    def __init__(self, id: str, factories: list[Callable[[], gymnasium.Env]], seed: int) -> None:
        super().__init__(factories)
        spec = self.envs[0].spec
        self.task = id
        self.horizon: int | None = None if spec is None else spec.max_episode_steps
        self._seed, self._made = seed, 0
        self.seed()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """The next reset begins the episodes of this seed; None keeps the seed. Returns what each environment is seeded with."""
        self._seed = self._seed if seed is None else seed
        streams = [stream(self._seed, "env", i, self._made) for i in range(self.num_envs)]
        self._seeds = [int(rng.integers(2**31)) for rng in streams]  # as large as every library's seeds may be
        return self._seeds

    def stagger(self, after: int | None = None, share: float = 0.0) -> None:
        """Say on stderr what to know before training: Gymnasium has no way to shorten an episode.

        Raises UserError where that is asked for.
        """
        if after is not None:
            raise UserError(f"Gymnasium has no way to shorten an episode of {self.task}; set restarts.after=null.")
        if self.horizon is None:
            print(
                f"{self.task} has no time limit: where its episodes do not end by themselves there is no true return; "
                "env.max_episode_steps=1000 sets a limit.",
                file=sys.stderr,
            )

    def states(self) -> None:
        """None: Gymnasium has no common simulator state, so clips cannot be re-rendered."""
        return None

    def step_wait(self) -> Any:
        """One step of every environment: observations [N, *O], true rewards [N] float32, dones [N], infos."""
        self._made += 1
        return super().step_wait()

    def snapshot(self) -> dict[str, Array]:
        """How many steps each environment has made: see the class."""
        return {"steps": np.array(self._made)}

    def restore(self, snapshot: dict[str, Array]) -> None:
        """None: the run goes on from the next reset, which begins with episodes of its own.

        Raises UserError if the snapshot is of another kind of environment.
        """
        if set(snapshot) != {"steps"}:
            raise UserError(f"The snapshot is not of {self.task}: resume with the environment it was made with.")
        self._made = int(snapshot["steps"])
        self.seed()
