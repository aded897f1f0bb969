"""The variants of `games.py`: those of the robots' benchmark, the emulator alone, and SB3 with its own Atari wrappers."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

import numpy as np
import torch
import variants
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecFrameStack
from variants import Gate, Run, Settings, serve

from rlhp.atari import find
from rlhp.atari.emulator import FRAME_SKIP, console
from rlhp.reward import RewardEnsemble

OURS_ALONE = ("precision", "threads", "normalise_observations", "normalise_reward")  # settings that SB3's PPO does not have


def raw(settings: Settings, gate: Gate) -> None:
    """Run only `act` with the frame skip, on all cores: each process steps its own share of the emulators."""
    context, steps, ends = multiprocessing.get_context("spawn"), 0, []
    for k in range(settings["threads"]):
        mine, theirs = context.Pipe()
        count = len(range(settings["n_envs"])[k :: settings["threads"]])
        context.Process(target=_emulate, args=(theirs, settings["task"], count, k), daemon=True).start()
        ends.append(mine)
    while True:
        gate(steps)
        for end in ends:
            end.send(max(gate.end - perf_counter(), 0.02))
        steps += sum(end.recv() for end in ends)


def _emulate(connection: Connection, task: str, count: int, seed: int) -> None:
    """Step `count` emulators at random for each received number of seconds; send the number of steps."""
    consoles, rng = [console(find(task)) for _ in range(count)], np.random.default_rng(seed)
    moves = consoles[0].getMinimalActionSet()
    while (seconds := _received(connection)) is not None:
        steps, end = 0, seconds + perf_counter()
        while perf_counter() < end:
            for ale, k in zip(consoles, rng.integers(len(moves), size=count).tolist(), strict=True):
                for _ in range(FRAME_SKIP):
                    ale.act(moves[k])
                if ale.game_over():
                    ale.reset_game()
            steps += count
        connection.send(steps)


def _received(connection: Connection) -> float | None:
    """Receive the next message; None if the connection is closed."""
    try:
        return connection.recv()
    except EOFError:
        return None


def sb3(settings: Settings, gate: Gate, vec_env_cls: type[VecEnv], threads: int | None) -> None:
    """Run stock PPO and CnnPolicy with SB3's Atari wrappers; `threads` of torch, None: torch's default."""
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(settings["seed"])
    rom = "".join(part.capitalize() for part in find(settings["task"]).rom.split("_"))
    games = make_atari_env(f"{rom}NoFrameskip-v4", settings["n_envs"], seed=settings["seed"], vec_env_cls=vec_env_cls)
    model = PPO(env=VecFrameStack(games, 4), **stock_settings(settings["agent"]))
    try:
        model.learn(variants.ENDLESS, callback=variants.GateCallback(gate))
    finally:
        games.close()


def stock_settings(agent: Settings) -> dict[str, Any]:
    """Return the agent's settings that stock PPO has, with its own network and optimiser."""
    kept = {key: value for key, value in variants.known_to_ppo(agent).items() if key not in OURS_ALONE}
    return {**kept, "policy_kwargs": {}, **{key: variants.schedule(kept[key]) for key in ("learning_rate", "clip_range")}}


def labelled(settings: Settings, gate: Gate) -> None:
    """Run the whole loop with labels. Its first gate adds the time that the shortened first fit saves to the start."""
    with timed() as clock:
        variants.loop(settings, _Lengthening(gate.connection, clock=clock, share=settings["first_fit"]))


class FitClock:
    """Seconds and number of the gradient steps in this process."""

    def __init__(self) -> None:
        self.seconds = 0.0


@contextmanager
def timed() -> Iterator[FitClock]:
    """Time the fits in this process within this block."""
    clock, fit = FitClock(), RewardEnsemble.fit

    def timed(self: RewardEnsemble, *args: Any) -> Any:
        before = perf_counter()
        try:
            return fit(self, *args)
        finally:
            clock.seconds += perf_counter() - before

    RewardEnsemble.fit = timed  # type: ignore[method-assign]
    try:
        yield clock
    finally:
        RewardEnsemble.fit = fit  # type: ignore[method-assign]


class _Lengthening(Gate):
    """A gate whose first window opens as if the fits before it had taken 1 / `share` times as long."""

    def __init__(self, connection: Connection, clock: FitClock, share: float) -> None:
        super().__init__(connection)
        self._clock, self._share = clock, share

    def __call__(self, steps: int, ready: bool = True) -> None:
        """Report the steps, like `Gate`."""
        if self.end == 0 and ready:
            self.began -= self._clock.seconds * (1 / self._share - 1)
        super().__call__(steps, ready)


VARIANTS = ("raw", "sampling", "loop_true", "loop_5500", "sb3", "sb3_one_thread", "sb3_workers")
RUNS: dict[str, Run] = {
    "raw": raw,
    "sampling": variants.sampling,
    "loop_true": variants.loop,
    "loop_5500": labelled,
    "profile_true": variants.profiled,
    "profile_5500": variants.profiled,
    "sb3": partial(sb3, vec_env_cls=DummyVecEnv, threads=None),
    "sb3_one_thread": partial(sb3, vec_env_cls=DummyVecEnv, threads=1),
    "sb3_workers": partial(sb3, vec_env_cls=SubprocVecEnv, threads=None),
}


def work(name: str, connection: Connection, folder: str) -> None:
    """Main function of a process that runs one of RUNS."""
    serve(RUNS[name], connection, folder)
