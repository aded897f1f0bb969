"""The lookahead that a synthetic trainer needs: whether short simulations agree with long ones on which actions are good.

    python experiments/demonstrations/signs.py EXPERT LEARNER    # two runs on one of the MuJoCo tasks

LEARNER's policy acts with noise; at 296 moments its sampled action is compared with its most likely one, by EXPERT's return over
some steps after each and its value function after these steps. Prints and writes signs_<task>.csv next to this file: for each
number of steps the mean size of the advantage, and the fraction of moments whose sign equals that of 150 steps. Chance is one
half.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from rlhp import train
from rlhp.analysis.experiment import script
from rlhp.csv_records import write_csv
from rlhp.train.expert import Expert, Lookahead
from rlhp.types import Array, UserError

STEPS, LONGEST = (1, 4, 16, 32, 64, 100), 150
N_ENVS, MADE, EVERY = 8, 300, 8  # environments, steps of each, and steps between two moments


def moments(learner: train.Trained) -> tuple[Array, Array, Array]:
    """Return states [n, S], sampled actions and most likely actions [n, A]."""
    env, rows = learner.make_env(N_ENVS, 3), []
    torch.manual_seed(1)
    obs = env.reset()
    for step in range(1, MADE + 1):
        drawn = learner.policy(obs, deterministic=False)
        if step % EVERY == 0:
            rows.append((env.states(), drawn, learner.policy(obs)))
        obs = env.step(drawn)[0]
    env.close()
    states, drawn, likeliest = (np.concatenate(column) for column in zip(*rows, strict=True))
    return states, drawn, likeliest


def main(arguments: Sequence[str]) -> None:
    """Measure and print the results."""
    if len(arguments) != 2:
        raise UserError("name two run directories: an expert of condition=true_reward, and a learner.")
    expert, learner = Expert(Path(arguments[0])), train.load(Path(arguments[1]))
    env, where = learner.make_env(64, 0), moments(learner)
    found = {k: Lookahead(expert.act, expert.value, expert.gamma, env, k)(*where) for k in (*STEPS, LONGEST)}
    agreeing = {k: float((np.sign(each) == np.sign(found[LONGEST])).mean()) for k, each in found.items()}
    path = Path(__file__).with_name(f"signs_{expert.task}.csv")
    rows = [(k, f"{np.abs(each).mean():.3g}", f"{agreeing[k]:.2f}") for k, each in found.items()]
    write_csv(path, ("steps", "mean_size", f"agrees_with_{LONGEST}"), rows)
    print(f"{expert.task}, {len(where[0])} moments", path.read_text(), sep="\n", end="")


if __name__ == "__main__":
    script(main)
