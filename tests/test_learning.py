"""It learns: on the probe environment, whose best and random returns are known, from comparisons alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp import evaluate
from rlhp.envs import point
from rlhp.train import load, train

SMALL = [
    *("env=point", "total_steps=40960", "labels=200"),
    *("n_envs=8", "threads=1", "agent.batch_size=128", "training_schedule.first_per_1000_steps=5"),
    *("agent.learning_rate.start=0.001", "agent.gamma=0.9"),
]


def share_learned(folder: Path, *overrides: str) -> float:
    """Where the policy's return lies between standing still (0) and the optimum (1)."""
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        settings = OmegaConf.to_container(compose("config", [*SMALL, *overrides]), resolve=True)
    train(settings, folder)
    trained = load(folder)
    returns = evaluate.returns(trained.policy, trained.make_env(64, seed=5), 64)
    env = point.make(n_envs=64, seed=5)
    starts = env.reset()
    still = -env.horizon * np.linalg.norm(starts, axis=1).mean()
    best = np.mean([point.optimum(start, env.horizon) for start in starts])
    return float((returns.mean() - still) / (best - still))


@pytest.mark.slow
@pytest.mark.parametrize("override", ["query=disagreement", "query=uniform", "query.clips=4", "condition=true_reward"])
def test_comparisons_teach_the_task(override, tmp_path):
    assert share_learned(tmp_path, override) > 0.8


@pytest.mark.slow
def test_a_teacher_who_is_always_wrong_teaches_the_opposite(tmp_path):
    assert share_learned(tmp_path, "teacher=noisy", "teacher.beta=null", "teacher.mistake=1.0") < 0


@pytest.mark.slow
def test_a_teacher_who_errs_now_and_then_still_teaches(tmp_path):
    assert share_learned(tmp_path, "teacher=noisy", "teacher.mistake=0.05") > 0.4
