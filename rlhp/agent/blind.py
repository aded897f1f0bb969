"""On-policy algorithms of Stable-Baselines3 as generators of rollouts, which receive the reward afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import unwrap_vec_wrapper

from rlhp.agent import mixture
from rlhp.agent.divergence import check_finite, diverging
from rlhp.agent.frozen_policy import FrozenPolicy, network
from rlhp.agent.intrinsic_reward import IntrinsicReward, NoIntrinsicReward
from rlhp.agent.kl_penalty import KLPenalty, Unpenalised
from rlhp.agent.recorder import Recorder
from rlhp.agent.refit import Refit, evaluate, no_refit, value_parameters
from rlhp.agent.reward_normaliser import NoNormalisation, RewardNormaliser
from rlhp.agent.stack import FrameStack
from rlhp.agent.start import RandomStart, Start
from rlhp.agent.state import (
    normaliser_state,
    optimiser_state,
    part,
    random_state,
    restore_normaliser,
    restore_optimiser,
    restore_random,
)
from rlhp.types import Array, Behaviour, Metrics, Policy, Rollout, Setup, Transitions

NAMES = {  # SB3's log entries and their names here; the entropy is logged negated
    "train/policy_gradient_loss": "policy_loss",
    "train/policy_loss": "policy_loss",
    "train/value_loss": "value_loss",
    "train/approx_kl": "approx_kl",
    "train/clip_fraction": "clip_fraction",
    "train/explained_variance": "explained_variance",
    "train/std": "action_std",
    "train/learning_rate": "learning_rate",
}


class Blind(OnPolicyAlgorithm):
    """Mixin for SB3's algorithms: `rollouts` acts, and `update` learns from a reward that the caller provides."""

    recorder: Recorder
    scale: RewardNormaliser
    refit: Refit
    intrinsic_reward: IntrinsicReward
    start: Start
    kl_penalty: KLPenalty
    callback: BaseCallback | list[BaseCallback] | None
    chosen: str = ""  # description of automatically chosen networks

    def attach(
        self,
        recorder: Recorder,
        scale: RewardNormaliser | None = None,
        callback: Any = None,
        refit: Refit = no_refit,
        intrinsic_reward: IntrinsicReward | None = None,
        start: Start | None = None,
        kl_penalty: KLPenalty | None = None,
    ) -> None:
        """Set the components of the agent. Call it once, before training.

        `recorder` records the environment, and `scale` normalises the reward. `callback` is passed to SB3. `refit` retrains the
        value function before an update, `intrinsic_reward` rewards rollouts that get no reward, `start` sets the initial policy,
        and `kl_penalty` penalises leaving it.
        """
        self.recorder, self.scale, self.callback = recorder, scale or NoNormalisation(), callback
        self.refit, self.intrinsic_reward = refit, intrinsic_reward or NoIntrinsicReward()
        self.start, self.kl_penalty = start or RandomStart(), kl_penalty or Unpenalised()
        self._frames = None if self.env is None else unwrap_vec_wrapper(self.env, FrameStack)
        self._unrewarded: list[Rollout] = []
        self._explored = False
        self._mixture: mixture.Mixture | None = None
        self._template: ActorCriticPolicy | None = None  # a network like the policy's, for copies of it
        self._initial_scale, self._initial_intrinsic = self.scale.snapshot(), self.intrinsic_reward.snapshot()
        self._initial_values = [p.detach().clone() for p in value_parameters(self.policy)]
        self.set_logger(Logger(folder=None, output_formats=[]))

    def rollouts(self, total_steps: int) -> Iterator[Rollout]:
        """Act until `total_steps` environment steps, counted from the start of the run.

        SB3's setup runs once, so that learning-rate and clip schedules cover the whole training.
        """
        if self.num_timesteps == 0:
            self.start.begin(self)
        remaining = total_steps - self.num_timesteps
        _, callback = self._setup_learn(remaining, self.callback, reset_num_timesteps=self.num_timesteps == 0)
        callback.on_training_start(locals(), globals())
        assert self.env is not None
        while self.num_timesteps < total_steps:
            self._intrinsic_update()
            with diverging(self):
                more = self.collect_rollouts(self.env, callback, self.rollout_buffer, self.n_steps)
            if not more:
                break
            self._update_current_progress_remaining(self.num_timesteps, total_steps)
            self._rollout = replace(self.recorder.rollout(), log_prob=self.rollout_buffer.log_probs.copy())
            self._unrewarded = [self._rollout]
            yield self._rollout
        callback.on_training_end()

    def check(self, setup: Setup) -> None:
        """Raises UserError if the policy cannot start as configured."""
        self.start.check(setup)

    def behaviour(self) -> Behaviour:
        """The last rollout without its true reward, and the policy that made it; call it before `update`."""
        rollout, n = self._rollout, self.n_steps * self.n_envs
        steps = (rollout.seen(), rollout.act, rollout.seen_after(), self.rollout_buffer.log_probs)
        obs, act, after, log_prob = (x.reshape(n, *x.shape[2:]) for x in steps)
        return Behaviour(Transitions(obs, act, after), log_prob, self.frozen_policy())

    def frozen_policy(self) -> FrozenPolicy:
        """A frozen copy of the network in training."""
        if self._template is None:
            self._template = network(self.policy)  # type: ignore[arg-type]
        return FrozenPolicy(self._template, self.policy.state_dict(), self._vec_normalize_env, self.recorder.venv.action_space)

    def acting_policy(self) -> Policy:
        """A frozen copy of the policy that `act` uses: the mixture set by `become`, else the network."""
        return self._mixture or self.frozen_policy()

    def become(self, policies: Sequence[FrozenPolicy], weights: Array) -> None:
        """Act from now on as a mixture of policies with these weights [n]; the policies are of agents built in the same way.

        The network takes the parameters of the policy with the largest weight, the first of equals. If no other policy has a
        positive weight, it acts alone.
        """
        acting = np.flatnonzero(weights).tolist()
        self._mixture = mixture.Mixture([policies[j] for j in acting], weights[acting]) if len(acting) > 1 else None
        self._restore_network(policies[int(np.argmax(weights))].snapshot())

    def update(self, reward: Array) -> Metrics:
        """Improve the policy on the last rollout with this reward [T, N]. Raises UserError if the policy is not finite then."""
        self._unrewarded = []
        if self._explored:
            self._reset_critic()
        log_ratio = self.start.log_ratio(self, self._rollout)
        if log_ratio is None:
            return self._improve(reward)
        # no penalty while the policy waits for its value function: it does not move, so an adaptive penalty would learn nothing
        penalty, metrics = (Unpenalised() if self.start.waiting else self.kl_penalty)(log_ratio)
        return {**self._improve(reward - penalty), **metrics}

    def _intrinsic_update(self) -> None:
        """Update the policy by the intrinsic reward if the last rollout got no other.

        Called before the next rollout and before the agent is saved.
        """
        unrewarded, self._unrewarded = self._unrewarded, []
        for bonus in map(self.intrinsic_reward, unrewarded):
            if bonus is not None:
                self._improve(bonus)
                self._explored = True

    def _reset_critic(self) -> None:
        """Reset the value function and the scale of the reward, which belong to the intrinsic reward, at the first real reward.

        PrefPPO also starts with a new value function there. The gamma V at time limits in this rollout is still that of the old
        one.
        """
        with torch.no_grad():
            for parameter, initial in zip(value_parameters(self.policy), self._initial_values, strict=True):
                parameter.copy_(initial)
        evaluate(self)
        self.scale.restore(self._initial_scale)
        self.intrinsic_reward.restore(self._initial_intrinsic)
        self._explored = False

    def _improve(self, reward: Array) -> Metrics:
        """Update the policy by the reward [T, N] of the last rollout.

        At time limits the buffer already holds gamma V(last observation). The reward is added to it, and returns and advantages
        are recomputed.
        """
        buffer, last_done = self.rollout_buffer, np.asarray(self._last_episode_starts)
        done = np.concatenate([buffer.episode_starts[1:] > 0, last_done[np.newaxis]])
        buffer.rewards += self.scale(reward, done)
        self._compute_advantages()
        refitted = self.refit(self, self._compute_advantages)
        alone = self.start.critic_alone(self, self._compute_advantages)
        return {**(self._learn() if alone is None else alone), **refitted}

    def _learn(self) -> Metrics:
        """Run the algorithm's own update on the buffer. Raises UserError if the policy is not finite then."""
        with diverging(self), np.errstate(all="ignore"):  # an overflow shows in the parameters, which are checked
            self.train()
        check_finite(self)
        logged = self.logger.name_to_value
        metrics = {name: float(logged[key]) for key, name in NAMES.items() if key in logged}
        return {"entropy": -float(logged["train/entropy_loss"]), **metrics}

    def _compute_advantages(self) -> None:
        """Compute returns and advantages of the last rollout from the rewards and values in the buffer."""
        with torch.no_grad():
            values = self.policy.predict_values(obs_as_tensor(self._last_obs, self.device))  # type: ignore[arg-type]
        self.rollout_buffer.compute_returns_and_advantage(values, np.asarray(self._last_episode_starts))

    def snapshot(self) -> dict[str, Array]:
        """Return everything that the next step depends on: weights, optimiser, environments, statistics, random states.

        Before the agent's first step, observations and environments are left out.
        """
        self._intrinsic_update()
        acted = self._last_obs is not None
        parts = {
            "recorder": self.recorder.snapshot() if acted else {},
            "scale": self.scale.snapshot(),
            "explore": self.intrinsic_reward.snapshot(),
            "start": self.start.snapshot(),
            "kl_penalty": self.kl_penalty.snapshot(),
            "policy": {k: v.detach().cpu().numpy().copy() for k, v in self.policy.state_dict().items()},
            "optimiser": optimiser_state(self.policy.optimizer),
            "normalise": normaliser_state(self._vec_normalize_env),
            "mixture": {} if self._mixture is None else self._mixture.snapshot(),
            "random": random_state(),
            "frames": self._frames.snapshot() if acted and self._frames is not None else {},
            "self": {
                "num_timesteps": np.array(self.num_timesteps),
                "n_updates": np.array(self._n_updates),
                "progress": np.array(self._current_progress_remaining),
                "explored": np.array(self._explored),
            },
        }
        if acted:
            parts["self"] |= {"last_obs": np.array(self._last_obs), "last_done": np.array(self._last_episode_starts)}
        return {f"{name}/{k}": v for name, state in parts.items() for k, v in state.items()}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot: bit for bit on the CPU if the environments can be restored, else from a reset."""
        own = part(state, "self")
        self.num_timesteps, self._n_updates = int(own["num_timesteps"]), int(own["n_updates"])
        self._current_progress_remaining = float(own["progress"])
        self.restore_policy(state)
        restore_optimiser(self.policy.optimizer, part(state, "optimiser"))
        self.scale.restore(part(state, "scale"))
        self.intrinsic_reward.restore(part(state, "explore"))
        self.start.restore(self, part(state, "start"))
        self.kl_penalty.restore(part(state, "kl_penalty"))
        self._explored = bool(own.get("explored", False))
        if "last_obs" in own and self.recorder.restore(part(state, "recorder")):
            if self._frames is not None:
                self._frames.restore(part(state, "frames"))
            self._last_obs, self._last_episode_starts = own["last_obs"].copy(), own["last_done"].copy()
        restore_random(part(state, "random"))

    def restore_policy(self, state: dict[str, Array]) -> None:
        """Restore only what acting needs: the policy and the statistics that normalise its observations."""
        self._restore_network(state)
        mixed = part(state, "mixture")
        self._mixture = mixture.restored(mixed, self.frozen_policy()) if mixed else None

    def _restore_network(self, state: dict[str, Array]) -> None:
        self.policy.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in part(state, "policy").items()})
        restore_normaliser(self._vec_normalize_env, part(state, "normalise"))

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """Choose actions [N, *A] of the environment's action space for raw, possibly stacked observations [N, *O]."""
        if self._mixture is not None:
            return self._mixture.act(obs, deterministic)
        seen = obs if self._vec_normalize_env is None else self._vec_normalize_env.normalize_obs(obs)
        return self.recorder.executed(self.predict(seen, deterministic=deterministic)[0])  # type: ignore[arg-type]


class BlindPPO(Blind, PPO):
    """Proximal policy optimisation that never sees the environment's reward."""


class BlindA2C(Blind, A2C):
    """Advantage actor-critic that never sees the environment's reward: the paper's algorithm on Atari."""
