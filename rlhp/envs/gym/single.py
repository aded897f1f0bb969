"""One environment as an object, with what is wanted of it beyond Gymnasium's interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from rlhp.envs.gym import resume
from rlhp.envs.gym.pictures import Kept, simulated
from rlhp.envs.gym.plain import is_plain
from rlhp.types import Array, Deflated

Factory = Callable[[], gymnasium.Env]
READ = ("cut", "score", "shortened", "unstable")  # of an info, what is read at any step (see rlhp.types.Env)


class Step(NamedTuple):
    """What a step returns. At an end the observation is the next episode's first."""

    observation: Any  # [*O], as the environment returned it
    reward: float
    done: bool
    info: dict[str, Any]
    reset_info: dict[str, Any] | None  # of the next episode; None where none began


class Single:
    """One environment that begins the next episode within the step that ends one, as in Stable-Baselines3's DummyVecEnv.

    Infos are shorter than there: at an episode's end those of its values that are numbers, text, arrays or lists and dicts of
    these, with "terminal_observation" and "TimeLimit.truncated"; at other steps what `rlhp.types.Env` names. Frames have at most
    `film_size` pixels a side. `clone`: `save` pickles the environment.
    """

    def __init__(self, build: Factory, film_size: int = 400, clone: bool = False) -> None:
        self._film_size, self._clone = film_size, clone
        self._hold(build())
        self._built = None if clone else resume.built(self.env)

    def _hold(self, env: gymnasium.Env) -> None:
        self.env = env
        self._read, self._kept = simulated(env), Kept(env, self._film_size)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; the observation [*O], and what is plain of the info."""
        observation, info = self.env.reset(seed=seed, **({"options": options} if options else {}))
        return observation, _plain(info)

    def step(self, action: Any) -> Step:
        """One step, and the next episode's begin where one ends."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if not (terminated or truncated):
            return Step(observation, float(reward), False, {name: info[name] for name in READ if name in info}, None)
        last = np.array(observation, self.env.observation_space.dtype)  # a copy: the environment may write into its own
        told = {**_plain(info), "terminal_observation": last, "TimeLimit.truncated": bool(truncated and not terminated)}
        first, reset_info = self.reset()
        return Step(first, float(reward), True, told, reset_info)

    def state(self) -> Array | None:
        """The state [S] that a clip is rendered from (`rlhp.physics`); None where MuJoCo does not simulate the environment."""
        return None if self._read is None else self._read()

    def frame(self) -> Deflated:
        """What the environment looks like now. Raises UserError where it cannot be drawn."""
        return self._kept.state()

    def save(self) -> bytes | str:
        """Everything that the next step depends on; a text says why it cannot be had."""
        if self._clone:
            return resume.pickled(self.env)
        try:
            return resume.save(self.env, self._built or {})
        except resume.Opaque as error:
            return str(error)

    def load(self, saved: bytes) -> None:
        """Go on from what `save` returned, of an environment built alike. Raises UserError where it does not fit."""
        if self._clone:
            self.env.close()
            self._hold(resume.unpickled(saved))
        else:
            resume.load(self.env, saved)

    def render(self) -> Any:
        """The environment's own picture."""
        return self.env.render()

    def get(self, name: str) -> tuple[bool, Any]:
        """Whether it or one of its wrappers has the attribute, and its value."""
        try:
            return True, self.env.get_wrapper_attr(name)
        except AttributeError as error:
            return False, str(error)

    def set(self, name: str, value: Any) -> None:
        """Set an attribute of the outermost wrapper."""
        setattr(self.env, name, value)

    def call(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """What a method of it or of one of its wrappers returns."""
        return self.env.get_wrapper_attr(name)(*arguments, **keywords)

    def wrapped(self, kind: type) -> bool:
        """Whether one of its wrappers is of this class."""
        return any(isinstance(layer, kind) for layer in resume.layers(self.env))

    def close(self) -> None:
        """Close the environment."""
        self.env.close()


def _plain(info: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in info.items() if is_plain(value)}
