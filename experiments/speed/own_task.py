"""Speed of env=gym on your own environments, compared with Stable-Baselines3's DummyVecEnv and SubprocVecEnv.

    python experiments/speed/own_task.py [--tasks CarRacing-v3,Humanoid-v5] [--n-envs 8] [--rounds 5] [--seconds 2]

Only steps the same environments with the same random actions: in one process (`workers=1`), in two (`workers=2`), with the choice
of env.workers=null (`chosen`), in `DummyVecEnv` (`dummy`), and in an unmodified `SubprocVecEnv` with a process per environment
(`subproc`). All variants exist at once, run in turn for some seconds each, and pause while another one is measured; each round
starts
with another variant. Ratios are computed within a round. Writes own_task.csv and prints its table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import machine
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from rlhp.csv_records import write_csv
from rlhp.envs import gym
from rlhp.envs.gym.build import factory

HERE = Path(__file__).parent
TASKS = {"CarRacing-v3": {"continuous": True}, "Humanoid-v5": {}, "CartPole-v1": {}}
VARIANTS = ("workers=1", "workers=2", "chosen", "dummy", "subproc")
BASE = "dummy"
Rates = dict[str, list[float]]  # steps/s in each round, by variant


def makers(task: str, n_envs: int, threads: int) -> dict[str, Callable[[], VecEnv]]:
    """Return functions that create each variant's environments."""
    kwargs = TASKS.get(task, {})
    build = factory(task, {"disable_env_checker": True, **kwargs})
    counts = {"workers=1": 1, "workers=2": 2, "chosen": None}
    ours = {name: own(task, n_envs, kwargs, count, threads) for name, count in counts.items()}
    return {**ours, "dummy": lambda: DummyVecEnv([build] * n_envs), "subproc": lambda: SubprocVecEnv([build] * n_envs)}


def own(task: str, n_envs: int, kwargs: dict[str, Any], workers: int | None, threads: int) -> Callable[[], VecEnv]:
    return lambda: gym.make(task, n_envs, 0, kwargs=kwargs, workers=workers, threads=threads)


def stepped(env: VecEnv, actions: Sequence[Any], seconds: float) -> float:
    """Measure steps of an environment per second, for at least this many seconds."""
    begun, made = time.perf_counter(), 0
    while made == 0 or time.perf_counter() - begun < seconds:
        env.step(actions[made % len(actions)])
        made += 1
    return made * env.num_envs / (time.perf_counter() - begun)


def measure(task: str, options: argparse.Namespace) -> tuple[Rates, int]:
    """Measure the rates of all variants in each round; return them and the chosen number of workers."""
    envs = {name: make() for name, make in makers(task, options.n_envs, options.threads).items()}
    actions = [np.array([envs[BASE].action_space.sample() for _ in range(options.n_envs)]) for _ in range(200)]
    rates: Rates = {name: [] for name in VARIANTS}
    try:
        for env in envs.values():
            env.reset()
            stepped(env, actions, 0.2)
        for number in range(options.rounds):
            turn = number % len(VARIANTS)
            for name in (*VARIANTS[turn:], *VARIANTS[:turn]):
                rates[name].append(stepped(envs[name], actions, options.seconds))
        return rates, getattr(envs["chosen"], "workers", 0)
    finally:
        for env in envs.values():
            env.close()


def rows(task: str, rates: Rates, chosen: int) -> list[dict[str, Any]]:
    """Return a row per variant: medians over the rounds."""
    found = []
    for name, rate in rates.items():
        to = {base: median(a / b for a, b in zip(rate, rates[base], strict=True)) for base in ("dummy", "subproc")}
        row = {"task": task, "variant": name, "workers": chosen if name == "chosen" else "", "steps_per_s": round(median(rate))}
        found.append(row | {f"to_{base}": f"{value:.2f}" for base, value in to.items()})
    return found


def table(found: Sequence[dict[str, Any]]) -> str:
    """Format the table of README.md."""
    head = "| task | variant | steps/s | times `dummy` | times `subproc` |\n|---|---|---|---|---|"
    lines = [
        f"| {row['task']} | {row['variant']}{f' ({w})' if (w := row['workers']) else ''} | {row['steps_per_s']:,} | "
        f"{row['to_dummy']} | {row['to_subproc']} |"
        for row in found
    ]
    return "\n".join([head, *lines])


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(TASKS))
    parser.add_argument("--n-envs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args(argv)
    found = [row for task in options.tasks for row in rows(task, *measure(task, options))]
    write_csv(options.out / "own_task.csv", [*found[0]], [[*row.values()] for row in found])
    given = {"n_envs": options.n_envs, "rounds": options.rounds, "seconds": options.seconds, "threads": options.threads}
    machine.write(options.out / "own_task-machine.json", ["own_task.py", *argv], **given)
    print(table(found))


if __name__ == "__main__":
    main(sys.argv[1:])
