"""N environments of one Gymnasium id as one vectorised environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv

from rlhp.envs.gym.pictures import Kept, simulated
from rlhp.render import MODE, offers
from rlhp.types import Array, Deflated, UserError, stream


class GymVecEnv(DummyVecEnv):
    """N environments of one Gymnasium id, stepped one after the other.

    Gymnasium has no way to save an environment, so a resumed run goes on from a reset: it is a valid run, though not the same
    numbers. What `snapshot` holds is the number of steps, and environment i is seeded with a pure function of (seed, i, steps):
    a resumed run does not repeat the starts of the first. An environment that terminates tells about its task: the paper's do
    not (section 3.1.1).

    Clips of what MuJoCo simulates are rendered again from its states. Of all others frames are kept, at most `film_size` pixels
    wide and high, of the first `filmed` environments, or of as many as `film` was told; None: of none until then.
    """

    stack = 1  # observations that networks see together
    notes: Sequence[str] = ()  # for whoever trains on it

    def __init__(
        self,
        id: str,
        factories: list[Callable[[], gymnasium.Env]],
        seed: int,
        filmed: int | None = 0,
        film_size: int = 400,
    ) -> None:
        super().__init__(factories)
        self.filmed = filmed
        self._simulated = [] if filmed else [read for env in self.envs if (read := simulated(env)) is not None]
        self._kept = [Kept(env, film_size) for env in self.envs]
        self._wanted: Callable[[], int] = lambda: filmed or 0
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

    @property
    def films(self) -> bool:
        """Whether it is to keep frames: nobody else can draw its clips, and it can itself."""
        drawn = offers(self.envs[0]) and self.envs[0].render_mode == MODE
        return drawn and not self._simulated and self.filmed != 0

    def film(self, wanted: Callable[[], int]) -> None:
        """From now on keep frames of the first `wanted()` environments; it is asked before each step."""
        self._wanted = wanted

    def states(self) -> Array | tuple[Deflated, ...] | None:
        """[N, S] float64: states of MuJoCo's simulation (`rlhp.physics`), or frames of the first environments; None: nothing."""
        if self._simulated:
            return np.stack([read() for read in self._simulated])
        return tuple(kept.state() for kept in self._kept[: self._wanted()]) or None

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
