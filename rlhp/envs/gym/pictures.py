"""What clips of one Gymnasium environment are drawn from."""

from __future__ import annotations

import sys
from collections.abc import Callable

import gymnasium

from rlhp.render import MODE, headless, offers, rendered, shrunk
from rlhp.types import Array, Deflated, UserError, deflated


class Kept:
    """Frames of one environment: its own pictures, shrunk until no side is longer than `size` pixels, and compressed.

    `state` raises UserError where the environment draws no picture, or pictures of different sizes: they are put in a row.
    """

    def __init__(self, env: gymnasium.Env, size: int) -> None:
        self._env, self._size, self._shape = env, size, None

    def state(self) -> Deflated:
        """What the environment looks like now, [H, W, 3] uint8."""
        picture = shrunk(rendered(self._env), self._size)
        self._shape = self._shape or picture.shape
        if picture.shape != self._shape:
            raise UserError(
                f"this environment draws pictures of {_size(self._shape)} and of {_size(picture.shape)} pixels: let it keep to "
                "one size."
            )
        return deflated(picture)


def simulated(env: gymnasium.Env) -> Callable[[], Array] | None:
    """What reads the state [S] from which clips are rendered again later, where MuJoCo simulates the environment; else None."""
    if "mujoco" not in sys.modules:
        return None  # nor is it imported to find that out, in a worker process that has no use for it
    from rlhp.physics import physics

    found = physics(env)
    return None if found is None else found.state


def mode(build: Callable[[], gymnasium.Env]) -> dict[str, str]:
    """The keyword with which environments of this kind draw their own pictures; none for those that never do."""
    headless()
    env = build()
    env.close()
    return {"render_mode": MODE} if offers(env) and env.render_mode is None else {}


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape[1::-1]))
