"""Agents from settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from stable_baselines3.common.vec_env import VecEnv

from rlhp.agent.blind import Blind, BlindA2C, BlindPPO
from rlhp.agent.explore import Explore
from rlhp.agent.lean import LeanPPO, suits
from rlhp.agent.level import Level
from rlhp.agent.normalise import ObservationNormaliser
from rlhp.agent.recorder import Recorder
from rlhp.agent.refit import Refit, no_refit
from rlhp.agent.scale import ReturnScale, Unscaled
from rlhp.types import UserError


def linear(start: float) -> Callable[[float], float]:
    """A schedule from `start` at the beginning of training to 0 at its end, for a learning rate or a clip range."""
    return lambda remaining: max(remaining, 0.0) * start  # the last rollout may overshoot


def ppo(env: VecEnv, **settings: Any) -> Blind:
    """A blind PPO on this environment, the lean one wherever it does the same; settings as for `make`."""
    return make(LeanPPO if suits(env, settings) else BlindPPO, env, **settings)


def a2c(env: VecEnv, **settings: Any) -> Blind:
    """A blind A2C on this environment; settings as for `make`."""
    return make(BlindA2C, env, **settings)


def make(
    algorithm: type[Blind],
    env: VecEnv,
    *,
    gamma: float,
    normalise_observations: bool = True,
    normalise_reward: bool = True,
    reward_level: float | None = None,
    policy: str = "MlpPolicy",
    policy_kwargs: Mapping[str, Any] | None = None,
    callback: Any = None,
    refit: Refit = no_refit,
    explore: Explore | None = None,
    **settings: Any,
) -> Blind:
    """An agent that never sees this environment's reward.

    `normalise_observations` acts on what the policy sees, above the recorder; `normalise_reward` divides the reward that it
    is handed by the spread of its return, after `reward_level` has moved its mean to so many of its spreads. `refit` is what
    becomes of the value function where the reward has changed, `explore` of the policy while there is no reward. `settings` go
    to the algorithm of SB3 as they are; `policy_kwargs.activation_fn` may be the name of a module of torch.nn. Raises UserError
    where the algorithm cannot act in this environment.
    """
    recorder = Recorder(env)
    seen = ObservationNormaliser(recorder) if normalise_observations else recorder
    kwargs = dict(policy_kwargs or {})
    if isinstance(kwargs.get("activation_fn"), str):
        kwargs["activation_fn"] = getattr(torch.nn, kwargs["activation_fn"])
    try:
        agent = algorithm(policy, seen, gamma=gamma, policy_kwargs=kwargs, device="cpu", **settings)  # type: ignore[call-arg]
    except (AssertionError, TypeError, ValueError) as error:  # SB3 asserts what it supports
        raise UserError(f"{algorithm.__name__} cannot be built with these settings: {error}") from error
    scale = ReturnScale(env.num_envs, gamma) if normalise_reward else Unscaled()
    levelled = scale if reward_level is None else Level(scale, reward_level)
    agent.attach(recorder, levelled, callback, refit, explore)
    return agent
