"""Export of a trained policy in the format of Stable-Baselines3."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from stable_baselines3 import A2C, PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from rlhp.agent.blind import Blind
from rlhp.agent.mixture import Mixture
from rlhp.agent.state import normaliser_state, restore_normaliser
from rlhp.types import ImagesAndVector

POLICY, NORMALISER = "policy.zip", "vec_normalize.pkl"
SHARED = ("n_steps", "gamma", "gae_lambda", "ent_coef", "vf_coef", "max_grad_norm")  # settings of PPO and A2C
OF_PPO = ("batch_size", "n_epochs")


def save_sb3(agent: Blind, folder: Path) -> list[Path]:
    """Write `policy.zip`, which `PPO.load` or `A2C.load` reads, and `vec_normalize.pkl`, which normalises its observations.

    The latter is left out if observations are not normalised, or in a way that `VecNormalize` does not support. Returns the files
    written; none for a mixture of policies, which Stable-Baselines3 does not support.
    """
    if isinstance(agent.acting_policy(), Mixture):
        return []
    sb3_agent(agent).save(folder / POLICY)
    env: Any = agent.env
    if not isinstance(env, VecNormalize) or isinstance(env.observation_space, ImagesAndVector):
        return [folder / POLICY]
    _normaliser(env).save(str(folder / NORMALISER))
    return [folder / POLICY, folder / NORMALISER]


def algorithm_name(agent: Blind) -> str:
    """The name of the agent's algorithm in Stable-Baselines3: PPO or A2C."""
    return (PPO if isinstance(agent, PPO) else A2C).__name__


def loads_without_rlhp(agent: Blind) -> bool:
    """Whether `policy.zip` can be loaded without rlhp: its features extractor is not one of rlhp's classes."""
    extractor = agent.policy_kwargs.get("features_extractor_class")
    return not str(getattr(extractor, "__module__", "")).startswith("rlhp.")


def sb3_agent(agent: Blind) -> OnPolicyAlgorithm:
    """A PPO or A2C of Stable-Baselines3 with the same network, on the CPU; its learning rate is the agent's initial one."""
    kwargs = {name: value for name, value in agent.policy_kwargs.items() if name not in ("optimizer_class", "optimizer_kwargs")}
    settings = {name: getattr(agent, name) for name in (*SHARED, *(OF_PPO if isinstance(agent, PPO) else ()))}
    make = PPO if isinstance(agent, PPO) else A2C
    policy: Any = agent.policy_class
    env: Any = agent.env
    rate = float(agent.lr_schedule(1))
    with warnings.catch_warnings():
        # SB3 warned already when the agent was built
        warnings.filterwarnings("ignore", "You have specified a mini-batch size", UserWarning)
        made = make(policy, env, rate, policy_kwargs=kwargs, device="cpu", **settings)
    made.policy.load_state_dict(agent.policy.state_dict())
    return made


def _normaliser(env: VecNormalize) -> VecNormalize:
    """A `VecNormalize` of Stable-Baselines3 with the same statistics; it is saved without its environments."""
    assert env.venv is not None
    made = VecNormalize(env.venv, training=False, norm_reward=False, clip_obs=env.clip_obs, epsilon=env.epsilon)
    restore_normaliser(made, normaliser_state(env))
    return made
