"""PPO's acting and update written out: the results of Stable-Baselines3's PPO in less time.

It replaces two methods of that PPO, `collect_rollouts` and `train`; policy classes, rollout buffer, schedules and log stay
those of Stable-Baselines3. `FastPPO` is for small networks on vectors, where distribution objects, autograd's graph and one
optimiser call per parameter take longer than the arithmetic: its update takes half the time and gives the same bits. `FastCnnPPO`
is for convolutional networks on images: channels last, in bfloat16 where the processor has it, divided among threads; it makes
1.4 times as many steps per second of processor time in float32, equal up to rounding, and 2.1 times in bfloat16
(experiments/speed/README.md).

`agent.fast=false` trains without it, and so do settings that neither of the two supports. `choose` is the only entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.vec_env import VecEnv

from rlhp.agent.blind import BlindPPO
from rlhp.agent.fast import cnn_ppo, ppo
from rlhp.agent.fast.cnn_ppo import FastCnnPPO
from rlhp.agent.fast.ppo import FastPPO

__all__ = ["FastCnnPPO", "FastPPO", "choose"]


def choose(env: VecEnv, settings: Mapping[str, Any], precision: str, threads: int) -> tuple[type[BlindPPO], dict[str, Any]]:
    """The fastest implementation of PPO that supports these settings in this environment, and its additional settings.

    `settings` are those of `rlhp.agent.build.make`; `precision` and `threads` apply to the convolutions of `FastCnnPPO`.
    """
    if cnn_ppo.supports(env, settings):
        return FastCnnPPO, {"precision": precision, "threads": threads}
    return (FastPPO if ppo.supports(env, settings) else BlindPPO), {}
