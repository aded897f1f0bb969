"""What an earlier run knows of its task, for whoever judges another agent at it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlhp.run import last_checkpoint, read_settings
from rlhp.train.job import load
from rlhp.trainer import AdvantageTrainer
from rlhp.types import Array, Setup, UserError


class Critic:
    """The value function of a run's last checkpoint: raw observations as networks see them [n, *seen] -> [n].

    In units of the true reward, up to a constant where the run moved its reward's level. Raises UserError where the run
    was not rewarded by the task: its values would be of another reward.
    """

    def __init__(self, run: Path) -> None:
        settings = read_settings(run)
        if settings["reward_model"]["_target_"] != "rlhp.reward.TrueReward":
            raise UserError(f"{run} has not learned from the true reward; name a run of condition=true_reward as the expert.")
        self.task, self.gamma = settings["task"], float(settings["agent"]["gamma"])
        self._agent = load(run).agent
        scale = last_checkpoint(run)["agent"].get("scale/var")
        self._unit = 1.0 if scale is None else float(np.sqrt(scale))

    def __call__(self, obs: Array) -> Array:
        """The values."""
        normaliser, policy = self._agent.get_vec_normalize_env(), self._agent.policy
        seen: Any = obs if normaliser is None else normaliser.normalize_obs(obs)
        with torch.no_grad():
            return self._unit * policy.predict_values(policy.obs_to_tensor(seen)[0])[:, 0].cpu().numpy().astype(float)


def advantage_trainer(expert: str, seed: int, speaks: float, delay: int, dead_zone: float) -> AdvantageTrainer:
    """A trainer who judges by the value function of the run `expert`; the rest is as for `AdvantageTrainer`."""
    critic = Critic(Path(expert))
    return AdvantageTrainer(seed, critic, critic.gamma, speaks, delay, dead_zone, partial(_check_task, expert, critic.task))


def _check_task(expert: str, task: str, setup: Setup) -> None:
    if setup.settings["task"] != task:
        raise UserError(f"the expert {expert} knows env={task}, not {setup.settings['task']}; name a run of that environment.")
