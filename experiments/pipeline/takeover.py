"""Test whether a clone stays as good while PPO trains it on the true reward.

    python experiments/pipeline/takeover.py KEY=VALUE ...    # settings of rlhp train, such as env=hopper demos=FOLDER episodes=4

Starts from a clone of the demonstrations, trains on the true reward, and evaluates the policy every 20,480 steps without noise,
on 10 episodes with the same initial states each time. Prints a row for each, and the lowest fraction of the clone's own return;
with out=FILE, appends rows to takeover.csv.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp import evaluate
from rlhp.agent import Blind
from rlhp.csv_records import write_csv
from rlhp.envs import mujoco
from rlhp.run.files import read_table
from rlhp.train import build

EVERY, EPISODES = 20_480, 10
START = ("condition=true_reward", "agent/start=demonstrations", "agent.learning_rate.start=0.0003", "total_steps=200000")
COLUMNS = ("env", "variant", "seed", "step", "mean", "least", "stochastic", "kl_to_reference")


def settings(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the settings as `rlhp train` would compose them."""
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        cfg = compose("config", [*START, "threads=1", *overrides])
    return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True))


def rows(cfg: dict[str, Any]) -> Iterator[tuple[int, float, float, float, float]]:
    """Train, and yield step, mean and lowest return without noise, mean return with noise, and divergence per step."""
    setup, divergence = build(cfg), 0.0
    agent = cast(Blind, setup.agent)
    for i, rollout in enumerate(agent.rollouts(setup.total_steps)):
        if i % (EVERY // rollout.true_reward.size) == 0:
            found, noisy = (_returns(agent, cfg["task"], deterministic) for deterministic in (True, False))
            yield agent.num_timesteps - rollout.true_reward.size, found.mean(), found.min(), noisy.mean(), divergence
        divergence = agent.update(rollout.true_reward)["kl_to_reference"]
    found, noisy = (_returns(agent, cfg["task"], deterministic) for deterministic in (True, False))
    yield agent.num_timesteps, found.mean(), found.min(), noisy.mean(), divergence


def _returns(agent: Blind, task: str, deterministic: bool) -> Any:
    """Measure returns of whole episodes, without affecting the random streams of training."""
    state, env = torch.get_rng_state(), mujoco.make(task, n_envs=EPISODES, seed=10_000)
    found = evaluate.returns(lambda obs: agent.act(obs, deterministic), env, EPISODES)
    env.close()
    torch.set_rng_state(state)
    return found


def main(arguments: Sequence[str]) -> None:
    """Train, evaluate and print."""
    out = next((Path(word.partition("=")[2]) for word in arguments if word.startswith("out=")), None)
    variant = next((word.partition("=")[2] for word in arguments if word.startswith("variant=")), "")
    cfg = settings([word for word in arguments if word.partition("=")[0] not in ("out", "variant")])
    torch.set_num_threads(1)
    means: list[float] = []
    for step, *numbers in rows(cfg):
        row = (cfg["task"], variant, cfg["seed"], step, *(f"{x:.4g}" for x in numbers))
        print(*row, flush=True)
        means.append(numbers[0])
        if out is not None:
            write_csv(out, COLUMNS, [*(each.values() for each in read_table(out)), row])
    print(f"{cfg['task']}: the clone returns {means[0]:.0f}; the lowest later return is {min(means) / means[0]:.3f} of that")


if __name__ == "__main__":
    main(sys.argv[1:])
