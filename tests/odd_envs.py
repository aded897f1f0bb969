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
        self.action_space = self.action_space if actions is None else actions

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


def picture(position: float, *shape: int) -> Any:
    """Channels last, dark but for a column at the position."""
    image = np.zeros(shape, np.uint8)
    image[:, round((position + 5) / 10 * (shape[1] - 1))] = 250
    return image


OBSERVED: dict[str, tuple[spaces.Space, Any]] = {  # a space, and what is observed of position and steps
    "Dict": (spaces.Dict(a=VECTOR, b=spaces.Discrete(4)), lambda x, t: {"a": np.array([x, t / 100, 1], np.float32), "b": t % 4}),
    "Tuple": (spaces.Tuple([VECTOR, spaces.Discrete(4)]), lambda x, t: (np.array([x, t / 100, 1], np.float32), t % 4)),
    "Nested": (
        spaces.Dict(
            a=spaces.Tuple([spaces.Box(-10, 10, (2, 2), np.float64), spaces.MultiBinary(3)]),
            b=spaces.Dict(c=spaces.MultiDiscrete([2, 3]), d=spaces.Discrete(3, start=-1)),
        ),
        lambda x, t: {
            "a": (np.array([[x, t / 100], [1, 2]]), np.array([1, 0, t % 2], np.int8)),
            "b": {"c": np.array([t % 2, t % 3]), "d": t % 3 - 1},
        },
    ),
    "Cell": (spaces.Discrete(11), lambda x, t: int(round(x) + 5)),
    "Choices": (spaces.MultiDiscrete([11, 3]), lambda x, t: np.array([round(x) + 5, t % 3])),
    "Bits": (spaces.MultiBinary([2, 2]), lambda x, t: np.array([[x > 0, x > 1], [x > 2, t % 2]], np.int8)),
    "Number": (spaces.Box(-10, 10, (), np.float32), lambda x, t: np.array(x, np.float32)),
    "Whole": (spaces.Box(-10, 10, (2,), np.int64), lambda x, t: np.array([round(x), t % 10])),
    "Ram": (spaces.Box(0, 255, (6,), np.uint8), lambda x, t: np.array([10 * x + 100, t % 256, 1, 2, 3, 4]).astype(np.uint8)),
    "Board": (spaces.Box(0, 1, (4, 4, 2), bool), lambda x, t: picture(x, 4, 4, 2) > 0),
    "Image": (spaces.Box(0, 255, (16, 16, 3), np.uint8), lambda x, t: picture(x, 16, 16, 3)),
    "Screen": (spaces.Box(0, 255, (36, 36, 1), np.uint8), lambda x, t: picture(x, 36, 36, 1)),
    "First": (spaces.Box(0, 255, (3, 16, 16), np.uint8), lambda x, t: np.moveaxis(picture(x, 16, 16, 3), 2, 0).copy()),
    "Grey": (spaces.Box(0, 255, (16, 16), np.uint8), lambda x, t: picture(x, 16, 16)),
    "Deep": (spaces.Box(0, 255, (20, 20, 24), np.uint8), lambda x, t: picture(x, 20, 20, 24)),  # more channels than rows
    "Real": (spaces.Box(-1, 1, (16, 16, 1), np.float32), lambda x, t: picture(x, 16, 16, 1).astype(np.float32) / 255),
    "Grid": (spaces.Box(0, 1, (20, 20, 4), bool), lambda x, t: picture(x, 20, 20, 4) > 0),
    "OneKey": (spaces.Dict(pixels=spaces.Box(0, 255, (16, 16, 3), np.uint8)), lambda x, t: {"pixels": picture(x, 16, 16, 3)}),
    "Camera": (
        spaces.Dict(camera=spaces.Box(0, 255, (16, 16, 3), np.uint8), mode=spaces.Discrete(3), speed=VECTOR),
        lambda x, t: {"camera": picture(x, 16, 16, 3), "mode": t % 3, "speed": np.array([x, t / 100, 1], np.float32)},
    ),
    "Huge": (spaces.Box(0, 255, (210, 210, 3), np.uint8), lambda x, t: picture(x, 210, 210, 3)),
    "Mission": (spaces.Dict(a=VECTOR, mission=spaces.Text(9)), lambda x, t: {"a": np.zeros(3, np.float32), "mission": "go"}),
    "Text": (spaces.Text(9), lambda x, t: "go"),
    "Liar": (spaces.Dict(a=VECTOR, b=spaces.Discrete(4)), lambda x, t: {"a": np.zeros(3, np.float32), "b": t + 4}),
    "Missing": (spaces.Dict(a=VECTOR, b=spaces.Discrete(4)), lambda x, t: {"a": np.zeros(3, np.float32)}),
}


class Observing(Line):
    """A line observed in another way."""

    def __init__(self, render_mode: str | None = None, what: str = "", actions: spaces.Space | None = None) -> None:
        super().__init__(render_mode, actions)
        self.observation_space, self.what = OBSERVED[what][0], what

    def observe(self):
        return OBSERVED[self.what][1](self.position, self.steps)


class Executing(Line):
    """A line whose action is the first number of a Dict's."""

    action_space = spaces.Dict(push=spaces.Discrete(3))

    def step(self, action):
        return super().step(action)


class Reversed(gymnasium.ActionWrapper):
    """To be named in the settings: the other way round, times a factor."""

    def __init__(self, env: gymnasium.Env, factor: float = 1.0) -> None:
        super().__init__(env)
        self.factor = factor

    def action(self, action):
        return (-self.factor * np.asarray(action)).clip(-1, 1).astype(np.float32)


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
    "MultiTable": (Remembering, 40, {"actions": spaces.MultiDiscrete([[3, 4], [2, 2]], start=[[-1, 0], [0, 5]])}),
    "MultiBinTable": (Remembering, 40, {"actions": spaces.MultiBinary([2, 2])}),
    "BoxTable": (Remembering, 40, {"actions": spaces.Box(-1, 1, (2, 3), np.float64)}),
    "DictAct": (Executing, 40, {}),
    "CameraMultiDisc": (Observing, 40, {"what": "Camera", "actions": spaces.MultiDiscrete([3, 4])}),
    "ImageDisc": (Observing, 40, {"what": "Image", "actions": spaces.Discrete(3, start=-1)}),
    "ScreenDisc": (Observing, 40, {"what": "Screen", "actions": spaces.Discrete(3)}),
    **{what: (Observing, 40, {"what": what}) for what in OBSERVED},
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
