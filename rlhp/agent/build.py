"""Build agents from settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv

from rlhp.agent.blind import Blind, BlindA2C, BlindPPO
from rlhp.agent.encoders import ImageEncoder, PartsEncoder
from rlhp.agent.intrinsic_reward import IntrinsicReward
from rlhp.agent.kl_penalty import KLPenalty
from rlhp.agent.normalise import ObservationNormaliser
from rlhp.agent.recorder import Recorder
from rlhp.agent.refit import Refit, no_refit
from rlhp.agent.reward_normaliser import NoNormalisation, ReturnNormaliser
from rlhp.agent.reward_shift import RewardShift
from rlhp.agent.stack import stack_frames
from rlhp.agent.start import Start
from rlhp.precision import processor
from rlhp.types import ImagesAndVector, UserError, is_image
from rlhp.types.frames import seen_space


def linear(start: float, zero_at: float = 1.0) -> Callable[[float], float]:
    """A linear schedule for a learning rate or a clip range, from `start` at the start of training to 0 at its end.

    `zero_at` is the time at which it would reach 0, as a multiple of the training length; above 1, training ends earlier.
    Raises UserError if it is less than 1.
    """
    if zero_at < 1:
        raise UserError(f"a linear schedule with zero_at={zero_at} would be 0 before training ends; set it to 1 or more.")
    return lambda remaining: max(remaining + (zero_at - 1), 0.0) / zero_at * start  # the last rollout may overshoot


def ppo(env: VecEnv, *, fast: bool = True, precision: str = "auto", threads: int = 1, **settings: Any) -> Blind:
    """Build a blind PPO for this environment; settings as for `make`.

    With `fast`, an implementation of rlhp acts and updates if it supports the settings (`rlhp.agent.fast`); otherwise it is
    Stable-Baselines3's own. `precision` and `threads` apply to the convolutions of the fast one: float32, bfloat16, or auto, the
    better one on this device. Raises UserError for bfloat16 with another implementation.
    """
    _check_policy(env, settings.get("policy", "MlpPolicy"), settings.get("policy_kwargs"))
    algorithm, more = ppo_algorithm(env, settings, fast, precision, threads)
    if precision == "bfloat16" and "precision" not in more:
        raise UserError(
            "agent.precision=bfloat16, which auto may select, needs agent.fast=true, images, discrete actions and stock PPO "
            "settings; set agent.precision=float32."
        )
    return make(algorithm, env, **more, **settings)


def ppo_algorithm(
    env: VecEnv, settings: Mapping[str, Any], fast: bool, precision: str, threads: int
) -> tuple[type[Blind], dict[str, Any]]:
    """The implementation of PPO that `ppo` builds, and its additional settings."""
    if not fast:
        return BlindPPO, {}
    from rlhp.agent.fast import choose  # here, so that a run without it imports none of it

    return choose(env, settings, precision, threads)


def a2c(env: VecEnv, **settings: Any) -> Blind:
    """Build a blind A2C for this environment; settings as for `make`."""
    return make(BlindA2C, env, **settings)


def make(
    algorithm: type[Blind],
    env: VecEnv,
    *,
    gamma: float,
    normalise_observations: bool = True,
    normalise_reward: bool = True,
    reward_shift: float | None = None,
    policy: str = "MlpPolicy",
    policy_kwargs: Mapping[str, Any] | None = None,
    callback: Any = None,
    refit: Refit = no_refit,
    intrinsic_reward: IntrinsicReward | None = None,
    start: Start | None = None,
    kl_penalty: KLPenalty | None = None,
    device: str = "cpu",
    **settings: Any,
) -> Blind:
    """An agent that never sees this environment's reward.

    `normalise_observations` normalises what the policy sees; the recorder below it keeps raw observations. `normalise_reward`
    divides the reward by the standard deviation of its return, after `reward_shift` has moved its mean to that many standard
    deviations. `refit` retrains the value function when the reward has changed; `intrinsic_reward` rewards the policy while
    there is no reward model. `start` is the policy to start from, whose observation statistics stay fixed, and `kl_penalty`
    penalises leaving it. `settings` are passed to the SB3 algorithm; `policy_kwargs.activation_fn` may name a module of
    torch.nn; `device` is cpu, cuda or auto (a GPU if there is one). Raises UserError if the algorithm cannot act in this
    environment, if `refit`, `intrinsic_reward` or `start` is combined with images, or `start` with another of them.
    """
    _check_policy(env, policy, policy_kwargs)
    _check_images(env, policy, refit, intrinsic_reward, start)
    _check_start(start, kl_penalty, intrinsic_reward)
    where = processor(device)
    recorder = Recorder(env)
    stacked = stack_frames(recorder)
    seen = ObservationNormaliser(stacked) if normalise_observations else stacked
    if start is not None and isinstance(seen, ObservationNormaliser):
        seen.training = False  # other statistics would change the policy
    kwargs = _with_extractor(seen.observation_space, policy_kwargs)
    if isinstance(kwargs.get("activation_fn"), str):
        kwargs["activation_fn"] = getattr(torch.nn, kwargs["activation_fn"])
    try:
        agent = algorithm(policy, seen, gamma=gamma, policy_kwargs=kwargs, device=where, **settings)  # type: ignore[call-arg]
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:  # SB3 asserts what it supports, torch raises it
        raise UserError(f"{algorithm.__name__} cannot be built with these settings: {error}") from error
    scale = ReturnNormaliser(env.num_envs, gamma) if normalise_reward else NoNormalisation()
    shifted = scale if reward_shift is None else RewardShift(scale, reward_shift)
    agent.attach(recorder, shifted, callback, refit, intrinsic_reward, start, kl_penalty)
    return agent


def _with_extractor(space: spaces.Space, policy_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The keywords of a policy; observations of images and a vector get a `PartsEncoder` unless they name an extractor."""
    default = {"features_extractor_class": PartsEncoder} if isinstance(space, ImagesAndVector) else {}
    return {**default, **(policy_kwargs or {})}


def _check_policy(env: VecEnv, policy: str, policy_kwargs: Mapping[str, Any] | None) -> None:
    """Raises UserError for an image policy if observations are not images, or not images that its network supports."""
    seen = seen_space(env.observation_space, getattr(env, "stack", 1))
    ours = (policy_kwargs or {}).get("features_extractor_class") is ImageEncoder
    if policy == "CnnPolicy" and not is_image_space(seen) and not (ours and is_image(seen)):
        raise UserError(
            f"this agent reads images, and observations are {env.observation_space}; choose agent=ppo, a2c or by_observation."
        )


def _check_images(env: VecEnv, policy: str, refit: Refit, intrinsic_reward: IntrinsicReward | None, start: Start | None) -> None:
    """Raises UserError for settings that support only vectors, if the policy sees images."""
    if intrinsic_reward is not None and isinstance(env.observation_space, ImagesAndVector):
        raise UserError(
            "agent.intrinsic_reward measures distances between states, which pixels do not represent; set it to null."
        )
    if policy != "CnnPolicy" and not is_image_space(seen_space(env.observation_space, getattr(env, "stack", 1))):
        return
    if refit is not no_refit:
        raise UserError(
            "agent.refit fits layers of the value function that the policy does not use, and on images they share all layers; "
            "set it to null."
        )
    if intrinsic_reward is not None:
        raise UserError(
            "agent.intrinsic_reward measures distances between states, which pixels do not represent; set it to null."
        )
    if start is not None:
        raise UserError(
            "agent.start lets the value function learn before the policy, and on images they share their layers; set it to null."
        )


def _check_start(start: Start | None, kl_penalty: KLPenalty | None, intrinsic_reward: IntrinsicReward | None) -> None:
    """Raises UserError for settings that need a policy to start from, or that do not work with one."""
    if start is None and kl_penalty is not None:
        raise UserError(
            "agent.kl_penalty keeps the policy near the one that it starts from; choose that with agent/start=..., or set "
            "agent.kl_penalty=null."
        )
    if start is not None and intrinsic_reward is not None:
        raise UserError(
            "agent.intrinsic_reward would change the policy of agent.start before its segments are compared; set one of them to "
            "null."
        )
