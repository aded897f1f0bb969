"""One run of imitation's preference comparisons, run by the Python of a venv that has imitation.

    .venv-imitation/bin/python imitation_run.py OUT.json --task halfcheetah --steps 100000 --labels 350 --seed 1

The settings are those of imitation's tutorial 5, "Learning a Reward Function using Preference Comparisons", except for task,
steps and labels; segments of 100 steps are shorter where an episode is. Rewards are those of rlhp's tasks.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from imitation.algorithms import preference_comparisons as pc
from imitation.policies.base import FeedForward32Policy, NormalizeFeaturesExtractor
from imitation.rewards.reward_nets import BasicRewardNet
from imitation.util import logger
from imitation.util.networks import RunningNorm
from imitation.util.util import make_vec_env
from peer_tasks import EPISODE, TASKS
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv

EPISODES = 20  # for evaluating the policy


def environments(task: str, rng: np.random.Generator) -> VecEnv:
    """Make the tutorial's number of environments."""
    id, arguments, wrappers = TASKS[task]
    wrap = [lambda env, _, wrapper=wrapper: wrapper(env) for wrapper in wrappers]
    return make_vec_env(id, rng=rng, env_make_kwargs=arguments, post_wrappers=wrap)


def agent(venv: VecEnv, seed: int) -> PPO:
    """Build the tutorial's PPO."""
    return PPO(
        policy=FeedForward32Policy,
        policy_kwargs={
            "features_extractor_class": NormalizeFeaturesExtractor,
            "features_extractor_kwargs": {"normalize_class": RunningNorm},
        },
        env=venv,
        seed=seed,
        n_steps=2048 // venv.num_envs,
        batch_size=64,
        ent_coef=0.01,
        learning_rate=2e-3,
        clip_range=0.1,
        gae_lambda=0.95,
        gamma=0.97,
        n_epochs=10,
        device="cpu",
    )


def comparisons(venv: VecEnv, policy: PPO, iterations: int, length: int, rng: np.random.Generator) -> pc.PreferenceComparisons:
    """Build the tutorial's preference comparisons."""
    reward_net = BasicRewardNet(venv.observation_space, venv.action_space, normalize_input_layer=RunningNorm)
    trainer = pc.BasicRewardTrainer(
        preference_model=pc.PreferenceModel(reward_net), loss=pc.CrossEntropyRewardLoss(), epochs=3, rng=rng
    )
    return pc.PreferenceComparisons(
        pc.AgentTrainer(algorithm=policy, reward_fn=reward_net, venv=venv, exploration_frac=0.05, rng=rng),
        reward_net,
        num_iterations=iterations,
        fragmenter=pc.RandomFragmenter(warning_threshold=0, rng=rng),
        preference_gatherer=pc.SyntheticGatherer(rng=rng),
        reward_trainer=trainer,
        fragment_length=length,
        transition_oversampling=1,
        initial_comparison_frac=0.1,
        allow_variable_horizon=False,
        initial_epoch_multiplier=4,
        query_schedule="hyperbolic",
        custom_logger=logger.configure(format_strs=[]),
    )


def run(task: str, steps: int, labels: int, seed: int, iterations: int) -> dict[str, float]:
    """Train and evaluate; seconds include building and training."""
    began, rng = perf_counter(), np.random.default_rng(seed)
    torch.manual_seed(seed)
    venv = environments(task, rng)
    policy = agent(venv, seed)
    length = min(100, EPISODE.get(task, 1000))
    comparisons(venv, policy, iterations, length, rng).train(total_timesteps=steps, total_comparisons=labels)
    seconds = perf_counter() - began
    judge = environments(task, np.random.default_rng(10_000 + seed))
    mean, _ = evaluate_policy(policy, judge, n_eval_episodes=EPISODES, deterministic=True)
    return {"seconds": seconds, "true_return": float(mean), "steps": policy.num_timesteps}


def main(argv: list[str]) -> None:
    """Run, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--task", choices=TASKS, default="halfcheetah")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=350)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--iterations", type=int, default=5, help="the tutorial's; it advises 60 for a better policy")
    parser.add_argument("--torch-threads", type=int, default=1)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.torch_threads)
    row = run(options.task, options.steps, options.labels, options.seed, options.iterations)
    options.out.write_text(json.dumps(row) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
