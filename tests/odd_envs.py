"""Environments of the kinds that people bring, by id: PYTHONPATH=tests rlhp train env=gym env.id=odd_envs:Plain-v0 ...

All but the broken ones are the same task, to push a point along a line to the right, in another guise each.
"""

import os
import time
from copy import deepcopy
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import register

VECTOR = spaces.Box(-10, 10, (3,), np.float32)
EXECUTED: list[Any] = []  # the actions that `Disc` and `IntBoxAct` environments were given, of all instances


class Line(gymnasium.Env):
    """The observation is where the point is, the time and a 1; the reward is where it is."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 30}
    observation_space: spaces.Space = VECTOR
    action_space: spaces.Space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode: str | None = None, actions: spaces.Space | None = None, ends: float = 0.0) -> None:
        self.render_mode, self.ends = render_mode, ends
        self.action_space = actions or self.action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position, self.steps = float(self.np_random.uniform(-0.1, 0.1)), 0
        return self.observe(), {}

    def step(self, action):
        assert self.action_space.contains(action), f"{action!r} is not an action of {self.action_space}"
        self.steps += 1
        self.position = float(np.clip(self.position + 0.1 * np.sum(action), -5, 5))
        return self.observe(), self.reward(), bool(self.np_random.random() < self.ends), False, {}

    def observe(self) -> Any:
        return np.array([self.position, self.steps / 100, 1], np.float32)

    def reward(self) -> Any:
        return self.position

    def render(self):
        picture = np.zeros((80, 120, 3), np.uint8)
        column = int((self.position + 5) * 11)
        picture[30:50, column : column + 10] = 255
        return picture


class Remembering(Line):
    def step(self, action):
        EXECUTED.append(action)
        return super().step(action)


class Double(Line):
    observation_space = spaces.Box(-10, 10, (3,), np.float64)

    def observe(self):
        return super().observe().astype(np.float64)


class Image(Line):
    def __init__(self, render_mode: str | None = None, side: int = 64) -> None:
        super().__init__(render_mode)
        self.observation_space = spaces.Box(0, 255, (side, side, 3), np.uint8)

    def observe(self):
        return np.full(self.observation_space.shape, 20 * self.position + 127, np.uint8)


class Parts(Line):
    observation_space = spaces.Dict(a=VECTOR, b=spaces.Discrete(4))

    def observe(self):
        return {"a": super().observe(), "b": self.steps % 4}


class Pair(Line):
    observation_space = spaces.Tuple([VECTOR, spaces.Discrete(4)])

    def observe(self):
        return super().observe(), self.steps % 4


class RewardNaN(Line):
    def __init__(self, render_mode: str | None = None, every: int = 1) -> None:
        super().__init__(render_mode)
        self.every = every

    def reward(self):
        return float("nan") if self.steps % self.every == 0 else self.position


class ObservationNaN(Line):
    def observe(self):
        observation = super().observe()
        if self.steps == 30:
            observation[1] = np.nan
        return observation


class RewardArray(Line):
    def reward(self):
        return np.array([self.position])


class Zero(Line):
    def reward(self):
        return 0.0


class Closed(Line):
    """Part of its state is where nobody can read it."""

    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed)
        self.wind = iter([0.01 * k for k in range(1000)])
        return observation, info

    def step(self, action):
        self.position += next(self.wind)
        return super().step(action)


class Told(Closed):
    """It says itself what its state is."""

    def get_state(self):
        return {"at": np.array([self.position, self.steps]), "wind": len(list(deepcopy(self.wind)))}

    def set_state(self, state):
        self.position, self.steps = float(state["at"][0]), int(state["at"][1])
        self.wind = iter([0.01 * k for k in range(1000 - state["wind"], 1000)])


class Forgetful(Told):
    def set_state(self, state):
        super().set_state({**state, "at": np.zeros(2)})


class Copied(Line):
    """It can be pickled, though its state is in a class that is pickled in a way of its own."""

    class Clock(dict):
        ticks = 0

    def reset(self, *, seed=None, options=None):
        self.clock = self.Clock(ticks=0)
        return super().reset(seed=seed)

    def step(self, action):
        self.clock["ticks"] += 1
        observation, reward, *rest = super().step(action)
        return observation, reward + self.clock["ticks"], *rest


class Failing(Line):
    """It raises at its fifth step, or takes its process with it."""

    def __init__(self, render_mode: str | None = None, way: str = "raise") -> None:
        super().__init__(render_mode)
        self.way = way

    def step(self, action):
        if self.steps == 4:
            {"raise": self.divide, "die": lambda: os._exit(3), "hang": lambda: time.sleep(1000)}[self.way]()
        return super().step(action)

    def divide(self):
        return 1 / 0


class NoRender(Line):
    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)

    render = gymnasium.Env.render


class Gym021(gymnasium.Env):
    """The interface of Gym before 0.26."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self):
        return np.zeros(2, np.float32)

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, False, {}


class NoOptions(Line):
    def reset(self, seed=None):
        return super().reset(seed=seed)


class Returning(Line):
    """A line whose `reset` or `step` returns something else."""

    def __init__(self, render_mode: str | None = None, reset: Any = None, **changed: Any) -> None:
        super().__init__(render_mode)
        self.started, self.changed = reset, changed

    def reset(self, *, seed=None, options=None):
        started = super().reset(seed=seed)
        return started if self.started is None else self.started

    def step(self, action):
        names = ("observation", "reward", "terminated", "truncated", "info")
        stepped = dict(zip(names, super().step(action), strict=True))
        return self.changed.get("step", tuple((stepped | self.changed).values()))


class Raising(gymnasium.Env):
    """An environment of which there can be none."""

    def __init__(self, error: type[Exception]) -> None:
        raise error("there is no such thing")


KINDS: dict[str, tuple[type, int | None, dict[str, Any]]] = {  # class, max_episode_steps, keywords
    "Plain": (Line, 40, {}),
    "Disc": (Remembering, 40, {"actions": spaces.Discrete(3)}),
    "DiscStart": (Remembering, 40, {"actions": spaces.Discrete(3, start=-1)}),
    "MultiDisc": (Line, 40, {"actions": spaces.MultiDiscrete([3, 4])}),
    "MultiBin": (Line, 40, {"actions": spaces.MultiBinary(4)}),
    "Unbounded": (Line, 40, {"actions": spaces.Box(-np.inf, np.inf, (1,), np.float32)}),
    "IntBoxAct": (Remembering, 40, {"actions": spaces.Box(0, 5, (1,), np.int64)}),
    "Dict": (Parts, 40, {}),
    "Tuple": (Pair, 40, {}),
    "Image": (Image, 40, {"side": 12}),
    "Huge": (Image, 40, {"side": 210}),
    "F64": (Double, 40, {}),
    "Term": (Line, 40, {"ends": 0.02}),
    "TermFast": (Line, 40, {"ends": 0.3}),
    "NaN": (RewardNaN, 40, {"every": 30}),
    "AllNaN": (RewardNaN, 40, {}),
    "NanObs": (ObservationNaN, 40, {}),
    "Zero": (Zero, 40, {}),
    "NoRender": (NoRender, 40, {}),
    "OldGym": (Gym021, 40, {}),
    "NoOptions": (NoOptions, 40, {}),
    "NoLimit": (Line, None, {}),
    "Short": (Line, 5, {}),
    "RewArr": (RewardArray, 40, {}),
    "Returning": (Returning, 40, {}),
    "Closed": (Closed, 40, {}),
    "Told": (Told, 40, {}),
    "Forgetful": (Forgetful, 40, {}),
    "Copied": (Copied, 40, {}),
    "Failing": (Failing, 40, {}),
    "Initassert": (Raising, None, {"error": AssertionError}),
    "Initfile": (Raising, None, {"error": FileNotFoundError}),
    "Initkey": (Raising, None, {"error": KeyError}),
    "Inittype": (Raising, None, {"error": TypeError}),
    "Initimport": (Raising, None, {"error": ImportError}),
}
for name, (kind, limit, keywords) in KINDS.items():
    register(f"{name}-v0", entry_point=f"{__name__}:{kind.__name__}", max_episode_steps=limit, kwargs=keywords)
