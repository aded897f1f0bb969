"""A single environment with functions beyond Gymnasium's interface: automatic reset, state, frames, saving."""

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
READ = ("cut", "score", "shortened", "unstable")  # keys of an info that are read at every step (see rlhp.types.Env)


class Step(NamedTuple):
    """Result of a step. At the end of an episode, the observation is the first of the next one."""

    observation: Any  # [*O], as the environment returned it
    reward: float
    done: bool
    info: dict[str, Any]
    reset_info: dict[str, Any] | None  # of the next episode; None if none started


class Single:
    """One environment that starts the next episode in the step that ends one, as in Stable-Baselines3's DummyVecEnv.

    Infos are reduced: at the end of an episode to values that are numbers, text, arrays or lists and dicts of these, plus
    "terminal_observation" and "TimeLimit.truncated"; at other steps to the keys that `rlhp.types.Env` names. Frames have at most
    `film_size` pixels per side. `clone`: `save` pickles the environment.
    """

    def __init__(self, build: Factory, film_size: int = 400, clone: bool = False) -> None:
        self._film_size, self._clone = film_size, clone
        self._hold(build())
        self._built = None if clone else resume.built(self.env)

    def _hold(self, env: gymnasium.Env) -> None:
        self.env = env
        self._read, self._kept = simulated(env), Kept(env, self._film_size)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; return the observation [*O] and the plain values of the info."""
        observation, info = self.env.reset(seed=seed, **({"options": options} if options else {}))
        return observation, _plain(info)

    def step(self, action: Any) -> Step:
        """Run one step, and start the next episode if one ends."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if not (terminated or truncated):
            return Step(observation, float(reward), False, {name: info[name] for name in READ if name in info}, None)
        last = np.array(observation, self.env.observation_space.dtype)  # a copy: the environment may write into its own
        final = {**_plain(info), "terminal_observation": last, "TimeLimit.truncated": bool(truncated and not terminated)}
        first, reset_info = self.reset()
        return Step(first, float(reward), True, final, reset_info)

    def state(self) -> Array | None:
        """Return the state [S] for rendering a clip (`rlhp.physics`); None if MuJoCo does not simulate the environment."""
        return None if self._read is None else self._read()

    def frame(self) -> Deflated:
        """Return the current picture of the environment. Raises UserError if it cannot be drawn."""
        return self._kept.state()

    def save(self) -> bytes | str:
        """Return everything that the next step depends on, or a text that says why it cannot be saved."""
        if self._clone:
            return resume.pickled(self.env)
        try:
            return resume.save(self.env, self._built or {})
        except resume.Opaque as error:
            return str(error)

    def load(self, saved: bytes) -> None:
        """Restore what `save` of an equally built environment returned. Raises UserError if it does not fit."""
        if self._clone:
            self.env.close()
            self._hold(resume.unpickled(saved))
        else:
            resume.load(self.env, saved)

    def render(self) -> Any:
        """Return the environment's own picture."""
        return self.env.render()

    def get(self, name: str) -> tuple[bool, Any]:
        """Return whether the environment or one of its wrappers has the attribute, and its value."""
        try:
            return True, self.env.get_wrapper_attr(name)
        except AttributeError as error:
            return False, str(error)

    def set(self, name: str, value: Any) -> None:
        """Set an attribute of the outermost wrapper."""
        setattr(self.env, name, value)

    def call(self, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Call a method of the environment or of one of its wrappers."""
        return self.env.get_wrapper_attr(name)(*arguments, **keywords)

    def wrapped(self, kind: type) -> bool:
        """Return whether one of its wrappers is of this class."""
        return any(isinstance(layer, kind) for layer in resume.layers(self.env))

    def close(self) -> None:
        """Close the environment."""
        self.env.close()


def _plain(info: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in info.items() if is_plain(value)}
