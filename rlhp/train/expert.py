"""An earlier run as an expert that judges another agent's actions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from hydra.utils import instantiate

from rlhp.agent import Blind
from rlhp.length import value
from rlhp.run import last_checkpoint, read_settings
from rlhp.train.job import load
from rlhp.trainer import AdvantageTrainer
from rlhp.types import Array, Setup, UserError

MOMENTS = 16  # judged per batch


class Expert:
    """The policy of a run's last checkpoint, and its value function in units of the true reward.

    Values are known up to a constant if the run shifted its reward. Raises UserError unless the run was trained on the task's
    reward, because its values would be those of another reward.
    """

    def __init__(self, run: Path) -> None:
        settings = read_settings(run)
        learned = settings["loop"]["_target_"], settings["reward_model"]["_target_"]
        if learned != ("rlhp.train.preferences", "rlhp.reward.TrueReward"):  # a clone has no value function
            raise UserError(f"{run} has not learned from the true reward; use a run of condition=true_reward as the expert.")
        self.task, self.gamma = settings["task"], float(value(settings["agent"]["gamma"]))
        self._agent = load(run).agent
        scale = last_checkpoint(run)["agent"].get("scale/var")
        self._unit = 1.0 if scale is None else float(np.sqrt(scale))

    def act(self, obs: Array) -> Array:
        """The most likely actions [n, *A] for raw observations, stacked as networks read them [n, *seen]."""
        return self._agent.act(obs)

    def value(self, obs: Array) -> Array:
        """The discounted future return [n] for raw observations, stacked as networks read them [n, *seen]."""
        normaliser, policy = self._agent.get_vec_normalize_env(), self._agent.policy
        seen: Any = obs if normaliser is None else normaliser.normalize_obs(obs)
        with torch.no_grad():
            return self._unit * policy.predict_values(policy.obs_to_tensor(seen)[0])[:, 0].cpu().numpy().astype(float)


class Lookahead:
    """Estimates Q(s, a) - Q(s, b) of an expert by simulation of `steps` steps, the first by action a or b, and then its value.

    Both start from the same state, so that the error of the value function at that state cancels. The difference of two one-step
    values, which is the temporal-difference error, depends more on the state than on the action. `env` has twice as many
    environments as a batch has moments; no episode may end within `steps`.
    """

    def __init__(
        self, act: Callable[[Array], Array], value: Callable[[Array], Array], gamma: float, env: Any, steps: int
    ) -> None:
        self._act, self._value, self._gamma, self._env, self._steps = act, value, gamma, env, steps

    def __call__(self, states: Array, act: Array, alternative: Array) -> Array:
        """The differences [n] for states [n, S], actions [n, *A] and alternatives [n, *A]."""
        size = self._env.num_envs // 2
        batches = [slice(i, i + size) for i in range(0, len(states), size)]
        return np.concatenate([self._batch(states[rows], act[rows], alternative[rows]) for rows in batches])

    def _batch(self, *moments: Array) -> Array:
        n, size = len(moments[0]), self._env.num_envs // 2
        states, act, alternative = (np.resize(x, (size, *x.shape[1:])) for x in moments)  # repeated to fill the environments
        obs, actions = self._env.place(np.concatenate([states, states])), np.concatenate([act, alternative])
        total = np.zeros(2 * size)
        for k in range(self._steps):
            obs, reward, _, _ = self._env.step(actions)
            total += self._gamma**k * reward
            actions = self._act(obs)
        total += self._gamma**self._steps * self._value(obs)
        return (total[:size] - total[size:])[:n]


def expert_trainer(setup: Setup, *, expert: str | None, lookahead: int, **settings: Any) -> AdvantageTrainer:
    """A trainer that judges an action by simulating `lookahead` steps of the run `expert`; `settings` as for `AdvantageTrainer`.

    Raises UserError if there is no expert, or it is of another task, and if moments of the task cannot be simulated again.
    """
    if expert is None:
        raise UserError("this trainer needs an expert; set expert=RUN to a run on the true reward.")
    if lookahead < 1:
        raise UserError(f"loop.trainer.lookahead={lookahead} counts simulation steps; set it to at least 1.")
    expert_policy, task = Expert(Path(expert)), setup.settings["task"]
    if expert_policy.task != task:
        raise UserError(
            f"the expert {expert} was trained on env={expert_policy.task}, not {task}; give a run on that environment."
        )
    env = instantiate({**setup.settings["env"], "n_envs": 2 * MOMENTS, "seed": 0}, _convert_="all")
    if not hasattr(env, "place") or env.horizon <= lookahead:
        raise UserError(
            f"the trainer simulates {lookahead} steps from the agent's state, which env={task} does not support; choose another."
        )
    judge = Lookahead(expert_policy.act, expert_policy.value, expert_policy.gamma, env, lookahead)
    return AdvantageTrainer(advantage=judge, usual=cast(Blind, setup.agent).act, **settings)
