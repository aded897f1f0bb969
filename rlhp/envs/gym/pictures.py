"""Frames and states from which clips of a Gymnasium environment are rendered."""

from __future__ import annotations

import sys
from collections.abc import Callable

import gymnasium

from rlhp.render import MODE, headless, offers, rendered, shrunk
from rlhp.types import Array, Deflated, UserError, deflated


class Kept:
    """Compressed frames of one environment: its own pictures, scaled down to at most `size` pixels per side.

    `state` raises UserError if the environment draws no picture, or pictures of different sizes, which cannot form a clip.
    """

    def __init__(self, env: gymnasium.Env, size: int) -> None:
        self._env, self._size, self._shape = env, size, None

    def state(self) -> Deflated:
        """Return the current picture of the environment, [H, W, 3] uint8."""
        picture = shrunk(rendered(self._env), self._size)
        self._shape = self._shape or picture.shape
        if picture.shape != self._shape:
            raise UserError(
                f"this environment draws pictures of {_size(self._shape)} and of {_size(picture.shape)} pixels: let it use "
                "one size."
            )
        return deflated(picture)


def simulated(env: gymnasium.Env) -> Callable[[], Array] | None:
    """Return a function that reads the state [S] for rendering clips, if MuJoCo simulates the environment; otherwise None."""
    if "mujoco" not in sys.modules:
        return None  # MuJoCo is not imported only to find out, in a worker process that does not need it
    from rlhp.physics import physics

    found = physics(env)
    return None if found is None else found.state


def mode(build: Callable[[], gymnasium.Env]) -> dict[str, str]:
    """Return the keyword that makes these environments draw their own pictures; empty if they cannot."""
    headless()
    env = build()
    env.close()
    return {"render_mode": MODE} if offers(env) and env.render_mode is None else {}


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape[1::-1]))
