"""Frames of a rollout: compressed one by one as environments act, of the first so many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from rlhp.types.basics import Array
from rlhp.types.clips import Deflated, Film, film


@dataclass(frozen=True, slots=True)
class Frames:
    """What the first k environments looked like before each action: `[T][k]`, each `[H, W, 3]` uint8, deflated by itself.

    The number of environments may differ from step to step.
    """

    rows: tuple[tuple[Deflated, ...], ...]

    @property
    def envs(self) -> int:
        """k: how many environments there are frames of at every step."""
        return min(map(len, self.rows), default=0)

    def film(self, steps: slice, env: int) -> Film:
        """What one environment looked like at these steps."""
        return film([row[env] for row in self.rows[steps]])

    def joined(self, more: Frames) -> Frames:
        """These, and those of the following steps."""
        return Frames(self.rows + more.rows)

    def arrays(self, name: str) -> dict[str, Array]:
        """As entries of a snapshot; without those that `envs` leaves out."""
        flat = [frame for row in self.rows for frame in row[: self.envs]]
        data = np.frombuffer(b"".join(frame.data for frame in flat), np.uint8)
        sizes = [len(self.rows), self.envs, *(flat[0].shape if flat else ())]
        return {f"{name}/frames": data, f"{name}/ends": np.cumsum([len(f.data) for f in flat]), f"{name}/sizes": np.array(sizes)}


def in_a_row(states: Sequence[Array | tuple[Deflated, ...]]) -> Array | Frames:
    """What `Env.states` returned before each of T >= 1 steps, always of one kind, as a rollout holds it."""
    if isinstance(states[0], tuple):
        return Frames(tuple(cast(Sequence[tuple[Deflated, ...]], states)))
    return np.stack(cast(Sequence[Array], states))


def frames_of(name: str, arrays: dict[str, Array]) -> Frames | None:
    """What `Frames.arrays` was called on; None where a snapshot holds no frames of that name."""
    if f"{name}/frames" not in arrays:
        return None
    steps, envs, *shape = (int(size) for size in arrays[f"{name}/sizes"])
    parts: list[Any] = np.split(arrays[f"{name}/frames"], arrays[f"{name}/ends"][:-1])
    flat = [Deflated(part.tobytes(), tuple(shape)) for part in parts]
    return Frames(tuple(tuple(flat[i * envs : (i + 1) * envs]) for i in range(steps)))
