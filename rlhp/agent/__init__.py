"""What acts: PPO and A2C of Stable-Baselines3, made blind to the environment's reward."""

from rlhp.agent.blind import Blind, BlindA2C, BlindPPO
from rlhp.agent.build import a2c, linear, ppo
from rlhp.agent.explore import StateEntropy
from rlhp.agent.level import Level
from rlhp.agent.recorder import Recorder
from rlhp.agent.refit import ValueRefit
from rlhp.agent.scale import ReturnScale, Unscaled

__all__ = [
    "Blind",
    "BlindA2C",
    "BlindPPO",
    "Level",
    "Recorder",
    "ReturnScale",
    "StateEntropy",
    "Unscaled",
    "ValueRefit",
    "a2c",
    "linear",
    "ppo",
]
