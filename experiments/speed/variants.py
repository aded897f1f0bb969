"""The five variants whose speed is compared, each in its own process that runs only while it is measured.

A variant is a function (settings, gate) that never returns and calls `gate(steps)` with the environment steps so far, as often as
is convenient. The call returns while a window is open, and blocks otherwise.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import gymnasium
import mujoco
import numpy as np
import shares
import torch
from hydra.utils import instantiate
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from rlhp.envs.tasks import Task, find
from rlhp.length import value
from rlhp.train import build, train

ENDLESS = 10**12  # environment steps
MORTAL = ("hopper", "walker", "ant")  # Gymnasium ends their episodes early unless told not to
LEARNS = "entropy"  # in a rollout's metrics as soon as the policy is updated
Settings = Mapping[str, Any]


class Closed(Exception):
    """Raised in a variant that is not needed any more."""


@dataclass(frozen=True, slots=True)
class Window:
    """Steps and seconds of a variant while its gate was open, or before the gate opened for the first time."""

    steps: int
    seconds: float

    @property
    def rate(self) -> float:
        """Environment steps per second."""
        return self.steps / self.seconds


@dataclass(slots=True)
class Gate:
    """Blocks a variant between windows; the other end of the connection sends the seconds of a window, or None to end."""

    connection: Connection
    end: float = 0.0  # of the open window; 0: none so far
    steps: int = 0  # at the start of the window
    began: float = field(default_factory=perf_counter)

    def __call__(self, steps: int, ready: bool = True) -> None:
        """Report the steps since the start. The first window opens when the variant is `ready`. Raises Closed at the end."""
        now = perf_counter()
        if now < self.end or not ready:
            return
        self.connection.send(Window(steps - self.steps, now - self.began))
        seconds = self.connection.recv()
        if seconds is None:
            raise Closed
        self.steps, self.began = steps, perf_counter()
        self.end = self.began + seconds


class GateTracker:
    """The process's gate as a tracker of training: called after every rollout, and ready once the policy learns."""

    current: Gate

    def __init__(self) -> None:
        self._gate = GateTracker.current

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        """Report the rollout that ended at `step`."""
        self._gate(step, ready=self._gate.end > 0 or LEARNS in metrics)

    def close(self) -> None:
        """Raise RuntimeError: the run has reached its last step during the measurement."""
        raise RuntimeError("the run ended while it was measured; take fewer or shorter windows, or a larger total_steps")


def raw(settings: Settings, gate: Gate) -> None:
    """Run only mj_step with the task's frame skip on all threads; each steps its own share of the environments without waiting.

    Starts, horizon and actions are those of a policy before its first update: a Gaussian, limited to the control range.
    """
    task, n = find(settings["task"]), settings["n_envs"]
    std = float(np.exp(settings["agent"]["policy_kwargs"].get("log_std_init", 0.0)))
    model, steps = task.robot.model(), 0
    simulators = [Simulator(task, model, std, np.random.default_rng((settings["seed"], i))) for i in range(n)]
    chunks = [simulators[i :: settings["threads"]] for i in range(min(settings["threads"], n))]
    with ThreadPoolExecutor(len(chunks)) as pool:
        while True:
            gate(steps)
            steps += sum(pool.map(_drive, chunks, [max(gate.end, perf_counter() + 0.02)] * len(chunks)))


def _drive(simulators: list[Simulator], end: float) -> int:
    """Step these simulators in turn until a time; return the number of steps."""
    steps = 0
    while perf_counter() < end:
        for simulator in simulators:
            simulator.step()
        steps += len(simulators)
    return steps


class Simulator:
    """One environment of a task without observations and rewards."""

    def __init__(self, task: Task, model: mujoco.MjModel, std: float, rng: np.random.Generator) -> None:
        self._task, self._model, self._std, self._rng = task, model, std, rng
        self._data = mujoco.MjData(model)
        self._ctrl, self._skip = self._data.ctrl, task.robot.frame_skip
        self._begin()

    def _begin(self) -> None:
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[:], self._data.qvel[:] = self._task.start(self._rng, self._model.qpos0)
        mujoco.mj_forward(self._model, self._data)
        low, high = self._model.actuator_ctrlrange.T
        actions = self._rng.standard_normal((self._task.horizon, self._model.nu)) * self._std
        self._actions = iter(actions.clip(low, high))

    def step(self) -> None:
        """Run one environment step; start a new episode at the task's horizon."""
        action = next(self._actions, None)
        if action is None:
            self._begin()
            action = next(self._actions)
        self._ctrl[:] = action
        mujoco.mj_step(self._model, self._data, self._skip)


def sampling(settings: Settings, gate: Gate) -> None:
    """Run policy, environments and recording: the agent's rollouts without updates."""
    torch.set_num_threads(settings["torch_threads"])
    parts = build(settings)
    try:
        for _ in parts.agent.rollouts(ENDLESS):
            gate(parts.agent.num_timesteps)
    finally:
        parts.env.close()


def loop(settings: Settings, gate: Gate) -> None:
    """Run the whole loop: unmodified `rlhp.train.train` with the gate as its tracker."""
    GateTracker.current = gate
    train({**settings, "tracker": {"_target_": "variants.GateTracker"}}, Path(tempfile.mkdtemp()) / "run")


def profiled(settings: Settings, gate: Gate) -> None:
    """Run the whole loop under `shares`; after the last window, send the seconds of each part.

    With one thread everything runs in this process, and its processor time is measured, which other load hardly changes.
    """
    clock = shares.Clock(process_time if settings["threads"] == 1 else perf_counter)
    with shares.watching(clock):
        try:
            loop(settings, _Resetting(gate.connection, clock=clock))
        except Closed:
            gate.connection.send(clock.seconds)
            raise


@dataclass(slots=True)
class _Resetting(Gate):
    """A gate that resets the clock when a window opens."""

    clock: Any = None

    def __call__(self, steps: int, ready: bool = True) -> None:
        """Report the steps, like `Gate`."""
        before = self.end
        Gate.__call__(self, steps, ready)
        if self.end != before:
            self.clock.reset()


def sb3(settings: Settings, gate: Gate) -> None:
    """Run stock PPO on the true reward on Gymnasium's environments in a DummyVecEnv, with the same normalisation."""
    torch.set_num_threads(settings["torch_threads"])
    torch.manual_seed(settings["seed"])
    venv = make_vec_env(lambda: _gymnasium(settings["task"]), settings["n_envs"], seed=settings["seed"])
    options = _ppo_options(settings["agent"])
    model = PPO("MlpPolicy", VecNormalize(venv, gamma=options["gamma"]), device="cpu", **options)
    try:
        model.learn(ENDLESS, callback=GateCallback(gate))
    finally:
        venv.close()


def _gymnasium(name: str) -> gymnasium.Env:
    """Create Gymnasium's environment of a task, without early termination, as in rlhp."""
    kwargs = {"terminate_when_unhealthy": False} if name in MORTAL else {}
    return gymnasium.make(find(name).robot.gymnasium_id, disable_env_checker=True, **kwargs)


def _ppo_options(agent: Settings) -> dict[str, Any]:
    """Return the agent's settings that stock PPO has; the optimiser is SB3's own, Adam without `fused`."""
    options = known_to_ppo(agent)
    policy = dict(options["policy_kwargs"])
    policy["activation_fn"] = getattr(torch.nn, policy["activation_fn"])
    policy["optimizer_kwargs"] = {k: v for k, v in policy.get("optimizer_kwargs", {}).items() if k != "fused"}
    return {**options, "policy_kwargs": policy, "learning_rate": schedule(options["learning_rate"])}


def known_to_ppo(agent: Settings) -> dict[str, Any]:
    """Return the settings that are also arguments of stock PPO."""
    known = set(inspect.signature(PPO).parameters)
    return {key: value(given) for key, given in agent.items() if key in known}


def schedule(setting: Any) -> Any:
    """Return a number, or the schedule that a node of the settings describes."""
    return instantiate(setting)


class GateCallback(BaseCallback):
    """The gate as a callback of Stable-Baselines3: called before every rollout except the first."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def _on_rollout_start(self) -> None:
        self._gate(self.num_timesteps, ready=self.num_timesteps > 0)

    def _on_step(self) -> bool:
        return True


Run = Callable[[Settings, Gate], None]
RUNS: dict[str, Run] = {
    "raw": raw,
    "sampling": sampling,
    "loop_700": loop,
    "loop_true": loop,
    "sb3": sb3,
    "profile_700": profiled,
    "profile_true": profiled,
}


def work(name: str, connection: Connection, folder: str) -> None:
    """Main function of a process that runs one of RUNS."""
    serve(RUNS[name], connection, folder)


def serve(run: Run, connection: Connection, folder: str) -> None:
    """Run a variant with each received settings, until None is received; write its files to `folder`."""
    tempfile.tempdir = folder
    while (settings := connection.recv()) is not None:
        try:
            run(settings, Gate(connection))
        except Closed:
            continue
        except Exception as error:
            connection.send(error)
            raise
