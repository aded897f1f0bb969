"""What an earlier run knows of its task, for whoever judges another agent at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from hydra.utils import instantiate

from rlhp.agent import Blind
from rlhp.run import last_checkpoint, read_settings
from rlhp.train.job import load
from rlhp.trainer import AdvantageTrainer
from rlhp.types import Array, Setup, UserError

MOMENTS = 16  # that are judged at a time


class Expert:
    """The policy of a run's last checkpoint, and its value function in units of the true reward.

    Values are known up to a constant where the run moved its reward's level. Raises UserError where the run was not rewarded by
    the task: its values would be of another reward.
    """

    def __init__(self, run: Path) -> None:
        settings = read_settings(run)
        learned = settings["loop"]["_target_"], settings["reward_model"]["_target_"]
        if learned != ("rlhp.train.preferences", "rlhp.reward.TrueReward"):  # a clone has no value function
            raise UserError(f"{run} has not learned from the true reward; name a run of condition=true_reward as the expert.")
        self.task, self.gamma = settings["task"], float(settings["agent"]["gamma"])
        self._agent = load(run).agent
        scale = last_checkpoint(run)["agent"].get("scale/var")
        self._unit = 1.0 if scale is None else float(np.sqrt(scale))

    def act(self, obs: Array) -> Array:
        """Raw observations as networks see them [n, *seen] -> its likeliest actions [n, *A]."""
        return self._agent.act(obs)

    def value(self, obs: Array) -> Array:
        """Raw observations as networks see them [n, *seen] -> discounted return to come [n]."""
        normaliser, policy = self._agent.get_vec_normalize_env(), self._agent.policy
        seen: Any = obs if normaliser is None else normaliser.normalize_obs(obs)
        with torch.no_grad():
            return self._unit * policy.predict_values(policy.obs_to_tensor(seen)[0])[:, 0].cpu().numpy().astype(float)


class Lookahead:
    """Q(s, a) - Q(s, b) of an expert, by simulation: one step by each action, `steps` - 1 by the expert, and then its value.

    Both are simulated from the same state, so that what the value function has wrong about it cancels; the difference of two
    values of single steps, which is the temporal-difference error, says more about the state than about the action.
    `env` has as many environments as two batches of moments; none of its episodes may end within `steps`.
    """

    def __init__(
        self, act: Callable[[Array], Array], value: Callable[[Array], Array], gamma: float, env: Any, steps: int
    ) -> None:
        self._act, self._value, self._gamma, self._env, self._steps = act, value, gamma, env, steps

    def __call__(self, states: Array, act: Array, instead: Array) -> Array:
        """[n] for states [n, S], actions [n, *A] and others [n, *A]."""
        size = self._env.num_envs // 2
        batches = [slice(i, i + size) for i in range(0, len(states), size)]
        return np.concatenate([self._batch(states[rows], act[rows], instead[rows]) for rows in batches])

    def _batch(self, *moments: Array) -> Array:
        n, size = len(moments[0]), self._env.num_envs // 2
        states, act, instead = (np.resize(x, (size, *x.shape[1:])) for x in moments)  # repeated to fill the environments
        obs, actions = self._env.place(np.concatenate([states, states])), np.concatenate([act, instead])
        total = np.zeros(2 * size)
        for k in range(self._steps):
            obs, reward, _, _ = self._env.step(actions)
            total += self._gamma**k * reward
            actions = self._act(obs)
        total += self._gamma**self._steps * self._value(obs)
        return (total[:size] - total[size:])[:n]


def expert_trainer(setup: Setup, *, expert: str | None, lookahead: int, **settings: Any) -> AdvantageTrainer:
    """A trainer who judges by what the run `expert` makes of an action within `lookahead` steps; as for `AdvantageTrainer`.

    Raises UserError where there is no expert, or one of another task, and where moments of it cannot be simulated again.
    """
    if expert is None:
        raise UserError("this trainer judges by an expert; name a run on the true reward with expert=RUN.")
    if lookahead < 1:
        raise UserError(f"loop.trainer.lookahead={lookahead} counts steps of simulation; set it to 1 or more.")
    known, task = Expert(Path(expert)), setup.settings["task"]
    if known.task != task:
        raise UserError(f"the expert {expert} knows env={known.task}, not {task}; name a run of that environment.")
    env = instantiate({**setup.settings["env"], "n_envs": 2 * MOMENTS, "seed": 0}, _convert_="all")
    if not hasattr(env, "place") or env.horizon <= lookahead:
        raise UserError(
            f"the trainer simulates {lookahead} steps from where the agent was, which env={task} cannot; choose another."
        )
    judge = Lookahead(known.act, known.value, known.gamma, env, lookahead)
    return AdvantageTrainer(advantage=judge, usual=cast(Blind, setup.agent).act, **settings)
