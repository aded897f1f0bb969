"""One run of imitation's GAIL on HalfCheetah, run by the Python of a venv that has imitation.

    .venv-imitation/bin/python imitation_gail.py STEPS.npz --settings matched --steps 65536 --seed 1 --out FOLDER

`tuned` are imitation's own tuned settings (benchmarking/gail_seals_half_cheetah_best_hp_eval.json in its repository), `matched`
those of rlhp train condition=gail that imitation supports: it has no gradient penalty.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from imitation.algorithms.adversarial.gail import GAIL
from imitation.data.types import Transitions
from imitation.policies.base import FeedForward32Policy, NormalizeFeaturesExtractor
from imitation.rewards.reward_nets import BasicRewardNet, NormalizedRewardNet
from imitation.util import logger
from imitation.util.networks import RunningNorm
from imitation.util.util import make_vec_env
from stable_baselines3 import PPO

TASK, REWARD = "HalfCheetah-v5", {"ctrl_cost_weight": 0.0}
SETTINGS: dict[str, dict[str, Any]] = {
    "tuned": {
        "n_envs": 8,
        "rollout": 4096,
        "policy": FeedForward32Policy,
        "net_arch": {},
        "ppo": {
            "batch_size": 64,
            "clip_range": 0.1,
            "ent_coef": 3.992371122209408e-6,
            "gae_lambda": 0.95,
            "gamma": 0.95,
            "learning_rate": 0.00026250519057717037,
            "max_grad_norm": 0.8,
            "n_epochs": 5,
            "vf_coef": 0.11483689492120866,
        },
        "reward": {},
        "gail": {"demo_batch_size": 8192, "gen_replay_buffer_capacity": 512, "n_disc_updates_per_round": 8},
    },
    "matched": {
        "n_envs": 32,
        "rollout": 2048,
        "policy": "MlpPolicy",
        "net_arch": {"net_arch": [64, 64], "log_std_init": -1},
        "ppo": {"batch_size": 256, "n_epochs": 5, "learning_rate": 1e-3, "gamma": 0.99, "gae_lambda": 0.95, "clip_range": 0.2},
        "reward": {"hid_sizes": (64, 64)},
        "gail": {"demo_batch_size": 256, "n_disc_updates_per_round": 8, "disc_opt_kwargs": {"lr": 3e-4}},
    },
}


def trainer(of: dict[str, Any], steps: Path, seed: int) -> GAIL:
    """Build GAIL with these settings."""
    venv = make_vec_env(TASK, rng=np.random.default_rng(seed), n_envs=of["n_envs"], env_make_kwargs=REWARD)
    normalised = {
        "features_extractor_class": NormalizeFeaturesExtractor,
        "features_extractor_kwargs": {"normalize_class": RunningNorm},
    }
    kwargs = {**of["net_arch"], **normalised}
    agent = PPO(
        of["policy"], venv, n_steps=of["rollout"] // of["n_envs"], policy_kwargs=kwargs, seed=seed, device="cpu", **of["ppo"]
    )
    net = BasicRewardNet(venv.observation_space, venv.action_space, normalize_input_layer=RunningNorm, **of["reward"])
    with np.load(steps) as file:
        times = -(-of["gail"]["demo_batch_size"] // len(file["act"]))  # imitation needs at least one whole batch of them
        obs, act, after = (np.concatenate([file[name]] * times) for name in ("obs", "act", "next_obs"))
    n = len(act)
    expert = Transitions(obs=obs, acts=act, infos=np.array([{}] * n), next_obs=after, dones=np.zeros(n, bool))
    return GAIL(
        demonstrations=expert,
        venv=venv,
        gen_algo=agent,
        reward_net=NormalizedRewardNet(net, RunningNorm),
        custom_logger=logger.configure(format_strs=[]),
        **of["gail"],
    )


def main(argv: list[str]) -> None:
    """Train, and write the time taken without imports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demonstrations", type=Path)
    parser.add_argument("--settings", choices=SETTINGS, required=True)
    parser.add_argument("--steps", type=int, default=65_536)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    began = process_time()
    gail = trainer(SETTINGS[options.settings], options.demonstrations, options.seed)
    gail.train(total_timesteps=options.steps)
    row = {"seconds": process_time() - began, "steps": gail.gen_algo.num_timesteps}
    (options.out / "row.json").write_text(json.dumps(row) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
