"""Frames of a rollout: those of the first k environments, compressed one by one while they act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from rlhp.types.basics import Array
from rlhp.types.clips import Deflated, Film, film


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of the first k environments before each action: `[T][k]`, each `[H, W, 3]` uint8, compressed by itself.

    The number of environments may differ from step to step.
    """

    rows: tuple[tuple[Deflated, ...], ...]

    @property
    def envs(self) -> int:
        """k: the number of environments that have frames at every step."""
        return min(map(len, self.rows), default=0)

    def film(self, steps: slice, env: int) -> Film:
        """The frames of one environment at these steps."""
        return film([row[env] for row in self.rows[steps]])

    def joined(self, more: Frames) -> Frames:
        """Append the frames of the following steps."""
        return Frames(self.rows + more.rows)

    def arrays(self, name: str) -> dict[str, Array]:
        """Convert the frames of the first `envs` environments to entries of a snapshot."""
        flat = [frame for row in self.rows for frame in row[: self.envs]]
        data = np.frombuffer(b"".join(frame.data for frame in flat), np.uint8)
        sizes = [len(self.rows), self.envs, *(flat[0].shape if flat else ())]
        return {f"{name}/frames": data, f"{name}/ends": np.cumsum([len(f.data) for f in flat]), f"{name}/sizes": np.array(sizes)}


def stack_states(states: Sequence[Array | tuple[Deflated, ...]]) -> Array | Frames:
    """Combine what `Env.states` returned before each of T >= 1 steps, always of one kind, to the `state` of a rollout."""
    if isinstance(states[0], tuple):
        return Frames(tuple(cast(Sequence[tuple[Deflated, ...]], states)))
    return np.stack(cast(Sequence[Array], states))


def frames_of(name: str, arrays: dict[str, Array]) -> Frames | None:
    """The inverse of `Frames.arrays`; None if the snapshot has no frames of that name."""
    if f"{name}/frames" not in arrays:
        return None
    steps, envs, *shape = (int(size) for size in arrays[f"{name}/sizes"])
    parts: list[Any] = np.split(arrays[f"{name}/frames"], arrays[f"{name}/ends"][:-1])
    flat = [Deflated(part.tobytes(), tuple(shape)) for part in parts]
    return Frames(tuple(tuple(flat[i * envs : (i + 1) * envs]) for i in range(steps)))
