"""Profiling: the seconds of each part of training by itself, without the parts that it calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from time import perf_counter
from typing import Any

from stable_baselines3.common.buffers import RolloutBuffer

from rlhp import query, teacher
from rlhp.agent import Blind, Recorder, ReturnNormaliser
from rlhp.agent.fast import FastCnnPPO, FastPPO
from rlhp.agent.fast.manual_mlp import ManualMLP
from rlhp.agent.normalise import ObservationNormaliser
from rlhp.agent.stack import FrameStack
from rlhp.atari.workers import Workers
from rlhp.envs.atari import AtariVecEnv
from rlhp.envs.batch import BatchVecEnv
from rlhp.envs.mujoco import MujocoVecEnv
from rlhp.memory import Recent
from rlhp.reward import AsynchronousReward
from rlhp.run import RunDirectory
from rlhp.store import Store

PHYSICS, ARRAYS, FORWARD = "physics", "observations, resets", "policy forward"
NORMALISE, RECORD, COLLECT = "normalisation", "recording", "collecting (SB3's loop)"
UPDATE, RETURNS = "PPO update", "returns, reward scale"
FIT, PREDICT, ASK, BOOK = "waiting for the reward fit", "reward prediction", "clips, queries, store", "logs, checkpoints"
REST = "rest"

PARTS: list[tuple[type, str, str]] = [  # class, method, part; listed methods that a method calls count for their own part
    (MujocoVecEnv, "_start", PHYSICS),
    (MujocoVecEnv, "_finish", PHYSICS),
    (MujocoVecEnv, "_gather", ARRAYS),
    (MujocoVecEnv, "states", RECORD),
    (BatchVecEnv, "step_wait", ARRAYS),
    (ManualMLP, "__call__", FORWARD),
    (ObservationNormaliser, "step_wait", NORMALISE),
    (Recorder, "step_async", RECORD),
    (Recorder, "step_wait", RECORD),
    (Recorder, "rollout", RECORD),
    (RolloutBuffer, "add", RECORD),
    (FastPPO, "collect_rollouts", COLLECT),
    (FastPPO, "train", UPDATE),
    (FastCnnPPO, "collect_rollouts", COLLECT),
    (FastCnnPPO, "_act", FORWARD),
    (FastCnnPPO, "train", UPDATE),
    (FrameStack, "step_wait", ARRAYS),
    (Workers, "finish", PHYSICS),
    (AtariVecEnv, "step_wait", ARRAYS),
    (AtariVecEnv, "states", RECORD),
    (Blind, "update", RETURNS),
    (ReturnNormaliser, "__call__", RETURNS),
    (RolloutBuffer, "compute_returns_and_advantage", RETURNS),
    (AsynchronousReward, "_wait", FIT),
    (AsynchronousReward, "__call__", PREDICT),
    (Recent, "add", ASK),
    (query.Disagreement, "__call__", ASK),
    (query.Uniform, "__call__", ASK),
    (teacher.Oracle, "__call__", ASK),
    *((Store, method, ASK) for method in ("ask", "unanswered", "answer", "wait", "collect", "_counts")),
    (RunDirectory, "log", BOOK),
    (RunDirectory, "end_step", BOOK),
]


class Clock:
    """Seconds by part, measured with `now`; time counts for the innermost running part. For one thread."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self._running, self._now = [REST], now or perf_counter
        self.reset()

    def reset(self) -> None:
        """Reset all times; running parts keep running."""
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = self._now()

    def switch(self) -> None:
        """Credit the time since the last switch to the innermost part."""
        now = self._now()
        self.seconds[self._running[-1]] += now - self._last
        self._last = now

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Wrap the function so that its time is credited to the part."""

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.switch()
            self._running.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.switch()
                self._running.pop()

        return wrapper


@contextmanager
def watching(clock: Clock) -> Iterator[None]:
    """Time every method of PARTS within this block."""
    before = [(owner, name, owner.__dict__.get(name)) for owner, name, _ in PARTS]
    try:
        for owner, name, part in PARTS:
            setattr(owner, name, clock.timed(getattr(owner, name), part))
        yield
    finally:
        for owner, name, method in before:
            delattr(owner, name) if method is None else setattr(owner, name, method)


def table(columns: dict[str, tuple[dict[str, float], int]], per: int) -> str:
    """Format milliseconds per `per` environment steps and share of each part; columns: name -> (seconds by part, steps)."""
    parts = list(dict.fromkeys([part for *_, part in PARTS] + [REST]))
    lines = [f"{f'ms per {per:,} steps':<26}" + "".join(f"{name:>26}" for name in columns)]
    for part in [*parts, "all"]:
        cells = [_cell(seconds, steps, part, per) for seconds, steps in columns.values()]
        lines.append(f"{part:<26}" + "".join(f"{cell:>26}" for cell in cells))
    return "\n".join(lines)


def _cell(seconds: dict[str, float], steps: int, part: str, per: int) -> str:
    total = sum(seconds.values())
    taken = total if part == "all" else seconds.get(part, 0.0)
    return f"{1000 * per * taken / steps:9.1f} {100 * taken / total:5.1f} %"
