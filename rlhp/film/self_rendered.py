"""Clips of Gymnasium environments, rendered by the environments themselves."""

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

SHORTEST = 1.5  # minimum duration of a clip in seconds, as in the paper (appendix A.1)
USUAL = 30.0  # pictures per second if an environment does not declare a rate


class SelfRendered:
    """Renders clips of the Gymnasium environment `id`, created with `kwargs`.

    For a MuJoCo environment, a clip's states are rendered again with the environment's own camera, without shadows and
    reflections. For all others, the frames stored during the rollout are shown. Playback speed is that of the environment
    (`render_fps` of its metadata, or its `dt`), or slower if a clip of `clip_steps` pictures would be shorter than 1.5 s; `fps`
    overrides it. Raises UserError for an `fps` that is not positive.
    """

    def __init__(
        self, id: str, kwargs: Mapping[str, Any] | None = None, clip_steps: int | None = None, fps: float | None = None
    ) -> None:
        if fps is not None and not fps > 0:
            raise UserError(f"film.fps is {fps}: give a number of pictures per second above 0.")
        self._id, self._kwargs, self._clip_steps, self._fps = id, dict(kwargs or {}), clip_steps, fps

    @property
    def fps(self) -> Fraction:
        """Pictures per second at which a clip is shown."""
        slow = self._rate if self._clip_steps is None else min(self._rate, self._clip_steps / SHORTEST)
        return Fraction(self._fps or slow).limit_denominator(1000)

    @property
    def dt(self) -> float:
        """Seconds between two pictures in the environment's own time."""
        return 1 / self._rate

    def check(self) -> None:
        """Raise UserError if Gymnasium cannot create the environment, or the environment does not render here."""
        try:
            rendered(self._env)
        except UserError as error:
            why = f"The clips of {self._id} cannot be drawn: {str(error).rstrip('.')}"
            raise UserError(f"{why}; choose another environment, or set film to a class that draws them.") from error
        except Exception as error:  # Gymnasium's renderer fails in many ways if OpenGL does not work
            if sentence := refused():
                raise UserError(sentence) from error
            raise

    @contextmanager
    def clip_renderer(self, size: int) -> Generator[Callable[[Segment], Iterator[Array]]]:
        """Yield a function that renders a segment as pictures [H, W, 3] uint8 whose longer side is about `size`."""
        yield lambda segment: (_sized(picture, size) for picture in self._pictures(segment))

    def _pictures(self, segment: Segment) -> Iterator[Array]:
        state = segment.state
        if state is None:
            raise UserError(
                f"These clips of {self._id} cannot be drawn: their frames were not stored; train with watched=true, as "
                "teacher=human does."
            )
        if state.ndim == 4:
            return iter(state)
        return self._rendered_states(state)

    def _rendered_states(self, states: Array) -> Iterator[Array]:
        """Render the simulation in each of the states [L, S]."""
        simulation = physics(self._env)
        if simulation is None:
            raise UserError(f"These clips of {self._id} cannot be drawn: the environment no longer uses MuJoCo.")
        for state in states:
            simulation.place(state)
            yield rendered(self._env)

    @cached_property
    def _env(self) -> gymnasium.Env:
        """The environment that renders."""
        headless()
        without_screen()
        settings = {"disable_env_checker": True, "render_mode": MODE, **self._kwargs}
        try:
            with warnings.catch_warnings():  # an environment without a renderer is reported when it renders
                warnings.filterwarnings("ignore", r".*render_mode='\w+' that is not in the possible", UserWarning)
                env = gymnasium.make(self._id, **settings)
        except (gymnasium.error.Error, ModuleNotFoundError, TypeError) as error:
            raise UserError(f"Gymnasium cannot make {self._id!r} with rendering: {error}") from error
        if physics(env) is not None:
            backend()
            _soften(env)
        env.reset(seed=0)
        return env

    @cached_property
    def _rate(self) -> float:
        """Steps per second in the environment's own time."""
        dt = getattr(self._env.unwrapped, "dt", None)
        found = self._env.metadata.get("render_fps") or (1 / dt if isinstance(dt, float) and dt > 0 else USUAL)
        return float(found)


def _soften(env: gymnasium.Env) -> None:
    """Remove shadows and reflections, which take most of the rendering time without a GPU."""
    model: Any = env.unwrapped.model  # type: ignore[attr-defined]
    model = getattr(model, "ptr", model)
    model.light_castshadow[:], model.mat_reflectance[:] = 0, 0


def _sized(picture: Array, size: int) -> Array:
    """Shrink a picture to `size` pixels, or enlarge it by an integer factor, so that it stays sharp."""
    k = max(1, round(size / max(picture.shape[:2])))
    return shrunk(picture, size) if k == 1 else picture.repeat(k, axis=0).repeat(k, axis=1)
