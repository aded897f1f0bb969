"""Clips of Gymnasium environments, as these draw themselves."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from typing import Any

import gymnasium

from rlhp.film.render import backend, without_screen
from rlhp.film.trial import refused
from rlhp.physics import physics
from rlhp.render import MODE, headless, rendered, shrunk
from rlhp.types import Array, Segment, UserError

SHORTEST = 1.5  # seconds for which a person watches a clip, as in the paper (appendix A.1)
USUAL = 30.0  # pictures a second where an environment does not say


class SelfRendered:
    """Draws clips of a Gymnasium environment of this id, made with these `kwargs`.

    Where MuJoCo simulates it, a clip's states are rendered again by the environment's own camera, without shadows and mirrors.
    Of all others the frames are shown that were kept while it acted. People see a clip at the environment's own speed
    (`render_fps` of its metadata, or its `dt`), or slower where it would be over in less than 1.5 s: `clip_steps` is how many
    pictures it has. `fps` says otherwise. Raises UserError for an `fps` that is not positive.
    """

    def __init__(
        self, id: str, kwargs: Mapping[str, Any] | None = None, clip_steps: int | None = None, fps: float | None = None
    ) -> None:
        if fps is not None and not fps > 0:
            raise UserError(f"film.fps is {fps}: give pictures a second, above 0.")
        self._id, self._kwargs, self._clip_steps, self._fps = id, dict(kwargs or {}), clip_steps, fps

    @property
    def fps(self) -> Fraction:
        """Pictures a second at which people watch a clip."""
        slow = self._rate if self._clip_steps is None else min(self._rate, self._clip_steps / SHORTEST)
        return Fraction(self._fps or slow).limit_denominator(1000)

    @property
    def dt(self) -> float:
        """Seconds from one picture to the next, as the environment counts them."""
        return 1 / self._rate

    def check(self) -> None:
        """Raises UserError where Gymnasium cannot make the environment, or it does not draw here."""
        try:
            rendered(self._env)
        except UserError as error:
            why = f"The clips of {self._id} cannot be drawn: {str(error).rstrip('.')}"
            raise UserError(f"{why}; choose another environment, or name a class as film that draws them.") from error
        except Exception as error:  # Gymnasium's renderer fails in many ways where OpenGL does
            if sentence := refused():
                raise UserError(sentence) from error
            raise

    @contextmanager
    def clip_renderer(self, size: int) -> Generator[Callable[[Segment], Iterator[Array]]]:
        """Draws one segment after another, as pictures [H, W, 3] uint8 whose longer side is about `size`."""
        yield lambda segment: (_sized(picture, size) for picture in self._pictures(segment))

    def _pictures(self, segment: Segment) -> Iterator[Array]:
        state = segment.state
        if state is None:
            raise UserError(
                f"These clips of {self._id} cannot be drawn: no frames of them were kept; train with watched=true, as "
                "teacher=human does."
            )
        if state.ndim == 4:
            return iter(state)
        return self._again(state)

    def _again(self, states: Array) -> Iterator[Array]:
        """Pictures of a simulation in these states [L, S]."""
        simulation = physics(self._env)
        if simulation is None:
            raise UserError(f"These clips of {self._id} cannot be drawn: its simulation is not MuJoCo's any more.")
        for state in states:
            simulation.place(state)
            yield rendered(self._env)

    @cached_property
    def _env(self) -> gymnasium.Env:
        """One environment, to be drawn."""
        headless()
        without_screen()
        settings = {"disable_env_checker": True, "render_mode": MODE, **self._kwargs}
        try:
            with warnings.catch_warnings():  # an environment that draws nothing is told of when it is drawn
                warnings.filterwarnings("ignore", r".*render_mode='\w+' that is not in the possible", UserWarning)
                env = gymnasium.make(self._id, **settings)
        except (gymnasium.error.Error, ModuleNotFoundError, TypeError) as error:
            raise UserError(f"Gymnasium cannot make {self._id!r} so that it draws its clips: {error}") from error
        if physics(env) is not None:
            backend()
            _soften(env)
        env.reset(seed=0)
        return env

    @cached_property
    def _rate(self) -> float:
        """Steps a second, as the environment counts them."""
        dt = getattr(self._env.unwrapped, "dt", None)
        found = self._env.metadata.get("render_fps") or (1 / dt if isinstance(dt, float) and dt > 0 else USUAL)
        return float(found)


def _soften(env: gymnasium.Env) -> None:
    """Draw without shadows and mirrors: they take most of the time without a GPU."""
    model: Any = env.unwrapped.model  # type: ignore[attr-defined]
    model = getattr(model, "ptr", model)
    model.light_castshadow[:], model.mat_reflectance[:] = 0, 0


def _sized(picture: Array, size: int) -> Array:
    """Shrunk to `size` pixels, or each pixel k x k of its own, so that they stay sharp."""
    k = max(1, round(size / max(picture.shape[:2])))
    return shrunk(picture, size) if k == 1 else picture.repeat(k, axis=0).repeat(k, axis=1)
