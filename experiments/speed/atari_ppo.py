"""Speed of PPO on an Atari game compared with Stable-Baselines3: all variants in one run, as ratios.

    python experiments/speed/atari_ppo.py [--task pong] [--rounds 3]

Each variant acts and learns for a rollout of 8 environments and 128 steps in each round, on one thread of this process; rounds
start with different variants. Time is CPU time, so other load on the machine has little effect. Prints the medians over the
rounds and writes atari_ppo.csv.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import ale_py
import gymnasium
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack

from rlhp.agent import BlindPPO, ppo
from rlhp.agent.build import make
from rlhp.csv_records import write_csv
from rlhp.envs.atari import AtariVecEnv
from rlhp.envs.atari import make as atari

HERE = Path(__file__).parent
GYMNASIUM = {"beamrider": "BeamRider", "spaceinvaders": "SpaceInvaders"}  # ids that are not just capitalised
STOCK = "SB3 with its Atari wrappers"  # denominator of the ratios
Rounds = Iterator[tuple[float, float]]  # CPU seconds of acting and of learning in each round


def agent_settings(*overrides: str) -> dict[str, Any]:
    """Compose the agent's settings from conf/."""
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        node = OmegaConf.to_container(compose("config", ["threads=1", *overrides]).agent, resolve=True)
    return dict(instantiate(node, _convert_="all").keywords)


def stock(task: str) -> Rounds:
    """Run PPO.learn on the game with SB3's wrappers, with its points and ends of lives."""
    gymnasium.register_envs(ale_py)
    env = VecFrameStack(make_atari_env(f"{GYMNASIUM.get(task, task.capitalize())}NoFrameskip-v4", n_envs=8, seed=0), 4)
    settings = agent_settings(f"env={task}")
    for ours in ("precision", "threads", "normalise_observations", "normalise_reward"):
        del settings[ours]
    settings["policy_kwargs"] = {}
    clock: list[float] = []
    agent = PPO(env=env, **settings)
    while True:
        start = process_time()
        agent.learn(8 * agent.n_steps, callback=Clock(clock), reset_num_timesteps=False)
        yield clock[-1] - start, process_time() - clock[-1]


class Clock(BaseCallback):
    """Records when acting ended."""

    def __init__(self, ends: list[float]) -> None:
        super().__init__()
        self._ends = ends

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._ends.append(process_time())


def stock_over_ours(task: str) -> Rounds:
    """Run SB3's PPO on this project's environment."""
    settings = agent_settings(f"env={task}")
    del settings["precision"], settings["threads"]
    settings["policy_kwargs"] = {}
    return rounds(make(BlindPPO, environment(task), **settings))


def ours(network: str, precision: str) -> Callable[[str], Rounds]:
    """Return the variant of `conf/agent/ppo_atari.yaml` with a network and a precision."""

    def variant(task: str) -> Rounds:
        settings = agent_settings(f"env={task}", f"agent/network={network}", f"agent.precision={precision}")
        return rounds(ppo(environment(task), **settings))

    return variant


def environment(task: str) -> AtariVecEnv:
    """Create 8 emulators in this process."""
    return atari(task, n_envs=8, seed=0)


def rounds(agent: Any) -> Rounds:
    """Act and learn on the true reward."""
    rollouts, start = agent.rollouts(10**9), process_time()
    for rollout in rollouts:
        acted = process_time()
        agent.update(rollout.true_reward)
        learned = process_time()
        yield acted - start, learned - acted
        start = process_time()


VARIANTS: dict[str, Callable[[str], Rounds]] = {
    STOCK: stock,
    "SB3 on rlhp's environment": stock_over_ours,
    "NatureCNN, float32": ours("nature", "float32"),
    "NatureCNN, bfloat16": ours("nature", "bfloat16"),
    "SmallCNN, float32": ours("small", "float32"),
    "SmallCNN, bfloat16": ours("small", "bfloat16"),
}


def measured(task: str, count: int) -> dict[str, list[tuple[float, float]]]:
    """Measure CPU seconds of acting and learning for each variant in each round, after one warm-up round."""
    running = {name: variant(task) for name, variant in VARIANTS.items()}
    for each in running.values():
        next(each)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in running}
    names = list(running)
    for i in range(count):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            seconds[name].append(next(running[name]))
    return seconds


def table(seconds: dict[str, list[tuple[float, float]]], steps: int = 8 * 128) -> list[tuple[str, float, float, float, float]]:
    """Compute medians per variant: steps per CPU second acting, learning and in total, and the last relative to SB3's."""
    base = [sum(pair) for pair in seconds[STOCK]]
    rows = []
    for name, pairs in seconds.items():
        both = [sum(pair) for pair in pairs]
        acting, learning, rate = (median(steps / each for each in part) for part in (*zip(*pairs, strict=True), both))
        rows.append((name, acting, learning, rate, median(one / other for one, other in zip(base, both, strict=True))))
    return rows


def main(argv: Sequence[str]) -> None:
    """Measure, write the results and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="pong")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows = table(measured(options.task, options.rounds))
    header = ("env", "variant", "acting", "learning", "steps_per_cpu_second", "ratio_to_sb3")
    cells = [(options.task, name, *(f"{value:.0f}" for value in rates), f"{r:.2f}") for name, *rates, r in rows]
    write_csv(options.out / "atari_ppo.csv", header, cells)
    for name, acting, learning, both, ratio in rows:
        print(
            f"{name:28}{both:7,.0f} steps per CPU second ({acting:,.0f} acting, {learning:,.0f} learning), {ratio:.2f} of SB3's"
        )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(sys.argv[1:])
